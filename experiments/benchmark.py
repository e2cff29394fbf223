"""Time training and compare it with PyTorch, alternating in one run.

python -m experiments.benchmark --dataset=umls --population=64 [--json=FILE]
python -m experiments.benchmark --method=coldnas --dataset=lastfm --population=64 [--json=FILE]
python -m experiments.benchmark --method=red_gnn --dataset=umls --part=training [--json=FILE]

Prints what a population trains per second (candidate-epochs of AutoBLM, users of ColdNAS, batches
of RED-GNN), and the same for populations of other sizes, for PyTorch as published and batched (if
it is installed) and for the matrix products alone; then the memory and where the time goes. A
candidate-epoch is one epoch of one individual. The flags depend on the method.
"""

from __future__ import annotations

import argparse
import dataclasses
import sys
from collections.abc import Callable, Mapping, Sequence
from pathlib import Path
from typing import Any

from experiments.benchmarking.benchmark import Benchmark, BenchmarkSettings, run_benchmark
from experiments.benchmarking.bilinear import BilinearSettings, bilinear_benchmark
from experiments.benchmarking.modulation import ModulationSettings, modulation_benchmark
from experiments.benchmarking.relational import RelationalSettings, relational_benchmark
from kapl_jax.runs.compilation_cache import use_compilation_cache
from kapl_jax.runs.files import write_json
from kapl_jax.runs.program import run_program, use_cpu_cores
from kapl_jax.runs.settings import Settings, define_flags, from_flags, setting

# Of each method the settings, from which the flags are made, and what makes its benchmark of them.
BENCHMARKS: Mapping[str, tuple[type[BenchmarkSettings], Callable[[Any], Benchmark]]] = {
    "autoblm": (BilinearSettings, bilinear_benchmark),
    "coldnas": (ModulationSettings, modulation_benchmark),
    "red_gnn": (RelationalSettings, relational_benchmark),
}
_DEFAULT = "autoblm"


@dataclasses.dataclass(frozen=True)
class MethodSettings(Settings):
    """What decides all other flags."""

    method: str = setting(_DEFAULT, "Method to time.", choices=list(BENCHMARKS))


def main(argv: list[str]) -> None:
    """Run the benchmark as the flags say."""
    del argv
    method = from_flags(MethodSettings).method
    kind, make = BENCHMARKS[method]
    settings = from_flags(kind)
    use_cpu_cores(settings.cpu_devices)
    use_compilation_cache(settings.compilation_cache)
    figures = run_benchmark(make(settings), settings, print)
    if settings.json:
        setup = {"method": method, "settings": dataclasses.asdict(settings)}
        write_json(Path(settings.json), {**setup, **figures})
        print(f"figures: {settings.json}")


def method_asked(arguments: Sequence[str]) -> str:
    """Return the method that command-line arguments ask for, which decides all other flags.

    An unknown one counts as the default here: the program's own parser will complain.
    """
    parser = argparse.ArgumentParser(add_help=False, allow_abbrev=False)
    parser.add_argument("--method", "-method", nargs="?", default=_DEFAULT)
    method = parser.parse_known_args(arguments)[0].method
    return method if method in BENCHMARKS else _DEFAULT


if __name__ == "__main__":
    define_flags(MethodSettings)
    define_flags(BENCHMARKS[method_asked(sys.argv[1:])][0])
    run_program(main)
