"""Explanations beside predictions by hand, with and without each rating."""

from __future__ import annotations

import dataclasses

import numpy as np
import pytest

from kapl_jax.episodes.tasks import with_supports
from kapl_jax.methods.coldnas.explanations import example_users, explain_users, item_name
from kapl_jax.methods.coldnas.trained import RatingModel
from kapl_jax.modulation.structures import OPERATIONS, preset
from tests.methods.coldnas.by_hand import predictions_by_hand, slow_user, widths_of
from tests.methods.coldnas.slow import slow_phi
from tests.methods.coldnas.tiny import POSITIONS, parameters, rating_model, structures

pytestmark = pytest.mark.usefixtures("compiled_plainly")


@pytest.fixture(scope="module")
def model(compiled_plainly) -> RatingModel:
    return rating_model(structures(1)[0])


@pytest.fixture(scope="module")
def users(model):
    return example_users(model)


def test_the_first_validation_users_are_shown(model, users):
    valid = model.data.valid.users
    assert [one.user for one in users] == [f"user {model.data.users[u]}" for u in valid[:4]]


def test_effects_are_predictions_with_less_those_without(model, users):
    data, weights = model.data, parameters()["model"]
    for index, told in enumerate(users):
        whole = slow_user(data, data.valid, index)
        predicted = predictions_by_hand(weights, model.structure, data, whole)
        best = int(predicted.argmax())
        asked = data.valid.query_items[index][data.valid.query_mask[index]]
        assert told.influence.query_item == f"item {data.items[asked[best]]}"
        assert told.influence.prediction == pytest.approx(predicted[best], rel=1e-5)
        rated = data.valid.support_items[index][data.valid.support_mask[index]]
        ratings = data.valid.support_ratings[index][data.valid.support_mask[index]]
        expected = {}
        for left_out, item in enumerate(rated):
            rest = [one for number, one in enumerate(whole.rated) if number != left_out]
            smaller = dataclasses.replace(whole, rated=rest)
            without = predictions_by_hand(weights, model.structure, data, smaller)[best]
            expected[f"item {data.items[item]}"] = (predicted[best] - without, ratings[left_out])
        assert {one.item for one in told.influence.items} == set(expected)
        for one in told.influence.items:
            effect, rating = expected[one.item]
            # The difference of two ratings up to 5 in single precision.
            assert one.effect == pytest.approx(effect, abs=1e-5)
            assert one.rating == pytest.approx(rating)
        sizes = [abs(one.effect) for one in told.influence.items]
        assert sizes == sorted(sizes, reverse=True)


def test_phi_moves_from_no_rating_to_all(model, users):
    data, widths = model.data, widths_of(parameters()["model"])
    cells = np.argwhere(model.structure)
    for index, told in enumerate(users):
        count = int(data.valid.support_mask[index].sum())
        sizes = list(told.support_sizes)
        assert (sizes[0], sizes[-1]) == (0, count)
        assert sizes == sorted(set(sizes))
        assert told.phi.positions == tuple(cells[:, 0].tolist())
        assert told.phi.operations == tuple(OPERATIONS[one] for one in cells[:, 1])
        whole = slow_user(data, data.valid, index)
        for size, norms in zip(sizes, told.phi.norms, strict=True):
            smaller = dataclasses.replace(whole, rated=whole.rated[:size])
            phi = slow_phi(parameters()["model"], widths, smaller)
            expected = [np.linalg.norm(phi[position][one]) for position, one in cells]
            np.testing.assert_allclose(norms, expected, atol=1e-5)


def test_the_plane_keeps_no_more_than_the_distances(model, users):
    data, widths = model.data, widths_of(parameters()["model"])
    cells = np.argwhere(model.structure)
    full, plane = [], []
    for index, told in enumerate(users):
        whole = slow_user(data, data.valid, index)
        for size, point in zip(told.support_sizes, told.phi.projection, strict=True):
            smaller = dataclasses.replace(whole, rated=whole.rated[:size])
            phi = slow_phi(parameters()["model"], widths, smaller)
            full.append(np.concatenate([phi[position][one] for position, one in cells]))
            plane.append(point)
    full, plane = np.array(full), np.array(plane)
    spectrum = np.linalg.svd(full - full.mean(axis=0), compute_uv=False)
    np.testing.assert_allclose(np.linalg.norm(plane, axis=0), spectrum[:2], rtol=1e-3)


@pytest.mark.parametrize("name", ["none", "shift"])
def test_few_operations_or_none(name):
    model = rating_model(preset(name, POSITIONS))
    tasks = model.tasks(model.data.test)
    one = tasks.take(np.s_[:1])
    (told,) = explain_users(model, [one], ["me"])
    assert told.user == "me"
    assert len(told.phi.operations) == (0 if name == "none" else POSITIONS)
    assert all(len(point) == 2 for point in told.phi.projection)
    if name == "none":
        # Nothing is modulated: ratings do nothing.
        assert [item.effect for item in told.influence.items] == pytest.approx([0.0] * 4, abs=1e-5)


def test_a_user_without_support(model):
    one = model.tasks(model.data.test).take(np.s_[:1])
    empty = with_supports(one, np.zeros_like(one.support.mask))
    (told,) = explain_users(model, [empty], ["new"])
    assert told.support_sizes == (0,)
    assert not told.is_influenced


def test_items_are_called_by_title_where_there_is_one():
    assert item_name(("a", "b"), (), 1) == "item b"
    assert item_name(("a", "b"), ("Alpha", "Beta"), 1) == "Beta"
