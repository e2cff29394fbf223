from __future__ import annotations

import functools

import jax
import jax.numpy as jnp
import numpy as np
import pytest

from kapl_jax.modulation.encoder import SetEncoder
from kapl_jax.modulation.layout import Layout
from tests.modulation.slow import leaky, linear

CONTEXT, WIDTHS = 5, (4, 3, 2)
ENCODER = SetEncoder(CONTEXT, WIDTHS)
LAYOUT = Layout(((2, 3), (2, 2)))
OWNERS = np.repeat(np.arange(4), [3, 3, 2, 2])
# The last task has no examples.
MASK = np.array([1, 1, 1, 1, 0, 1, 0, 1, 0, 0], bool)


@functools.cache
def program():
    return jax.jit(lambda variables, *sets: ENCODER.apply(variables, *sets, LAYOUT))


@functools.cache
def init_program():
    return jax.jit(lambda key, *sets: ENCODER.init(key, *sets, LAYOUT))


def draw(seed=0):
    """Return parameters with biases that matter, embeddings of examples and tasks, and labels."""
    rng = np.random.default_rng(seed)
    examples = rng.normal(size=(10, 3)).astype(np.float32)
    tasks = rng.normal(size=(4, 2)).astype(np.float32)
    labels = rng.random((10, 2)).astype(np.float32)
    variables = init_program()(jax.random.key(seed), examples, tasks, labels, MASK)
    params = variables["params"]
    for layer in ("item", "phi"):
        params[layer]["bias"] = rng.normal(size=params[layer]["bias"].shape).astype(np.float32)
    return variables, examples, tasks, labels


def slow_phi(variables, examples, tasks, labels, task):
    params = jax.tree.map(np.float64, variables["params"])
    context, count = np.zeros(CONTEXT), 0
    for row in range(10):
        if OWNERS[row] == task and MASK[row]:
            inputs = np.array([*examples[row], *labels[row], *tasks[task]])
            context += leaky(linear(params["item"], inputs))
            count += 1
    phi = linear(params["phi"], context / max(count, 1)).reshape(4, sum(WIDTHS))
    phi[2] = np.log(1 + np.exp(phi[2])) / np.log(2)
    return np.split(phi, np.cumsum(WIDTHS)[:-1], axis=1)


@pytest.mark.parametrize("seed", range(3))
def test_equals_the_slow_one(seed):
    given = draw(seed)
    found = program()(*given, MASK)
    assert [one.shape for one in found] == [(4, 4, width) for width in WIDTHS]
    for task in range(4):
        for one, expected in zip(found, slow_phi(*given, task), strict=True):
            np.testing.assert_allclose(one[:, task], expected, rtol=1e-5, atol=1e-6)


def test_what_stands_in_the_padding_does_not_matter():
    variables, examples, tasks, labels = draw()
    expected = program()(variables, examples, tasks, labels, MASK)
    other = np.where(MASK[:, None], examples, 1e3), tasks, np.where(MASK[:, None], labels, -7)
    found = program()(variables, *map(np.float32, other), MASK)
    jax.tree.map(np.testing.assert_array_equal, found, expected)


def test_the_order_of_the_examples_does_not_matter():
    variables, examples, tasks, labels = draw()
    order = np.array([2, 0, 1, 5, 4, 3, 7, 6, 9, 8])
    assert (OWNERS[order] == OWNERS).all()
    expected = program()(variables, examples, tasks, labels, MASK)
    found = program()(variables, examples[order], tasks, labels[order], MASK[order])
    for one, other in zip(found, expected, strict=True):
        np.testing.assert_allclose(one, other, rtol=1e-5, atol=1e-6)


def test_labels_and_tasks_matter():
    """Else the tests above would prove little."""
    variables, examples, tasks, labels = draw()
    expected = program()(variables, examples, tasks, labels, MASK)
    for other in ((examples, tasks, 1 - labels), (examples, tasks[::-1], labels)):
        found = program()(variables, *other, MASK)
        assert all(np.abs(a - b)[:, :3].min() > 1e-7 for a, b in zip(found, expected, strict=True))


def test_without_any_example_phi_is_the_same_for_all_tasks_and_neutral_at_first():
    variables, examples, tasks, labels = draw()
    nothing = np.zeros(10, bool)
    for phi in map(np.asarray, program()(variables, examples, tasks, labels, nothing)):
        np.testing.assert_allclose(phi, np.broadcast_to(phi[:, :1], phi.shape), rtol=1e-6)
    fresh = init_program()(jax.random.key(0), examples, tasks, labels, MASK)
    for phi in program()(fresh, examples, tasks, labels, nothing):
        for index, neutral in enumerate((0, 0, 1, 0)):
            np.testing.assert_allclose(phi[index], neutral, rtol=1e-6)


def test_factors_are_never_negative_nor_stuck():
    variables, *given = draw()
    variables["params"]["phi"]["bias"] = jnp.full(4 * sum(WIDTHS), -8.0)
    value, gradient = jax.jit(
        jax.value_and_grad(lambda at: sum(jnp.sum(p[2]) for p in program()(at, *given, MASK)))
    )(variables)
    assert value > 0
    of_bias = gradient["params"]["phi"]["bias"].reshape(4, -1)
    assert (of_bias[2] > 0).all()
