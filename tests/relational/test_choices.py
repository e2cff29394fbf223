"""The alternatives of a layer, each by its formula."""

from __future__ import annotations

import jax.numpy as jnp
import numpy as np
import pytest

from kapl_jax.relational.choices import Offered, attention_mask, choices, choose
from kapl_jax.relational.searched_layer import ACTIVATIONS, rotate, searched_layer

D = 6
OFFERED = Offered(
    ("tanh", "identity", "relu"), ("rotation", "sum", "product"), ("max",), ("off",), (4, 2, 3)
)
STATES, RELATIONS = np.random.default_rng(0).normal(size=(2, 7, D)).astype(np.float32)


def chosen(**indices):
    names = ("activation", "message", "aggregation", "gate", "attention_dim")
    return choices(jnp.array([indices.get(name, 0) for name in names]))


class OneEdge:
    """Edges of which each is all there is of its row and relation."""

    def of_sources(self, values):
        return values

    def of_relations(self, table):
        return table


def message(index, states):
    layer = searched_layer(OFFERED, chosen(message=index))
    return np.asarray(layer.message({"relation": RELATIONS}, None, OneEdge(), states))


@pytest.mark.parametrize(
    ("name", "expected"),
    [("tanh", np.tanh), ("identity", lambda x: x), ("relu", lambda x: np.maximum(x, 0))],
)
def test_activations(name, expected):
    np.testing.assert_allclose(ACTIVATIONS[name](STATES), expected(STATES), rtol=1e-6, atol=1e-6)


def test_sums_and_products():
    for index, expected in ((1, STATES + RELATIONS), (2, STATES * RELATIONS)):
        np.testing.assert_allclose(message(index, STATES), expected, rtol=1e-6)


def test_a_rotation_turns_complex_numbers_and_keeps_their_length():
    found = np.asarray(rotate(STATES, RELATIONS))
    half = D // 2
    turned = found[:, :half] + 1j * found[:, half:]
    states = STATES[:, :half] + 1j * STATES[:, half:]
    phases = RELATIONS[:, :half] + 1j * RELATIONS[:, half:]
    np.testing.assert_allclose(turned, states * phases / np.abs(phases), rtol=1e-4, atol=1e-5)
    np.testing.assert_allclose(np.abs(turned), np.abs(states), rtol=1e-5)


@pytest.mark.parametrize("index", range(3))
def test_a_message_from_the_neutral_state_is_the_relation_itself(index):
    layer = searched_layer(OFFERED, chosen(message=index))
    start = layer.start({"relation": RELATIONS}, np.zeros(len(RELATIONS), int))
    expected = RELATIONS
    if OFFERED.messages[index] == "rotation":
        pairs = RELATIONS.reshape(-1, 2, D // 2)
        expected = (pairs / np.linalg.norm(pairs, axis=1, keepdims=True)).reshape(-1, D)
    np.testing.assert_allclose(message(index, start), expected, rtol=1e-5)


def test_a_narrow_attention_has_the_first_units_of_the_widest():
    masks = [attention_mask(OFFERED, chosen(attention_dim=index)) for index in range(3)]
    assert np.array(masks).tolist() == [
        [True, True, True, True],
        [True, True, False, False],
        [True, True, True, False],
    ]


def test_choose_takes_the_value_at_the_place():
    values = [jnp.full(2, value) for value in (5.0, 6.0, 7.0)]
    assert [float(choose(jnp.int32(index), values)[0]) for index in range(3)] == [5.0, 6.0, 7.0]


def test_axes_are_in_the_order_in_which_a_candidate_chooses():
    choice = choices(jnp.array([2, 1, 0, 0, 1]))
    names = [axis[int(at)] for axis, at in zip(OFFERED.axes, vars(choice).values(), strict=True)]
    assert names == ["relu", "sum", "max", "off", 2]
