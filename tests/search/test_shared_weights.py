from __future__ import annotations

import jax
import jax.numpy as jnp
import numpy as np
import pytest

from kapl_jax.search.shared_weights import SharedWeights


class Targets:
    """One number w is pulled towards the candidate drawn at each step; closeness is the score.

    The state also counts how often each candidate was drawn.
    """

    def __init__(self, steps: int = 20) -> None:
        self.data = jnp.arange(steps)

    def init(self, key, candidate, hyperparameters):
        del hyperparameters
        return jax.random.normal(key, ()) + 0 * candidate

    def train_epoch_shared(self, state, pool, hyperparameters, epoch, keys, data):
        def step(w, number):
            key = jax.random.fold_in(keys.own, number)
            target = pool[jax.random.randint(key, (), 0, pool.shape[0])]
            return w + hyperparameters["learning_rate"] * (target - w), w

        state, _ = jax.lax.scan(step, state, data)
        return state, jnp.float32(0) + epoch

    def evaluate(self, state, candidate, data):
        del data
        return {"closeness": -jnp.abs(state - candidate), "other": state}

    def score(self, metrics):
        return metrics["closeness"]


NUMBERS = {"learning_rate": 0.1}


def scores(pool, epochs=30, seed=0):
    candidates = np.array(pool, np.float32)
    return SharedWeights(Targets(), candidates, NUMBERS, epochs, seed).scores(candidates)


def test_weights_are_trained_for_all_and_score_each():
    found = scores([0.0, 1.0, 2.0])
    # The shared weight ends near the mean of the targets.
    assert found.argmax() == 1
    assert found.dtype == np.float64
    shared = 1.0 - found[1] if found[0] < found[2] else 1.0 + found[1]
    np.testing.assert_allclose(found, -np.abs(shared - np.arange(3)), atol=1e-6)


def test_one_candidate_is_trained_alone():
    np.testing.assert_allclose(scores([3.0], epochs=20), [0.0], atol=1e-5)


def test_the_same_again_and_another_seed():
    np.testing.assert_array_equal(scores([0.0, 2.0, 5.0]), scores([0.0, 2.0, 5.0]))
    assert not np.allclose(scores([0.0, 2.0, 5.0], seed=1), scores([0.0, 2.0, 5.0]))


@pytest.mark.parametrize("count", [3, 16, 17])
def test_any_number_is_scored_in_order(count):
    # The first is far below the weight, so that its score tells the weight.
    pool = np.concatenate([[-50.0], np.linspace(-1, 1, count - 1)])
    found = scores(pool, epochs=2)
    shared = -50.0 - found[0]
    np.testing.assert_allclose(found, -np.abs(shared - pool), atol=1e-5)


def test_what_is_not_finite_comes_last():
    found = scores([0.0, np.nan, 1.0], epochs=0)
    assert found[1] == -np.inf
    assert np.isfinite(found[[0, 2]]).all()
