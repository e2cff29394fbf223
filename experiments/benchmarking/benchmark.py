"""What a method gives to be timed: its settings, its cases and its unit of work."""

from __future__ import annotations

import importlib.util
from collections.abc import Callable, Mapping
from dataclasses import dataclass
from typing import Any

from experiments.benchmarking.timing import Case
from kapl_jax.errors import UserError
from kapl_jax.runs.compilation_cache import cache_setting
from kapl_jax.runs.settings import Settings, setting
from kapl_jax.search.compiling import PRECISIONS
from kapl_jax.search.trainer import PopulationTrainer

Write = Callable[[str], None]
_LARGEST_POPULATION = 100_000


@dataclass(frozen=True)
class BenchmarkSettings(Settings):
    """The settings that benchmarks share; the program's flags are made from a method's own."""

    dataset: str = setting("", "Registered data or a folder.")
    data_dir: str = setting("", "Folder of registered data.", path=True)
    embedding_dim: int = setting(32, "Embedding dimension.", low=4, high=65_536)
    batch_size: int = setting(32, "Size of a batch.", low=1, high=2**20)
    population: int = setting(
        64, "Structures trained side by side.", low=1, high=_LARGEST_POPULATION
    )
    curve: str = setting("1,2,4,8,16,32,64,128,256", "Population sizes of the curve; '' for none.")
    epochs: int = setting(2, "Epochs a measurement.", low=1)
    rounds: int = setting(5, "Measurements of each program, in turn.", low=1, high=10_000)
    chunk_size: int = setting(0, "Most structures on the devices at once; 0: chosen.", low=0)
    torch_chunk_size: int = setting(
        4, "Structures in a batch of batched PyTorch.", low=1, high=_LARGEST_POPULATION
    )
    torch: bool = setting(True, "Time PyTorch, too, where it is installed.")
    profile: bool = setting(True, "Show where the time goes.")
    precision: str = setting(
        "float32", "Matrix products: PyTorch's are of float32.", choices=PRECISIONS
    )
    cpu_devices: int = setting(0, "CPU cores to spread over; 0: all.", low=0)
    compilation_cache: str = cache_setting()
    json: str = setting("", "File for the figures.", path=True)

    def __post_init__(self) -> None:
        """Check every value.

        Raises:
            UserError: A value is out of range, or the curve is none of sizes.
        """
        super().__post_init__()
        sizes = [size.strip() for size in self.curve.split(",") if size.strip()]
        if not all(size.isdecimal() and 0 < int(size) <= _LARGEST_POPULATION for size in sizes):
            raise UserError(
                f"--curve={self.curve!r}: expected population sizes separated by commas, such as "
                f"1,8,64, none above {_LARGEST_POPULATION}"
            )

    @property
    def curve_sizes(self) -> list[int]:
        """The population sizes of the curve."""
        return [int(size) for size in self.curve.split(",") if size.strip()]

    def make_trainer(self, problem: Any, chunk_size: int) -> PopulationTrainer[Any]:
        """Return the trainer of a problem."""
        return PopulationTrainer(problem, chunk_size, precision=self.precision)


@dataclass(frozen=True)
class Derived:
    """A column that follows from the rate.

    Attributes:
        title: What it counts.
        key: Its name in JSON.
        factor: How many there are for a unit of work a second.
    """

    title: str
    key: str
    factor: float


@dataclass(frozen=True)
class Unit:
    """The unit of work, and how its times are shown.

    Attributes:
        name: One of it.
        rate_key: The name in JSON of how many are done a second.
        symbol: The unit of time in tables.
        scale: How many of these a second has.
        derived: Another way to say the rate; None for none.
    """

    name: str
    rate_key: str
    symbol: str = "ms"
    scale: float = 1e3
    derived: Derived | None = None


@dataclass(frozen=True)
class Benchmark:
    """What is to be timed.

    Attributes:
        headline: One line on the data and the model; the device is added.
        unit: The unit of work of all cases.
        cases: Makes the programs to time in turn, ours first.
        curve: Makes the cases of populations of several sizes, by size.
        epoch: Makes a warmed-up function that trains our population's first chunk for an epoch.
    """

    headline: str
    unit: Unit
    cases: Callable[[], list[Case]]
    curve: Callable[[], Mapping[int, Case]]
    epoch: Callable[[], Callable[[], object]]


def pytorch_is_there() -> bool:
    """Return whether PyTorch is installed, and the baselines, which no wheel holds, are there."""
    needed = ("torch", "experiments.pytorch_baselines")
    return all(importlib.util.find_spec(name) is not None for name in needed)
