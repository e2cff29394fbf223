"""Time training and compare it with PyTorch, alternating in one run.

python -m experiments.benchmark --dataset=umls --population=64 [--json=FILE]

Prints trained candidate-epochs a second of a population, of populations of other sizes, of PyTorch
one structure at a time and batched (where it is installed), of the matrix products alone, the
memory and where the time goes.
"""

from __future__ import annotations

import dataclasses
from pathlib import Path

from kapl_jax.benchmarking.report import BenchmarkSettings, run_benchmark
from kapl_jax.runs.files import write_json
from kapl_jax.runs.program import run_program, use_cpu_cores
from kapl_jax.runs.settings import define_flags, from_flags


def main(argv: list[str]) -> None:
    """Run the benchmark as the flags say."""
    del argv
    settings = from_flags(BenchmarkSettings)
    use_cpu_cores(settings.cpu_devices or None)
    figures = run_benchmark(settings, print)
    if settings.json:
        write_json(Path(settings.json), {"settings": dataclasses.asdict(settings), **figures})
        print(f"figures: {settings.json}")


if __name__ == "__main__":
    define_flags(BenchmarkSettings)
    run_program(main)
