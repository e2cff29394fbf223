from __future__ import annotations

import functools

import jax
import numpy as np
import pytest

from kapl_jax.modulation.networks import INPUTS, network_modulate, network_size
from kapl_jax.modulation.operations import modulate
from kapl_jax.modulation.structures import preset
from tests.modulation.slow import slow_network

C, TASKS, ROWS, WIDTH, HIDDEN = 2, 2, 3, 4, 3
SIZE = 6 + HIDDEN * 8


@functools.cache
def program(kind):
    return jax.jit(lambda choice, x, phi: [kind(choice)(c, x, phi) for c in range(C)])


def networks(weights):
    return network_modulate(weights, HIDDEN)


def draw(seed=0):
    rng = np.random.default_rng(seed)
    x = rng.normal(size=(TASKS, ROWS, WIDTH)).astype(np.float32)
    phi = rng.normal(size=(4, TASKS, 1, WIDTH)).astype(np.float32)
    weights = rng.normal(size=(C, SIZE)).astype(np.float32)
    return x, phi, weights


def test_size():
    assert len(INPUTS) == 6
    assert [network_size(hidden) for hidden in (1, HIDDEN, 4)] == [14, SIZE, 38]


@pytest.mark.parametrize("seed", range(3))
def test_equals_the_slow_one(seed):
    x, phi, weights = draw(seed)
    found = program(networks)(weights, x, phi)
    slow = slow_network(weights, HIDDEN)
    for position in range(C):
        for task in range(TASKS):
            for row in range(ROWS):
                expected = slow(position, x[task, row], phi[:, task, 0])
                np.testing.assert_allclose(
                    found[position][task, row], expected, rtol=1e-5, atol=1e-5
                )


def test_a_linear_part_of_x_alone_leaves_it_untouched():
    x, phi, weights = draw()
    weights[:, 0], weights[:, 1:6], weights[:, -HIDDEN:] = 1, 0, 0
    for found in program(networks)(weights, x, phi):
        np.testing.assert_array_equal(found, x)


def test_film_is_a_linear_part():
    x, phi, weights = draw()
    weights[:] = 0
    weights[:, [0, INPUTS.index("φ4"), INPUTS.index("x (φ3 - 1)")]] = 1
    expected = program(modulate)(preset("film", C), x, phi)
    for found, one in zip(program(networks)(weights, x, phi), expected, strict=True):
        np.testing.assert_allclose(found, one, rtol=1e-5, atol=1e-6)


def test_order_and_sign_of_hidden_units_do_not_matter():
    x, phi, weights = draw()
    rng = np.random.default_rng(1)
    order, signs = rng.permutation(HIDDEN), np.array([-1, 1, -1])
    matrix = weights[:, 6 : 6 + 6 * HIDDEN].reshape(C, HIDDEN, 6)
    bias, out = np.split(weights[:, -2 * HIDDEN :], 2, axis=1)
    other = np.concatenate(
        [
            weights[:, :6],
            (matrix * signs[:, None])[:, order].reshape(C, -1),
            (bias * signs)[:, order],
            (out * signs)[:, order],
        ],
        axis=1,
    )
    assert not np.array_equal(other, weights)
    pairs = zip(program(networks)(other, x, phi), program(networks)(weights, x, phi), strict=True)
    for found, expected in pairs:
        np.testing.assert_allclose(found, expected, rtol=1e-4, atol=1e-5)
