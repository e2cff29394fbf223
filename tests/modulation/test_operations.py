from __future__ import annotations

import functools

import jax
import jax.numpy as jnp
import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from kapl_jax.modulation.operations import modulate, relaxed_modulate
from kapl_jax.modulation.structures import OPERATIONS
from tests.modulation.slow import slow_modulate, slow_relaxed

C, TASKS, ROWS, WIDTH = 2, 2, 4, 5
few_examples = settings(max_examples=25, deadline=None)
seeds = st.integers(0, 2**32 - 1)


@functools.cache
def program(kind):
    """Return `(choice [C, 4], x, phi) -> (values, gradients of x and phi)` over all positions."""

    def total(choice, x, phi, weights):
        apply = kind(choice)
        values = jnp.stack([apply(position, x, phi) for position in range(C)])
        return jnp.sum(weights * values), values

    def values_and_gradients(choice, x, phi, weights):
        (_, values), gradients = jax.value_and_grad(total, (1, 2), has_aux=True)(
            choice, x, phi, weights
        )
        return values, *gradients

    return jax.jit(values_and_gradients)


def draw(seed):
    """Return values of some tasks' examples, a row of zeros among them, and the tasks' φ."""
    rng = np.random.default_rng(seed)
    x = rng.normal(size=(TASKS, ROWS, WIDTH)).astype(np.float32)
    x[0, 0] = 0
    phi = rng.normal(size=(4, TASKS, 1, WIDTH)).astype(np.float32)
    phi[2] = np.abs(phi[2])
    weights = rng.normal(size=(C, *x.shape)).astype(np.float32)
    return rng, x, phi, weights


def slowly(slow, x, phi):
    return np.array(
        [
            [[slow(position, row, phi[:, task, 0]) for row in x[task]] for task in range(TASKS)]
            for position in range(C)
        ]
    )


def test_the_order_of_the_operations():
    assert OPERATIONS == ("max", "min", "scale", "shift")
    phi = jnp.array([0.5, 0.2, 10.0, 1.0])[:, None]
    # The maximum first: the other way round x = 0.3 would end at 0.5 * 10 + 1.
    everything = modulate(jnp.ones((1, 4), bool))
    np.testing.assert_allclose(everything(0, jnp.array([0.3]), phi), [0.2 * 10 + 1])


@few_examples
@given(seed=seeds)
def test_a_structure_equals_the_slow_one(seed):
    rng, x, phi, weights = draw(seed)
    structure = rng.random((C, 4)) < 0.5
    found, _, _ = program(modulate)(structure, x, phi, weights)
    expected = slowly(slow_modulate(structure), x, phi)
    np.testing.assert_allclose(found, expected, rtol=1e-5, atol=1e-6)


@few_examples
@given(seed=seeds)
def test_a_relaxed_structure_equals_the_slow_one(seed):
    rng, x, phi, weights = draw(seed)
    gates = rng.random((C, 4)).astype(np.float32)
    found, _, _ = program(relaxed_modulate)(gates, x, phi, weights)
    expected = slowly(slow_relaxed(gates.astype(float)), x.astype(float), phi.astype(float))
    np.testing.assert_allclose(found, expected, rtol=1e-4, atol=1e-5)


@few_examples
@given(seed=seeds)
def test_alpha_at_infinity_is_the_structure_in_values_and_gradients(seed):
    rng, x, phi, weights = draw(seed)
    structure = rng.random((C, 4)) < 0.5
    gates = jax.nn.sigmoid(jnp.where(structure, jnp.inf, -jnp.inf))
    relaxed = program(relaxed_modulate)(gates, x, phi, weights)
    discrete = program(modulate)(structure, x, phi, weights)
    for found, expected in zip(relaxed, discrete, strict=True):
        assert np.isfinite(found).all()
        np.testing.assert_allclose(found, expected, rtol=1e-4, atol=1e-5)


def test_a_large_alpha_is_near_the_structure():
    """The limit is approached, not jumped to."""
    rng, x, phi, weights = draw(0)
    structure = rng.random((C, 4)) < 0.5
    discrete = program(modulate)(structure, x, phi, weights)[0]
    distances = []
    for size in (2.0, 4.0, 8.0):
        gates = jax.nn.sigmoid(jnp.where(structure, size, -size))
        values = program(relaxed_modulate)(gates, x, phi, weights)[0]
        distances.append(float(np.abs(values - discrete).max()))
    assert distances[0] > 2 * distances[1] > 4 * distances[2] > 0


def test_nothing_present_leaves_every_bit():
    _, x, phi, weights = draw(1)
    found, gradient, of_phi = program(modulate)(np.zeros((C, 4), bool), x, phi, weights)
    np.testing.assert_array_equal(found, np.broadcast_to(x, found.shape))
    np.testing.assert_allclose(gradient, weights.sum(axis=0), rtol=1e-6)
    assert not np.any(of_phi)


def test_each_operation_has_its_own_gradient():
    """By hand: a bound that is reached takes the gradient from x."""
    x = np.full((TASKS, ROWS, WIDTH), 2.0, np.float32)
    phi = np.ones((4, TASKS, 1, WIDTH), np.float32) * np.array([3, 1, 5, 7])[:, None, None, None]
    weights = np.zeros((C, *x.shape), np.float32)
    weights[0] = 1
    for index, (value, of_x, of_phi) in enumerate([(3, 0, 1), (1, 0, 1), (10, 5, 2), (9, 1, 1)]):
        structure = np.zeros((C, 4), bool)
        structure[:, index] = True
        values, x_gradient, phi_gradient = program(modulate)(structure, x, phi, weights)
        assert (values == value).all()
        assert (x_gradient == of_x).all()
        assert (phi_gradient[index] == of_phi * ROWS).all()
        assert not np.delete(phi_gradient, index, axis=0).any()


@pytest.mark.parametrize("kind", [modulate, relaxed_modulate])
def test_gradients_are_finite_differences(kind):
    rng, x, phi, weights = draw(2)
    x[0, 0] = rng.normal(size=WIDTH)
    choice = rng.random((C, 4))
    if kind is modulate:
        choice = choice < 0.5
    slow = {modulate: slow_modulate, relaxed_modulate: slow_relaxed}[kind](choice)
    with jax.enable_x64(True):
        gradients = program(kind)(choice, *map(np.float64, (x, phi, weights)))[1:]
        of_x, of_phi = map(np.asarray, gradients)
    at = np.float64(x), np.float64(phi)

    def total(x, phi):
        return (weights * slowly(slow, x, phi)).sum()

    for _ in range(5):
        steps = [1e-6 * rng.normal(size=array.shape) for array in at]
        above, below = (
            total(*(array + sign * step for array, step in zip(at, steps, strict=True)))
            for sign in (1, -1)
        )
        found = (of_x * steps[0]).sum() + (of_phi * steps[1]).sum()
        np.testing.assert_allclose(found, (above - below) / 2, rtol=1e-5)
