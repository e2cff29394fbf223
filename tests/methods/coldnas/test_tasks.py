from __future__ import annotations

import dataclasses
import functools

import jax
import jax.numpy as jnp
import numpy as np
import pytest

from kapl_jax.methods.coldnas.batches import Layouts
from kapl_jax.methods.coldnas.tasks import as_tasks, item_sets, redrawn, task_data
from kapl_jax.modulation.layout import Layout
from tests.methods.coldnas.tiny import tiny_cold_start

pytestmark = pytest.mark.usefixtures("compiled_plainly")
DATA = tiny_cold_start()
PARTS = [f"{part}_{name}" for part in ("support", "query") for name in ("items", "ratings", "mask")]


@functools.cache
def redraw_program():
    return jax.jit(redrawn)


def rated(tasks, user):
    """Return the (item, rating) pairs of a user, those of the support first."""
    pairs = []
    for part in ("support", "query"):
        items, ratings, mask = (
            np.asarray(getattr(tasks, f"{part}_{name}"))[user]
            for name in ("items", "ratings", "mask")
        )
        pairs.append(list(zip(items[mask].tolist(), ratings[mask].tolist(), strict=True)))
    return pairs


def test_ratings_are_scaled_and_padding_is_made_plain():
    odd = {
        f"{part}_ratings": np.where(getattr(DATA.train, f"{part}_mask"), ratings, np.nan)
        for part in ("support", "query")
        for ratings in [getattr(DATA.train, f"{part}_ratings")]
    }
    tasks = as_tasks(DATA, dataclasses.replace(DATA.train, **odd))
    for part in ("support", "query"):
        ratings, mask = getattr(tasks, f"{part}_ratings"), getattr(DATA.train, f"{part}_mask")
        assert ratings.dtype == jnp.float32
        given = getattr(DATA.train, f"{part}_ratings")
        np.testing.assert_allclose(np.asarray(ratings)[mask], (given[mask] - 1) / 4)
        assert not np.asarray(ratings)[~mask].any()
    assert (tasks.weights == 1).all()


def test_users_have_their_own_features():
    tasks = as_tasks(DATA, DATA.valid)
    for found, table in zip(tasks.users, DATA.user_features.values, strict=True):
        np.testing.assert_array_equal(found, table[8:13])


@pytest.mark.parametrize("size", [1, 2, 5, 100])
def test_evaluation_goes_by_so_many_users_each_counted_once(size):
    batched = task_data(DATA, size).valid
    expected = as_tasks(DATA, DATA.valid)
    size = min(size, 5)
    assert batched.weights.shape == (-(-5 // size), size)
    counted = np.asarray(batched.weights).ravel() > 0
    assert counted.sum() == 5
    for found, leaf in zip(jax.tree.leaves(batched), jax.tree.leaves(expected), strict=True):
        flat = np.asarray(found).reshape(-1, *leaf.shape[1:])
        np.testing.assert_array_equal(flat[counted], leaf)


@pytest.mark.parametrize(
    "layouts",
    [None, Layouts(Layout(((2, 4), (6, 4))), Layout(((1, 5), (7, 5))))],
    ids=["plain", "groups"],
)
def test_rows_are_those_of_the_users_in_order(layouts):
    tasks = as_tasks(DATA, DATA.train)
    fields = tuple(map(jnp.asarray, DATA.item_features.values))
    for part, rows in zip(("support", "query"), item_sets(fields, tasks, layouts), strict=True):
        items = getattr(DATA.train, f"{part}_items").ravel()
        for found, values in zip(rows.fields, DATA.item_features.values, strict=True):
            np.testing.assert_array_equal(found, values[items])
        np.testing.assert_array_equal(rows.mask, getattr(DATA.train, f"{part}_mask").ravel())
        np.testing.assert_array_equal(rows.ratings, getattr(tasks, f"{part}_ratings").ravel())


def test_groups_cut_padding_only():
    tasks = as_tasks(DATA, DATA.train)
    order = np.argsort(DATA.train.support_mask.sum(axis=1), kind="stable")
    sizes = DATA.train.support_mask.sum(axis=1)[order]
    tasks = jax.tree.map(lambda leaf: leaf[order], tasks)
    fields = tuple(map(jnp.asarray, DATA.item_features.values))
    layouts = Layouts(
        Layout(((4, int(sizes[3])), (4, int(sizes[7])))),
        Layout(((8, DATA.train.query_mask.shape[1]),)),
    )
    support, _ = item_sets(fields, tasks, layouts)
    assert support.layout.num_rows < DATA.train.support_mask.size
    mask = DATA.train.support_mask[order]
    items = DATA.train.support_items[order][mask]
    np.testing.assert_array_equal(
        support.fields[0][support.mask], DATA.item_features.values[0][items]
    )


@pytest.mark.parametrize("seed", range(5))
def test_drawing_anew_keeps_each_users_ratings_and_sizes(seed):
    before = as_tasks(DATA, DATA.train)
    after = redraw_program()(before, jax.random.key(seed))
    for name in PARTS:
        assert getattr(after, name).shape == getattr(before, name).shape
        assert getattr(after, name).dtype == getattr(before, name).dtype
    for user in range(before.num_users):
        old, new = rated(before, user), rated(after, user)
        assert [len(part) for part in new] == [len(part) for part in old]
        assert sorted(new[0] + new[1]) == sorted(old[0] + old[1])
    for part in ("support", "query"):
        mask = np.asarray(getattr(after, f"{part}_mask"))
        # Real ratings come first, behind them stands padding.
        np.testing.assert_array_equal(mask, getattr(before, f"{part}_mask"))
        assert not np.asarray(getattr(after, f"{part}_ratings"))[~mask].any()
    for found, expected in zip(after.users, before.users, strict=True):
        np.testing.assert_array_equal(found, expected)


def test_every_item_of_a_user_comes_to_be_asked_equally_often():
    before = as_tasks(DATA, DATA.train)
    draws = jax.jit(jax.vmap(redrawn, (None, 0)))(before, jax.random.split(jax.random.key(0), 2000))
    for user in range(before.num_users):
        items = [item for part in rated(before, user) for item, _ in part]
        asked = int(DATA.train.query_mask[user].sum())
        shown = np.asarray(draws.query_items)[:, user, :asked]
        shares = np.array([(shown == item).any(axis=1).mean() for item in items])
        # The standard deviation of a share is at most 0.011.
        np.testing.assert_allclose(shares, asked / len(items), atol=0.05)


def test_full_sets_without_any_padding_are_drawn_anew_too():
    tasks = DATA.train
    most = tasks.support_mask.sum(axis=1) + tasks.query_mask.sum(axis=1)
    rows = [most.argmax()] * 2
    full = dataclasses.replace(
        tasks, **{name: getattr(tasks, name)[rows] for name in (*PARTS, "users")}
    )
    assert full.support_mask.all()
    assert full.query_mask.all()
    before = as_tasks(DATA, full)
    after = redraw_program()(before, jax.random.key(1))
    for user in range(2):
        old, new = rated(before, user), rated(after, user)
        assert sorted(new[0] + new[1]) == sorted(old[0] + old[1])
    assert rated(after, 0) != rated(after, 1)
