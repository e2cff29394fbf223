"""Tables and figures of any benchmark."""

import dataclasses

import pytest

from experiments.benchmarking.benchmark import Benchmark, BenchmarkSettings, Derived, Unit
from experiments.benchmarking.report import run_benchmark
from experiments.benchmarking.timing import Case
from kapl_jax.errors import UserError


def _benchmark(unit):
    return Benchmark(
        headline="nothing at all",
        unit=unit,
        cases=lambda: [Case("ours", lambda: 0.002), Case("theirs, slow", lambda: 0.008)],
        curve=lambda: {4: Case("population of 4", lambda: 0.001)},
        epoch=lambda: lambda: None,
    )


def _run(unit):
    lines = []
    settings = BenchmarkSettings(rounds=2, profile=False)
    return run_benchmark(_benchmark(unit), settings, lines.append), lines


def test_figures_and_table():
    figures, lines = _run(Unit("candidate-epoch", "candidate_epochs_per_second"))
    assert figures["programs"]["theirs, slow"] == pytest.approx(
        {"milliseconds": 8.0, "low": 8.0, "high": 8.0, "candidate_epochs_per_second": 125.0}
    )
    assert figures["curve"][4]["milliseconds"] == pytest.approx(1.0)
    assert lines[1].split("  ")[-1] == "times as long as the first"
    assert lines[3].split() == ["theirs,", "slow", "8.00", "(8.00", "-", "8.00)", "125.0", "4.00"]
    # The curve has its own first.
    assert lines[6].split()[-1] == "1.00"


def test_a_derived_column_stands_in_table_and_figures():
    figures, lines = _run(Unit("user", "users", "us", 1e6, Derived("a minute", "minute", 60.0)))
    assert figures["programs"]["ours"]["minute"] == pytest.approx(30_000.0)
    assert "us a user" in lines[1]
    assert "a minute" in lines[1]
    assert lines[2].split()[1:] == [
        "2000.00",
        "(2000.00",
        "-",
        "2000.00)",
        "500.0",
        "30000.0",
        "1.00",
    ]


def test_settings_out_of_range_are_refused():
    with pytest.raises(UserError, match="--rounds=0"):
        dataclasses.replace(BenchmarkSettings(), rounds=0)
