"""Running a benchmark: its measurements, tables and figures, whatever the method."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

from experiments.benchmarking.benchmark import Benchmark, BenchmarkSettings, Unit, Write
from experiments.benchmarking.memory import peak_bytes
from experiments.benchmarking.profile import profile
from experiments.benchmarking.timing import Timing, alternate
from kapl_jax.runs.environment import environment


def run_benchmark(
    benchmark: Benchmark, settings: BenchmarkSettings, write: Write
) -> dict[str, Any]:
    """Run the benchmark, write its tables line by line and return its figures."""
    setup = environment()
    write(f"{benchmark.headline}, on {setup['device']['name']}")
    timings = alternate(benchmark.cases(), settings.rounds)
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
    """Write a line a program: its time, range and rate, and its time over the first's."""
    width = max(len(name) for name in timings)
    first = next(iter(timings.values()))
    derived = unit.derived
    title = f"{unit.symbol} a {unit.name}"
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
