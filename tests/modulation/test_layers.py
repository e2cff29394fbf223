from __future__ import annotations

import jax
import numpy as np
import pytest

from kapl_jax.modulation.layers import JoinedDense, dense, modulate_rows
from kapl_jax.modulation.layout import Layout
from kapl_jax.modulation.operations import modulate
from tests.modulation.slow import slow_modulate

LAYOUT = Layout(((2, 3), (1, 2)))


def started(module, *given):
    return jax.jit(lambda key: module.init(key, *given))(jax.random.key(0))


def test_the_joined_layer_is_a_layer_on_joined_rows():
    rng = np.random.default_rng(0)
    rows = rng.normal(size=(8, 4)).astype(np.float32)
    tasks = rng.normal(size=(3, 2)).astype(np.float32)
    module = JoinedDense(5)
    variables = started(module, rows, tasks, LAYOUT)
    variables["params"]["bias"] += np.arange(5, dtype=np.float32)
    joined = np.concatenate([rows, np.repeat(tasks, [3, 3, 2], axis=0)], axis=1)
    expected = dense(5).apply(variables, joined)
    assert expected.shape == (8, 5)
    np.testing.assert_allclose(
        module.apply(variables, rows, tasks, LAYOUT), expected, rtol=1e-5, atol=1e-6
    )


def test_weights_start_uniform_by_the_number_of_inputs():
    rows, tasks = np.zeros((8, 60), np.float32), np.zeros((3, 40), np.float32)
    for variables in (
        started(dense(50), np.zeros((1, 100), np.float32)),
        started(JoinedDense(50), rows, tasks, LAYOUT),
    ):
        kernel = np.asarray(variables["params"]["kernel"])
        assert kernel.shape == (100, 50)
        assert np.abs(kernel).max() <= 0.1
        np.testing.assert_allclose(kernel.std(), 0.1 / np.sqrt(3), rtol=0.03)
        assert not np.any(variables["params"]["bias"])


@pytest.mark.parametrize("position", [0, 1])
def test_rows_are_modulated_by_the_parameters_of_their_task(position):
    rng = np.random.default_rng(0)
    structure = np.array([[1, 0, 0, 1], [0, 1, 1, 0]], bool)
    rows = rng.normal(size=(8, 4)).astype(np.float32)
    phi = rng.normal(size=(4, 3, 4)).astype(np.float32)
    found = modulate_rows(modulate(structure), position, rows, phi, LAYOUT)
    slow = slow_modulate(structure)
    for row, (values, task) in enumerate(zip(rows, [0, 0, 0, 1, 1, 1, 2, 2], strict=True)):
        np.testing.assert_allclose(found[row], slow(position, values, phi[:, task]), rtol=1e-6)
