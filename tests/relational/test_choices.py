"""The alternatives of a layer, each by its formula."""

from __future__ import annotations

import jax.numpy as jnp
import numpy as np
import pytest

from kapl_jax.relational.choices import (
    Offered,
    activate,
    attention_mask,
    choices,
    choose,
    message,
    neutral,
)

D = 6
OFFERED = Offered(
    ("tanh", "identity", "relu"), ("rotation", "sum", "product"), ("max",), ("off",), (4, 2, 3)
)
STATES, RELATIONS = np.random.default_rng(0).normal(size=(2, 7, D)).astype(np.float32)


def chosen(**places):
    names = ("activation", "message", "aggregation", "gate", "attention_dim")
    return choices(jnp.array([places.get(name, 0) for name in names]))


@pytest.mark.parametrize(
    ("place", "expected"), [(0, np.tanh), (1, lambda x: x), (2, lambda x: np.maximum(x, 0))]
)
def test_activations_stand_in_the_order_offered(place, expected):
    found = activate(OFFERED, chosen(activation=place), jnp.asarray(STATES))
    np.testing.assert_allclose(found, expected(STATES), rtol=1e-6, atol=1e-6)


def test_sums_and_products():
    for place, expected in ((1, STATES + RELATIONS), (2, STATES * RELATIONS)):
        found = message(OFFERED, chosen(message=place), STATES, RELATIONS)
        np.testing.assert_allclose(found, expected, rtol=1e-6)


def test_a_rotation_turns_complex_numbers_and_keeps_their_length():
    found = np.asarray(message(OFFERED, chosen(message=0), STATES, RELATIONS))
    half = D // 2
    turned = found[:, :half] + 1j * found[:, half:]
    states = STATES[:, :half] + 1j * STATES[:, half:]
    phases = RELATIONS[:, :half] + 1j * RELATIONS[:, half:]
    np.testing.assert_allclose(turned, states * phases / np.abs(phases), rtol=1e-4, atol=1e-5)
    np.testing.assert_allclose(np.abs(turned), np.abs(states), rtol=1e-5)


@pytest.mark.parametrize("place", range(3))
def test_a_message_from_the_neutral_state_is_the_relation_itself(place):
    start = neutral(OFFERED, chosen(message=place), D)
    found = message(OFFERED, chosen(message=place), start, RELATIONS)
    expected = RELATIONS
    if OFFERED.messages[place] == "rotation":
        pairs = RELATIONS.reshape(-1, 2, D // 2)
        expected = (pairs / np.linalg.norm(pairs, axis=1, keepdims=True)).reshape(-1, D)
    np.testing.assert_allclose(found, expected, rtol=1e-5)


def test_a_narrow_attention_has_the_first_units_of_the_widest():
    masks = [attention_mask(OFFERED, chosen(attention_dim=place)) for place in range(3)]
    assert np.array(masks).tolist() == [
        [True, True, True, True],
        [True, True, False, False],
        [True, True, True, False],
    ]


def test_choose_takes_the_value_at_the_place():
    values = [jnp.full(2, value) for value in (5.0, 6.0, 7.0)]
    assert [float(choose(jnp.int32(place), values)[0]) for place in range(3)] == [5.0, 6.0, 7.0]


def test_axes_are_in_the_order_in_which_a_candidate_chooses():
    place = choices(jnp.array([2, 1, 0, 0, 1]))
    names = [axis[int(at)] for axis, at in zip(OFFERED.axes, vars(place).values(), strict=True)]
    assert names == ["relu", "sum", "max", "off", 2]
