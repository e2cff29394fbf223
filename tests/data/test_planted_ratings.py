"""Ratings of the generator follow the modulation that it says it planted."""

from __future__ import annotations

import functools

import numpy as np
import pytest
from scipy.optimize import least_squares

from kapl_jax.data.cold_start_protocol import Protocol
from kapl_jax.data.planted_ratings import planted_cold_start
from kapl_jax.methods.coldnas.defaults import SUGGESTED

SPLITS = ("train", "valid", "test")
FIELDS, ABSENT, FULL = 5, 1, 6


@functools.cache
def planted(seed=0, query_items=10):
    return planted_cold_start(Protocol(seed=seed, query_items=query_items))


def features():
    """Return the values int[items, fields] of all items."""
    return np.concatenate(planted().item_features.values, axis=1)


def logits(ratings):
    clipped = np.clip(ratings.astype(float), 0.02, 0.98)
    return np.log(clipped / (1 - clipped))


def test_the_structure_scales_the_input():
    structure = planted().planted
    assert (structure.shape, structure.dtype) == ((4, 4), bool)
    assert np.argwhere(structure).tolist() == [[0, 2]]


def test_it_follows_from_the_seed():
    first, again, other = (
        one.describe()["digest"]
        for one in (
            planted(),
            planted_cold_start(Protocol(seed=0, query_items=10)),
            planted(seed=1),
        )
    )
    assert first == again != other


def test_all_rate_the_simple_items_and_are_asked_distinct_rich_ones():
    present = (features() != ABSENT).sum(axis=1)
    seen = []
    for split in SPLITS:
        tasks = getattr(planted(), split)
        assert tasks.support_mask.all()
        assert tasks.query_mask.all()
        assert tasks.query_items.shape[1] == 10
        assert (present[tasks.support_items] == 1).all()
        assert (present[tasks.query_items] == FIELDS).all()
        for items in (tasks.support_items, tasks.query_items):
            assert all(len(set(row)) == len(row) for row in items.tolist())
        for ratings in (tasks.support_ratings, tasks.query_ratings):
            assert ratings.dtype == np.float32
            assert ratings.min() >= 0
            assert ratings.max() <= 1
        seen += tasks.users.tolist()
    assert sorted(seen) == list(range(len(planted().users)))


def test_each_feature_is_rated_once_alone_at_full_strength():
    rows = features()[planted().train.support_items[0]]
    alone = np.argwhere(rows != ABSENT)
    assert sorted(alone[:, 1].tolist()) == list(range(FIELDS))
    assert (rows[rows != ABSENT] == FULL).all()


@pytest.mark.parametrize("query_items", [1, 12])
def test_as_many_are_asked_as_the_protocol_says(query_items):
    assert planted(query_items=query_items).test.query_items.shape[1] == query_items


def slopes_of(tasks):
    """Return the slopes float[users, fields] that the simple items tell."""
    rows = features()[tasks.support_items[0]]
    assert (tasks.support_items == tasks.support_items[0]).all()
    order = np.argmax(rows != ABSENT, axis=1)
    felt = logits(tasks.support_ratings)[:, np.argsort(order)]
    return felt * (-1.0) ** np.arange(FIELDS)


@pytest.mark.parametrize("split", SPLITS)
def test_ratings_are_sums_of_lines_of_a_users_own_slopes(split):
    tasks, values = getattr(planted(), split), features()
    strengths = np.concatenate([[0, 0], np.linspace(0, 1, 5)])
    signed = slopes_of(tasks) * (-1.0) ** np.arange(FIELDS)
    felt = np.einsum("uqf,uf->uq", strengths[values[tasks.query_items]], signed)
    predicted = 1 / (1 + np.exp(-felt))
    # Noise of 0.02 in each of five ratings is 0.08 in a logit or more.
    assert np.abs(predicted - tasks.query_ratings).mean() < 0.05
    assert np.abs(predicted[::-1] - tasks.query_ratings).mean() > 0.15


def leaky(values):
    return np.where(values > 0, values, 0.01 * values)


OPERATIONS = {
    "max": np.maximum,
    "min": np.minimum,
    "scale": lambda x, phi: x * np.abs(phi),
    "shift": np.add,
}


def share_left(operation, slopes, strengths):
    """Return what is left of lines of these slopes by the best fit of an operation at the input.

    A feature is one number for each strength; a user has one parameter of the operation and,
    generously, a constant. It is a share of what is left where nothing is modulated.
    """
    lines = np.outer(slopes, strengths)
    differences = lines - lines.mean(axis=0)
    nothing = np.sum((differences - differences.mean(axis=1, keepdims=True)) ** 2)
    rng, count = np.random.default_rng(0), len(strengths)

    def residuals(numbers):
        table, weight, phi = numbers[:count], numbers[count], numbers[count + 1 :, None]
        fitted = weight * leaky(OPERATIONS[operation](table, phi))
        found = fitted - lines
        return (found - found.mean(axis=1, keepdims=True)).ravel()

    def start(rises):
        table = (strengths if rises else -strengths) * rng.uniform(0.5, 2)
        return np.concatenate([table, [rng.choice([-2, 2])], rng.uniform(-1, 1, len(slopes))])

    fits = [least_squares(residuals, start(number % 2), max_nfev=60) for number in range(6)]
    return 2 * min(fit.cost for fit in fits) / nothing


def test_no_other_operation_at_the_input_gives_users_their_slopes():
    slopes, strengths = np.linspace(0, 4, 7), np.linspace(0, 1, 5)
    left = {name: share_left(name, slopes, strengths) for name in OPERATIONS}
    assert left.pop("scale") < 1e-6
    # Pruning takes away what leaves less than a twentieth of the gain.
    assert min(left.values()) > 0.08, left


def test_layers_behind_the_input_are_too_narrow_for_users_slopes():
    """Up to bends, a layer of 3 units knows an item by 3 numbers, the same for all users."""
    slopes = slopes_of(planted().train)
    spectrum = np.linalg.svd(slopes - slopes.mean(axis=0), compute_uv=False) ** 2
    width = 3
    assert SUGGESTED["planted"]["hidden_units"] == ",".join([str(width)] * 3)
    assert spectrum[width:].sum() / spectrum.sum() > 0.3


def test_features_say_what_items_are_and_nothing_of_users():
    data = planted()
    assert data.rating_range == (0.0, 1.0)
    assert data.user_features.sizes == (1,)
    assert not data.user_features.values[0].any()
    assert len(data.item_features.fields) == FIELDS
    for size, values, vocabulary in zip(
        data.item_features.sizes,
        data.item_features.values,
        data.item_features.vocabularies,
        strict=True,
    ):
        assert set(np.unique(values)) == set(vocabulary.values()) == set(range(1, size))
