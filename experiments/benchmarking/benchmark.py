"""What a method gives to be timed, and how it is: measurements, tables and figures.

A method's benchmark is a `Benchmark`: its cases, its unit of work. `run_benchmark` is for all.
"""

from __future__ import annotations

import importlib.util
from collections.abc import Callable, Mapping
from dataclasses import dataclass
from typing import Any

from experiments.benchmarking.measures import Case, Timing, alternate, peak_bytes, profile
from kapl_jax.errors import UserError
from kapl_jax.runs.compilation_cache import cache_setting
from kapl_jax.runs.environment import environment
from kapl_jax.runs.settings import Settings, setting
from kapl_jax.search.compiling import PRECISIONS
from kapl_jax.search.trainer import PopulationTrainer

Write = Callable[[str], None]
_LARGEST_POPULATION = 100_000


@dataclass(frozen=True)
class BenchmarkSettings(Settings):
    """The settings that benchmarks share; the program's flags are made from a method's own."""

    dataset: str = setting("", "Registered data or a folder.")
    data_dir: str = setting(
        "",
        "Folder of registered data, searched first; then $KAPL_DATA, the user's cache, a download.",
        path=True,
    )
    embedding_dim: int = setting(32, "Embedding dimension.", low=4, high=65_536)
    batch_size: int = setting(32, "Batch size.", low=1, high=2**20)
    population: int = setting(
        64, "Structures trained side by side.", low=1, high=_LARGEST_POPULATION
    )
    curve: str = setting("1,2,4,8,16,32,64,128,256", "Population sizes of the curve; '' for none.")
    epochs: int = setting(2, "Epochs per measurement.", low=1)
    rounds: int = setting(5, "Measurements of each program, in turn.", low=1, high=10_000)
    chunk_size: int = setting(
        0, "Most individuals on the devices at once; 0: as many as suit the devices.", low=0
    )
    torch_chunk_size: int = setting(
        4, "Structures per batch of batched PyTorch.", low=1, high=_LARGEST_POPULATION
    )
    torch: bool = setting(True, "Also time PyTorch, if it is installed.")
    profile: bool = setting(True, "Show where the time goes.")
    precision: str = setting(
        "float32",
        "Precision of matrix products; PyTorch's are always in float32.",
        choices=PRECISIONS,
    )
    cpu_devices: int = setting(0, "CPU cores to spread a population over; 0: all.", low=0)
    compilation_cache: str = cache_setting()
    json: str = setting("", "JSON file for the figures.", path=True)

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
        factor: How many there are for a unit of work per second.
    """

    title: str
    key: str
    factor: float


@dataclass(frozen=True)
class Unit:
    """The unit of work, and how its times are shown.

    Attributes:
        name: One of it.
        rate_key: The name in JSON of how many are done per second.
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
        cases: Makes our programs to time in turn; the first is what others are compared with.
        baselines: Makes PyTorch's, timed in the same turns; called only where PyTorch is there.
        curve: Makes the cases of populations of several sizes, by size.
        epoch: Makes a warmed-up function that trains our population's first chunk for an epoch.
    """

    headline: str
    unit: Unit
    cases: Callable[[], list[Case]]
    baselines: Callable[[], list[Case]]
    curve: Callable[[], Mapping[int, Case]]
    epoch: Callable[[], Callable[[], object]]


def run_benchmark(
    benchmark: Benchmark, settings: BenchmarkSettings, write: Write
) -> dict[str, Any]:
    """Run the benchmark, write its tables line by line and return its figures."""
    setup = environment()
    write(f"{benchmark.headline}, on {setup['device']['name']}")
    cases = benchmark.cases()
    if settings.torch and _pytorch_is_there():
        cases += benchmark.baselines()
    timings = alternate(cases, settings.rounds)
    figures: dict[str, Any] = {**setup, "programs": _rows(timings, benchmark.unit)}
    _write_table(timings, benchmark.unit, write)
    figures["curve"] = _curve(benchmark, settings, write)
    figures["peak_bytes"] = peak_bytes()
    write(f"\npeak memory {figures['peak_bytes'] / 2**20:.0f} MiB")
    if settings.profile:
        shares = profile(benchmark.epoch())
        figures["profile"] = dict(shares)
        write("\nwhere the time of a chunk goes")
        for name, share in shares:
            write(f"  {share:6.1%}  {name}")
    return figures


def _pytorch_is_there() -> bool:
    """Return whether PyTorch is installed, and the baselines, which no wheel holds, are there."""
    needed = ("torch", "experiments.pytorch_baselines")
    return all(importlib.util.find_spec(name) is not None for name in needed)


def _curve(benchmark: Benchmark, settings: BenchmarkSettings, write: Write) -> dict[int, Any]:
    """Time populations of several sizes and return their rows by size."""
    cases = benchmark.curve()
    if not cases:
        return {}
    timings = alternate(list(cases.values()), settings.rounds)
    write("")
    _write_table(timings, benchmark.unit, write)
    rows = _rows(timings, benchmark.unit)
    return {size: rows[case.name] for size, case in cases.items()}


def _rows(timings: Mapping[str, Timing], unit: Unit) -> dict[str, dict[str, float]]:
    return {
        name: {
            "milliseconds": 1e3 * timing.median,
            "low": 1e3 * timing.low,
            "high": 1e3 * timing.high,
            unit.rate_key: timing.rate,
        }
        | ({unit.derived.key: unit.derived.factor * timing.rate} if unit.derived else {})
        for name, timing in timings.items()
    }


def _write_table(timings: Mapping[str, Timing], unit: Unit, write: Write) -> None:
    """Write a line per program: its time, range and rate, and its time over the first's."""
    width = max(len(name) for name in timings)
    first = next(iter(timings.values()))
    derived = unit.derived
    title = f"{unit.symbol} per {unit.name}"
    write(
        f"{'program':<{width}}  {title}  (least - most)      per second  "
        f"{f'{derived.title}  ' if derived else ''}times as long as the first"
    )
    for name, timing in timings.items():
        span = f"({unit.scale * timing.low:.2f} - {unit.scale * timing.high:.2f})"
        also = f"{derived.factor * timing.rate:>{len(derived.title)}.1f}  " if derived else ""
        write(
            f"{name:<{width}}  {unit.scale * timing.median:>{len(title)}.2f}  {span:<18}  "
            f"{timing.rate:>10.1f}  {also}{timing.median / first.median:.2f}"
        )
