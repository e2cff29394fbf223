"""Tables and figures of any benchmark."""

import dataclasses

import pytest

from experiments.benchmarking import benchmark as measured
from experiments.benchmarking.benchmark import (
    Benchmark,
    BenchmarkSettings,
    Derived,
    Unit,
    run_benchmark,
)
from experiments.benchmarking.measures import Case
from kapl_jax.errors import UserError


def _benchmark(unit):
    return Benchmark(
        headline="nothing at all",
        unit=unit,
        cases=lambda: [Case("ours", lambda: 0.002), Case("theirs, slow", lambda: 0.008)],
        baselines=lambda: [Case("torch", lambda: 0.004)],
        curve=lambda: {4: Case("population of 4", lambda: 0.001)},
        epoch=lambda: lambda: None,
    )


def _run(unit, torch=False):
    lines = []
    settings = BenchmarkSettings(rounds=2, profile=False, torch=torch)
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
    assert "us per user" in lines[1]
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


@pytest.mark.parametrize("wanted", [True, False])
@pytest.mark.parametrize("there", [True, False])
def test_baselines_are_timed_where_they_are_there_and_wanted(monkeypatch, wanted, there):
    monkeypatch.setattr(measured, "_pytorch_is_there", lambda: there)
    figures, lines = _run(Unit("epoch", "epochs_per_second"), torch=wanted)
    names = ["ours", "theirs, slow", *(["torch"] if wanted and there else [])]
    assert list(figures["programs"]) == names
    assert [line.split("  ")[0] for line in lines[2 : 2 + len(names)]] == names


@pytest.mark.parametrize("missing", ["torch", "experiments.pytorch_baselines"])
def test_baselines_need_pytorch_and_the_source_tree(monkeypatch, missing):
    found = {"torch": object(), "experiments.pytorch_baselines": object()}
    monkeypatch.setattr(measured.importlib.util, "find_spec", found.get)
    assert measured._pytorch_is_there()
    del found[missing]
    assert not measured._pytorch_is_there()


def test_settings_out_of_range_are_refused():
    with pytest.raises(UserError, match="--rounds=0"):
        dataclasses.replace(BenchmarkSettings(), rounds=0)
    with pytest.raises(UserError, match=r"--curve='1,0': expected population sizes"):
        BenchmarkSettings(curve="1,0")
