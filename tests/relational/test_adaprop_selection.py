"""Which nodes a query keeps, and the gradient of the choice."""

from __future__ import annotations

import jax
import jax.numpy as jnp
import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from kapl_jax.relational.adaprop_selection import select

ROWS, POSITIONS, TOP_K = 2, 8, 3
SIZE = ROWS + TOP_K


@jax.jit
def selected(logits, new, count, noise=None):
    return select(logits[None], new[None], count[None], (TOP_K, SIZE), noise, 1.0)


@settings(max_examples=100, deadline=None)
@given(
    st.permutations(range(POSITIONS)),
    st.lists(st.booleans(), min_size=POSITIONS, max_size=POSITIONS),
    st.integers(1, ROWS),
)
def test_rows_stay_and_the_best_new_ones_follow(logits, new, count):
    new = np.array(new) & (np.arange(POSITIONS) >= ROWS)
    logits = np.array(logits, np.float32)
    found = selected(logits, new, np.int32(count))
    best = sorted(np.flatnonzero(new), key=lambda index: -logits[index])[:TOP_K]
    expected = [*range(count), *best]
    assert found.counts[0] == len(expected)
    np.testing.assert_array_equal(found.positions[0][: len(expected)], expected)
    np.testing.assert_array_equal(found.present[0], np.arange(SIZE) < len(expected))
    assert (found.weights == 1).all()


@pytest.mark.parametrize("extreme", [-np.inf, np.inf])
def test_a_logit_that_overflows_is_no_place_that_is_not_new(extreme):
    new = np.arange(POSITIONS) == POSITIONS - 1
    found = selected(np.full(POSITIONS, extreme, np.float32), new, np.int32(ROWS))
    assert found.positions[0][ROWS] == POSITIONS - 1


def test_noise_decides():
    new = np.arange(POSITIONS) >= ROWS
    noise = np.zeros((1, POSITIONS), np.float32)
    noise[0, [3, 5, 6]] = [9, 8, 7]
    found = selected(np.arange(POSITIONS) / 8.0, new, np.int32(ROWS), noise)
    np.testing.assert_array_equal(found.positions[0][ROWS:], [3, 5, 6])


@jax.jit
def gradient(logits, new, temperature, weights):
    def total(logits):
        found = select(
            logits[None], new[None], jnp.array([ROWS]), (TOP_K, SIZE), None, temperature
        )  # fmt: skip
        return jnp.sum(found.weights[0] * weights)

    return jax.grad(total)(logits)


def test_the_gradient_is_that_of_the_softmax_over_all_new_ones():
    rng = np.random.default_rng(0)
    logits, weights = rng.normal(size=POSITIONS), rng.normal(size=SIZE)
    new = np.arange(POSITIONS) >= ROWS
    tau = 0.7
    best = ROWS + np.argsort(-logits[ROWS:])[:TOP_K]
    powers = np.where(new, np.exp(logits / tau), 0)
    probabilities = powers / powers.sum()
    outer = np.zeros(POSITIONS)
    outer[best] = weights[ROWS:]
    expected = probabilities * (outer - probabilities @ outer) / tau
    found = gradient(jnp.float32(logits), new, tau, jnp.float32(weights))
    np.testing.assert_allclose(found, expected, atol=1e-6)


@pytest.mark.parametrize("available", [0, TOP_K])
def test_no_gradient_where_there_is_no_choice(available):
    new = (np.arange(POSITIONS) >= ROWS) & (np.arange(POSITIONS) < ROWS + available)
    logits = jnp.arange(POSITIONS, dtype=jnp.float32)
    np.testing.assert_array_equal(
        gradient(logits, new, 1.0, jnp.arange(SIZE, dtype=jnp.float32) + 1.0), 0
    )
