"""The methods that can be timed."""

from __future__ import annotations

import argparse
from collections.abc import Callable, Sequence
from dataclasses import dataclass
from typing import Any

from experiments.benchmarking.benchmark import Benchmark, BenchmarkSettings
from experiments.benchmarking.bilinear import BilinearSettings, bilinear_benchmark
from experiments.benchmarking.modulation import ModulationSettings, modulation_benchmark
from experiments.benchmarking.relational import RelationalSettings, relational_benchmark


@dataclass(frozen=True)
class Entry:
    """A method that can be timed.

    Attributes:
        settings: Its settings, from which the program's flags are made.
        make: `(settings) -> Benchmark`.
    """

    settings: type[BenchmarkSettings]
    make: Callable[[Any], Benchmark]


BENCHMARKS = {
    "autoblm": Entry(BilinearSettings, bilinear_benchmark),
    "coldnas": Entry(ModulationSettings, modulation_benchmark),
    "red_gnn": Entry(RelationalSettings, relational_benchmark),
}
DEFAULT = "autoblm"


def method_asked(arguments: Sequence[str]) -> str:
    """Return the method that command-line arguments ask for, which decides all other flags.

    An unknown one counts as the default here: the program's own parser will complain.
    """
    parser = argparse.ArgumentParser(add_help=False, allow_abbrev=False)
    parser.add_argument("--method", "-method", nargs="?", default=DEFAULT)
    method = parser.parse_known_args(arguments)[0].method
    return method if method in BENCHMARKS else DEFAULT
