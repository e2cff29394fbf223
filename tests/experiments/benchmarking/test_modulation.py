"""ColdNAS's benchmark on data of a few users."""

import numpy as np
import pytest

from experiments.benchmarking import modulation
from experiments.benchmarking.modulation import ModulationSettings, benchmark_of_data
from experiments.benchmarking.report import run_benchmark
from kapl_jax.methods.coldnas.problem import ColdNASOptions, ColdNASProblem
from tests.experiments.tiny_cold_start import tiny_cold_start

pytestmark = [pytest.mark.slow, pytest.mark.usefixtures("compiled_plainly")]


def _settings(**values):
    defaults = {
        "embedding_dim": 4,
        "batch_size": 4,
        "population": 2,
        "curve": "2",
        "chunk_size": 1,
        "epochs": 1,
        "rounds": 2,
        "torch": False,
    }
    return ModulationSettings(**(defaults | values))


def test_the_report_holds_every_program_and_the_curve():
    lines = []
    settings = _settings()
    benchmark = benchmark_of_data(settings, tiny_cold_start())
    figures = run_benchmark(benchmark, settings, lines.append)
    names = ["kapl_jax, population of 2", "kapl_jax, one structure", "matrix products alone"]
    assert list(figures["programs"]) == names
    assert list(figures["curve"]) == [2]
    for row in [*figures["programs"].values(), *figures["curve"].values()]:
        assert row["low"] <= row["milliseconds"] <= row["high"]
        assert row["users_per_second"] == pytest.approx(1e3 / row["milliseconds"])
        # 100 epochs of 6 users are one structure.
        assert row["structures_per_minute"] == pytest.approx(row["users_per_second"] * 60 / 600)
    assert lines[0].startswith("tiny: 6 training users, 9 items")
    assert all(any(line.startswith(name) for line in lines) for name in names)
    assert sum(figures["profile"].values()) == pytest.approx(1.0)
    assert any("where the time of a chunk goes" in line for line in lines)


def test_the_limit_counts_the_products_of_real_ratings_only():
    data = tiny_cold_start()
    problem = ColdNASProblem(data, ColdNASOptions(embedding_dim=4, batch_size=6))
    found = modulation._products(problem, 6)
    query = int(np.sum(data.train.query_mask))
    assert found[0] == (int(np.sum(data.train.support_mask)), 5, 256)
    assert found[2] == (6, 256, 4 * (8 + 128 + 64 + 32))
    assert found[-3:] == [(query, 128, 64), (query, 64, 32), (query, 32, 1)]
