from __future__ import annotations

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from kapl_jax.search.schedule import Schedule, full_training, successive_halving

schedules = st.builds(
    successive_halving,
    epochs=st.integers(1, 200),
    factor=st.integers(2, 5),
    rungs=st.integers(1, 6),
)


def test_full_training_drops_nobody_and_ends():
    schedule = full_training(7)
    assert schedule.epochs == 7
    assert schedule.cost(5) == 35
    assert schedule.survivors(0, np.zeros(5)).size == 0


def test_published_halving():
    schedule = successive_halving(27, 3, 4)
    assert schedule.rungs == (1, 3, 9, 27)
    # 27 for one epoch, 9 for two more, 3 for six more, 1 for eighteen more.
    assert schedule.cost(27) == 27 + 18 + 18 + 18


def test_the_best_survive():
    schedule = Schedule((1, 2), 0.5)
    scores = np.array([0.1, 0.9, -np.inf, 0.5, 0.4])
    np.testing.assert_array_equal(schedule.survivors(0, scores), [1, 3, 4])
    assert schedule.survivors(1, scores).size == 0


def test_of_equal_scores_the_earlier_survive():
    np.testing.assert_array_equal(Schedule((1, 2), 0.5).survivors(0, np.zeros(4)), [0, 1])


def test_one_survives_even_when_all_diverged():
    np.testing.assert_array_equal(Schedule((1, 2), 0.1).survivors(0, np.full(4, -np.inf)), [0])


@given(schedules, st.integers(1, 40))
def test_rungs_rise_to_the_full_training(schedule, count):
    assert all(low < high for low, high in zip(schedule.rungs, schedule.rungs[1:], strict=False))
    assert schedule.rungs[0] >= 1
    assert count * schedule.rungs[0] <= schedule.cost(count) <= count * schedule.epochs


@given(schedules, st.integers(1, 40), st.integers(0, 2**32 - 1))
def test_cost_is_that_of_the_survivors(schedule, count, seed):
    rng = np.random.default_rng(seed)
    left, trained, cost = np.arange(count), 0, 0
    for rung, epochs in enumerate(schedule.rungs):
        cost += len(left) * (epochs - trained)
        trained = epochs
        scores = rng.normal(size=len(left))
        stay = schedule.survivors(rung, scores)
        if rung < len(schedule.rungs) - 1:
            assert len(stay) >= 1
            gone = np.setdiff1d(np.arange(len(left)), stay)
            assert not gone.size or scores[stay].min() >= scores[gone].max()
        left = left[stay]
    assert cost == schedule.cost(count)


@pytest.mark.parametrize(("epochs", "rungs"), [(1, 5), (2, 5), (5, 10)])
def test_more_rungs_than_epochs(epochs, rungs):
    assert successive_halving(epochs, 3, rungs).epochs == epochs
