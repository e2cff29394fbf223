"""Ratings of the generator follow the modulation that it says it planted."""

from __future__ import annotations

import functools

import numpy as np
import pytest

from kapl_jax.data.cold_start import describe_cold_start
from kapl_jax.data.cold_start_protocol import Protocol
from kapl_jax.data.planted_ratings import planted_cold_start

SPLITS = ("train", "valid", "test")
ABSENT, VALUES = 1, range(2, 7)


@functools.cache
def planted(seed=0, query_items=10):
    return planted_cold_start(Protocol(seed=seed, query_items=query_items))


def features():
    """Return the values int[items, fields] of all items."""
    return np.concatenate(planted().item_features.values, axis=1)


def logits(ratings):
    clipped = np.clip(ratings.astype(float), 0.02, 0.98)
    return np.log(clipped / (1 - clipped))


def test_the_structure_scales_and_shifts_the_input():
    structure = planted().planted
    assert (structure.shape, structure.dtype) == ((4, 4), bool)
    assert np.argwhere(structure).tolist() == [[0, 2], [0, 3]]


def test_it_follows_from_the_seed():
    first, again, other = (
        describe_cold_start(one)["digest"]
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
        assert (present[tasks.query_items] == 6).all()
        for items in (tasks.support_items, tasks.query_items):
            assert all(len(set(row)) == len(row) for row in items.tolist())
        for ratings in (tasks.support_ratings, tasks.query_ratings):
            assert ratings.dtype == np.float32
            assert ratings.min() >= 0
            assert ratings.max() <= 1
        seen += tasks.users.tolist()
    assert sorted(seen) == list(range(len(planted().users)))


def test_each_value_of_each_feature_is_rated_once_alone():
    items = planted().train.support_items[0]
    alone = [
        (int(field), int(row[field]))
        for row in features()[items]
        for field in np.flatnonzero(row != ABSENT)
    ]
    assert sorted(alone) == [(field, value) for field in range(6) for value in VALUES]


@pytest.mark.parametrize("query_items", [1, 12])
def test_as_many_are_asked_as_the_protocol_says(query_items):
    assert planted(query_items=query_items).test.query_items.shape[1] == query_items


@pytest.mark.parametrize("split", SPLITS)
def test_a_rich_item_is_the_sum_of_the_simple_ones(split):
    """What each feature adds is modulated by the user, feature by feature, and nothing else is."""
    tasks, values = getattr(planted(), split), features()
    errors, shuffled = [], []
    for user in range(tasks.num_users):
        felt = {}
        for item, logit in zip(
            tasks.support_items[user], logits(tasks.support_ratings[user]), strict=True
        ):
            (field,) = np.flatnonzero(values[item] != ABSENT)
            felt[field, values[item][field]] = logit
        sums = np.array(
            [
                sum(felt[pair] for pair in enumerate(values[item]))
                for item in tasks.query_items[user]
            ]
        )
        predicted = 1 / (1 + np.exp(-sums))
        errors.append(np.abs(predicted - tasks.query_ratings[user]).mean())
        shuffled.append(np.abs(predicted[::-1] - tasks.query_ratings[user]).mean())
    # Noise of 0.02 in each of six ratings is 0.08 in a logit or more, and 0.05 in what is summed.
    assert np.mean(errors) < 0.06
    assert np.mean(shuffled) > 0.15


def test_slopes_and_thresholds_are_a_users_own():
    """Felt strength is zero up to the threshold, then a line; its sign alternates by feature."""
    tasks, values = planted().train, features()
    items = tasks.support_items[0]
    assert (tasks.support_items == items).all()
    strengths = np.linspace(0.3, 1.0, 5)
    for field in range(6):
        of_field = [np.flatnonzero(values[items][:, field] == value).item() for value in VALUES]
        felt = (-1) ** field * logits(tasks.support_ratings[:, of_field])
        # Noise of 0.02 in a rating is at least 0.08 in a logit; a few ratings have more.
        assert np.quantile(felt, 0.01) > -0.3
        assert (np.quantile(np.diff(felt, axis=1), 0.05, axis=0) > -0.4).all()
        # The largest: slope 4 without a threshold.
        assert 2.5 < felt[:, -1].max() < 4.1
        slopes = (felt[:, -1] - felt[:, -2]) / (strengths[-1] - strengths[-2])
        assert slopes.std() > 0.5
        # Thresholds differ: some users feel nothing of what others feel.
        assert 0.1 < (felt[:, 1] < 0.15).mean() < 0.9


def test_features_say_what_items_are_and_nothing_of_users():
    data = planted()
    assert data.rating_range == (0.0, 1.0)
    assert data.user_features.sizes == (1,)
    assert not data.user_features.values[0].any()
    assert len(data.item_features.fields) == 6
    for size, values, vocabulary in zip(
        data.item_features.sizes,
        data.item_features.values,
        data.item_features.vocabularies,
        strict=True,
    ):
        assert set(np.unique(values)) == set(vocabulary.values()) == set(range(1, size))
