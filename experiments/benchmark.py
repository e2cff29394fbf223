"""Time training and compare it with PyTorch, alternating in one run.

python -m experiments.benchmark --dataset=umls --population=64 [--json=FILE]
python -m experiments.benchmark --method=coldnas --dataset=lastfm --population=64 [--json=FILE]
python -m experiments.benchmark --method=red_gnn --dataset=umls --part=training [--json=FILE]

Prints what a population trains a second (candidate-epochs of AutoBLM, users of ColdNAS,
batches of RED-GNN), what
populations of other sizes do, PyTorch as published and batched (where it is installed), and the
matrix products alone, the memory and where the time goes. The flags depend on the method.
"""

from __future__ import annotations

import dataclasses
import sys
from pathlib import Path

from experiments.benchmarking.registry import BENCHMARKS, DEFAULT, method_asked
from experiments.benchmarking.report import run_benchmark
from kapl_jax.runs.compilation_cache import use_compilation_cache
from kapl_jax.runs.files import write_json
from kapl_jax.runs.program import run_program, use_cpu_cores
from kapl_jax.runs.settings import Settings, define_flags, from_flags, setting


@dataclasses.dataclass(frozen=True)
class MethodSettings(Settings):
    """What decides all other flags."""

    method: str = setting(DEFAULT, "What is trained.", choices=list(BENCHMARKS))


def main(argv: list[str]) -> None:
    """Run the benchmark as the flags say."""
    del argv
    method = from_flags(MethodSettings).method
    entry = BENCHMARKS[method]
    settings = from_flags(entry.settings)
    use_cpu_cores(settings.cpu_devices)
    use_compilation_cache(settings.compilation_cache)
    figures = run_benchmark(entry.make(settings), settings, print)
    if settings.json:
        setup = {"method": method, "settings": dataclasses.asdict(settings)}
        write_json(Path(settings.json), {**setup, **figures})
        print(f"figures: {settings.json}")


if __name__ == "__main__":
    define_flags(MethodSettings)
    define_flags(BENCHMARKS[method_asked(sys.argv[1:])].settings)
    run_program(main)
