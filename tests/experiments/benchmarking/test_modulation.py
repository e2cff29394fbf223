"""ColdNAS's benchmark on data of a few users."""

import numpy as np
import pytest

from experiments.benchmarking import modulation
from experiments.benchmarking.benchmark import run_benchmark
from experiments.benchmarking.modulation import ModulationSettings, benchmark_of_data
from kapl_jax.methods.coldnas.problem import ColdNASOptions, ColdNASProblem
from tests.experiments.tiny_cold_start import tiny_cold_start

pytestmark = pytest.mark.usefixtures("compiled_plainly")
_NAMES = ["kapl_jax, population of 2", "kapl_jax, one structure", "matrix products alone"]


def _settings(**values):
    defaults = {
        "embedding_dim": 4,
        "batch_size": 4,
        "population": 2,
        "curve": "2",
        "chunk_size": 1,
        "epochs": 1,
        "rounds": 1,
        "torch": False,
        "profile": False,
    }
    return ModulationSettings(**(defaults | values))


def test_what_is_timed_of_which_data():
    benchmark = benchmark_of_data(_settings(curve="1,3"), tiny_cold_start())
    assert [case.name for case in benchmark.cases()] == _NAMES
    assert list(benchmark.curve()) == [1, 3]
    ratings = tiny_cold_start().train.num_ratings
    assert benchmark.headline == (
        f"tiny: 6 training users, 9 items, {ratings} ratings, dimension 4, batch 4"
    )
    # 100 epochs of 6 users are one structure.
    assert benchmark.unit.derived.factor == pytest.approx(60 / 600)


@pytest.mark.slow
def test_every_program_and_the_curve_are_measured():
    lines, settings = [], _settings()
    figures = run_benchmark(benchmark_of_data(settings, tiny_cold_start()), settings, lines.append)
    assert list(figures["programs"]) == _NAMES
    assert list(figures["curve"]) == [2]
    for row in [*figures["programs"].values(), *figures["curve"].values()]:
        assert 0 < row["low"] <= row["milliseconds"] <= row["high"]
        assert row["users_per_second"] == pytest.approx(1e3 / row["milliseconds"])
        assert row["structures_per_minute"] == pytest.approx(row["users_per_second"] / 10)
    assert all(any(line.startswith(name) for line in lines) for name in _NAMES)


def test_the_limit_counts_the_products_of_real_ratings_only():
    data = tiny_cold_start()
    problem = ColdNASProblem(data, ColdNASOptions(embedding_dim=4, batch_size=6))
    found = modulation._products(problem, 6)
    query = int(np.sum(data.train.query_mask))
    assert found[0] == (int(np.sum(data.train.support_mask)), 5, 256)
    assert found[2] == (6, 256, 4 * (8 + 128 + 64 + 32))
    assert found[-3:] == [(query, 128, 64), (query, 64, 32), (query, 32, 1)]
