from __future__ import annotations

import numpy as np
import pytest

from kapl_jax.methods.contenders import (
    Contender,
    best_contender,
    best_seed,
    mean_score,
    metrics_of_seeds,
    result_rows,
    spread,
)
from kapl_jax.search.individual import Individual
from kapl_jax.search.stage import Outcome


def outcome(score, seed=0, **numbers):
    record = {"valid": {"mse": -score}, "test": {"mse": 2 - score}}
    return Outcome(Individual(np.zeros(2), numbers, seed), score, True, record)


CONTENDERS = [
    Contender("searched-1", np.zeros(2), True),
    Contender("searched-2", np.ones(2), True),
    Contender("film", np.ones(2), False),
]
# The first has the best seed, the preset the best mean; the second is worst.
OUTCOMES = {
    "searched-1": [outcome(-0.1, 0, rate=0.1), outcome(-0.9, 1, rate=0.1)],
    "searched-2": [outcome(-0.8, 0), outcome(-0.8, 1)],
    "film": [outcome(-0.3, 0), outcome(-0.4, 1)],
}


def test_the_best_has_the_best_mean_over_seeds():
    assert mean_score(OUTCOMES["searched-1"]) == pytest.approx(-0.5)
    assert best_contender(CONTENDERS, OUTCOMES).name == "film"


def test_a_seed_that_diverged_counts():
    diverged = {**OUTCOMES, "film": [outcome(-0.1), outcome(-np.inf, 1)]}
    assert best_contender(CONTENDERS, diverged).name == "searched-1"


def test_the_model_is_that_of_the_best_seed():
    assert best_seed(OUTCOMES["searched-1"]) is OUTCOMES["searched-1"][0]
    assert best_seed(OUTCOMES["film"]).individual.seed == 0


def test_mean_and_sample_deviation():
    found = spread([{"a": 1.0, "b": 2.0}, {"a": 2.0, "b": 2.0}, {"a": 6.0, "b": 2.0}])
    assert found["a"] == {"mean": 3.0, "std": pytest.approx(np.sqrt((4 + 1 + 9) / 2))}
    assert found["b"] == {"mean": 2.0, "std": 0.0}
    assert spread([{"a": 4.0}]) == {"a": {"mean": 4.0, "std": None}}


def test_rows_hold_both_splits_and_the_hyperparameters():
    row = metrics_of_seeds(OUTCOMES["searched-1"])
    assert row["hyperparameters"] == {"rate": 0.1}
    assert row["valid"]["mse"]["mean"] == pytest.approx(0.5)
    assert row["test"]["mse"]["mean"] == pytest.approx(2.5)
    assert row["test"]["mse"]["std"] == pytest.approx(0.8 / np.sqrt(2))


def test_searched_are_in_order_and_presets_by_name():
    rows = {one.name: {**metrics_of_seeds(OUTCOMES[one.name])} for one in CONTENDERS}
    found = result_rows(CONTENDERS[1::-1] + CONTENDERS[2:], OUTCOMES, rows)
    assert [one["name"] for one in found["searched"]] == ["searched-1", "searched-2"]
    assert found["baselines"] == {"film": rows["film"]}
    assert found["valid"] == rows["film"]["valid"]
    assert found["test"] == rows["film"]["test"]
    assert found["seeds"] == 2
