"""The modulated predictor against one that knows neither batches nor padding."""

from __future__ import annotations

import dataclasses
import functools

import jax
import numpy as np
import pytest

from kapl_jax.episodes.tasks import ExampleRows
from kapl_jax.methods.coldnas.model import ModulatedPredictor
from kapl_jax.modulation.layout import Layout
from kapl_jax.modulation.operations import modulate
from tests.methods.coldnas.slow import SlowUser, slow_phi, slow_predictions
from tests.modulation.kinds import KINDS

MODEL = ModulatedPredictor((7, 5), (4, 3), embedding_dim=2, context_dim=5, hidden_units=(4, 3))
C = len(MODEL.widths)
SUPPORT, QUERY = (3, 1, 0, 2), (2, 4, 1, 3)
PLAIN = Layout(((4, 4),)), Layout(((4, 5),))
# Users in this order have no more items than their group.
GROUPED = Layout(((1, 3), (3, 2))), Layout(((1, 2), (2, 4), (1, 3)))


def random_choice(seed, kind="structure"):
    return KINDS[kind].draw(np.random.default_rng(seed), C)


@functools.cache
def program(kind="structure"):
    """Return `(variables, choice, users, support, query) -> predictions`."""
    make = KINDS[kind].modulate
    return jax.jit(lambda variables, choice, *sets: MODEL.apply(variables, make(choice), *sets))


@functools.cache
def parameters():
    """Return parameters that are large enough for every operation to count."""
    users = draw(0)
    choice = np.ones((C, 4), bool)
    init = jax.jit(lambda key: MODEL.init(key, modulate(choice), *arrays(users)))
    rng = np.random.default_rng(0)
    return jax.tree.map(
        lambda leaf: np.float32(2 * np.asarray(leaf) + 0.3 * rng.normal(size=leaf.shape)),
        init(jax.random.key(0)),
    )


def draw(seed) -> list[SlowUser]:
    rng = np.random.default_rng(seed)

    def values(size, most):
        return (1 + rng.permutation(size - 1)[: rng.integers(1, most + 1)]).tolist()

    def rated(count):
        return [
            ([[int(rng.integers(7))], values(5, 3)], float(np.float32(rng.random())))
            for _ in range(count)
        ]

    return [
        SlowUser([[int(rng.integers(4))], values(3, 2)], rated(support), rated(query))
        for support, query in zip(SUPPORT, QUERY, strict=True)
    ]


def arrays(users, layouts=PLAIN, junk=0):
    """Return what the model takes; `junk` is what padding is made of."""
    width = 3

    def padded(values, width):
        return np.array([[*one, *[-1] * (width - len(one))] for one in values], np.int32)

    def rows(sets, layout):
        sizes = [width for users, width in layout.groups for _ in range(users)]
        filled, mask = [], []
        for one, size in zip(sets, sizes, strict=True):
            filled += [*one, *[([[junk], [junk, junk]], junk / 2)] * (size - len(one))]
            mask += [True] * len(one) + [False] * (size - len(one))
        fields = tuple(
            padded([item[index] for item, _ in filled], most)
            for index, most in ((0, 1), (1, width))
        )
        ratings = np.array([rating for _, rating in filled], np.float32)
        return ExampleRows(fields, ratings, np.array(mask), layout)

    fields = tuple(
        padded([user.fields[index] for user in users], most) for index, most in ((0, 1), (1, 2))
    )
    return (
        fields,
        rows([user.rated for user in users], layouts[0]),
        rows([user.asked for user in users], layouts[1]),
    )


def by_user(predictions, query):
    """Return the predictions of real items, one list a user."""
    rows = query.layout.split_rows(np.asarray(predictions))
    masks = query.layout.split_rows(query.mask)
    return [
        one[kept]
        for part, mask in zip(rows, masks, strict=True)
        for one, kept in zip(np.asarray(part), np.asarray(mask), strict=True)
    ]


def predictions(choice, users, layouts=PLAIN, junk=0, kind="structure"):
    sets = arrays(users, layouts, junk)
    return by_user(program(kind)(parameters(), choice, *sets), sets[2])


def slowly(choice, users, kind="structure"):
    params = jax.tree.map(np.float64, parameters()["params"])
    slow = KINDS[kind].slow(np.asarray(choice))
    return [slow_predictions(params, MODEL.widths, slow, user) for user in users]


def assert_close(found, expected, rtol=1e-5):
    for one, other in zip(found, expected, strict=True):
        np.testing.assert_allclose(one, other, rtol=rtol, atol=1e-6)


@pytest.mark.parametrize("kind", KINDS)
def test_predictions_equal_the_slow_ones(kind):
    for seed in range(5):
        users = draw(seed)
        choice = random_choice(seed, kind)
        found = predictions(choice, users, kind=kind)
        assert_close(found, slowly(choice, users, kind), rtol=1e-4)
        assert np.std(np.concatenate(found)) > 0.01


def test_parameters_phi_equal_the_slow_ones():
    users = draw(0)
    fields, support, _ = arrays(users)
    apply = jax.jit(lambda *given: MODEL.apply(*given, method="user_phi"))
    found = apply(parameters(), fields, support)
    assert [one.shape for one in found] == [(4, len(users), width) for width in (8, 4, 3)]
    params = jax.tree.map(np.float64, parameters()["params"])
    for index, user in enumerate(users):
        expected = slow_phi(params, MODEL.widths, user)
        for one, other in zip(found, expected, strict=True):
            np.testing.assert_allclose(one[:, index], other, rtol=1e-5, atol=1e-6)


def test_every_operation_changes_predictions():
    """Else comparing random structures would prove little."""
    users = draw(0)
    nothing = np.concatenate(predictions(np.zeros((C, 4), bool), users))
    for index in range(C * 4):
        one = np.arange(C * 4).reshape(C, 4) == index
        assert np.abs(np.concatenate(predictions(one, users)) - nothing).max() > 1e-4


@pytest.mark.parametrize("seed", range(3))
def test_neither_padding_nor_what_stands_in_it_matters(seed):
    users, choice = draw(seed), random_choice(seed)
    expected = predictions(choice, users)
    assert_close(predictions(choice, users, junk=3), expected)
    assert_close(predictions(choice, users, GROUPED, junk=2), expected)


def test_a_user_alone_is_the_same():
    users, choice = draw(1), random_choice(1)
    expected = predictions(choice, users)
    layouts = Layout(((1, 3),)), Layout(((1, 4),))
    for user, one in zip(users, expected, strict=True):
        assert_close(predictions(choice, [user], layouts), [one])


@pytest.mark.parametrize("seed", range(3))
def test_the_order_of_support_items_does_not_matter_and_queries_keep_theirs(seed):
    users, choice = draw(seed), random_choice(seed)
    expected = predictions(choice, users)
    turned = [
        dataclasses.replace(user, rated=user.rated[::-1], asked=user.asked[::-1]) for user in users
    ]
    assert_close(predictions(choice, turned), [one[::-1] for one in expected])


def test_asked_ratings_are_not_looked_at():
    users, choice = draw(0), random_choice(0)
    blind = [dataclasses.replace(user, asked=[(i, 0.0) for i, _ in user.asked]) for user in users]
    for found, expected in zip(predictions(choice, blind), predictions(choice, users), strict=True):
        np.testing.assert_array_equal(found, expected)
