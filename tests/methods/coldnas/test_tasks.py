from __future__ import annotations

import dataclasses

import jax
import jax.numpy as jnp
import numpy as np
import pytest

from kapl_jax.episodes.batches import Layouts
from kapl_jax.methods.coldnas.tasks import as_tasks, item_sets, task_data
from kapl_jax.modulation.layout import Layout
from tests.methods.coldnas.tiny import tiny_cold_start

pytestmark = pytest.mark.usefixtures("compiled_plainly")
DATA = tiny_cold_start()


def test_ratings_are_scaled_and_padding_is_made_plain():
    odd = {
        f"{part}_ratings": np.where(getattr(DATA.train, f"{part}_mask"), ratings, np.nan)
        for part in ("support", "query")
        for ratings in [getattr(DATA.train, f"{part}_ratings")]
    }
    tasks = as_tasks(DATA, dataclasses.replace(DATA.train, **odd))
    for part, sets in (("support", tasks.support), ("query", tasks.query)):
        mask, given = getattr(DATA.train, f"{part}_mask"), getattr(DATA.train, f"{part}_ratings")
        assert sets.labels.dtype == jnp.float32
        np.testing.assert_array_equal(sets.mask, mask)
        np.testing.assert_allclose(np.asarray(sets.labels)[mask], (given[mask] - 1) / 4)
        assert not np.asarray(sets.labels)[~mask].any()
    assert (tasks.weights == 1).all()


def test_users_have_their_own_features():
    tasks = as_tasks(DATA, DATA.valid)
    for found, table in zip(tasks.features, DATA.user_features.values, strict=True):
        np.testing.assert_array_equal(found, table[8:13])


@pytest.mark.parametrize("split", ["valid", "test"])
def test_evaluation_goes_by_so_many_users_each_counted_once(split):
    batched, expected = task_data(DATA, 2)[split].tasks, as_tasks(DATA, getattr(DATA, split))
    counted = np.asarray(batched.weights).ravel() > 0
    assert batched.weights.shape == (-(-expected.num_tasks // 2), 2)
    for found, leaf in zip(jax.tree.leaves(batched), jax.tree.leaves(expected), strict=True):
        flat = np.asarray(found).reshape(-1, *leaf.shape[1:])
        np.testing.assert_array_equal(flat[counted], leaf)


@pytest.mark.parametrize(
    "layouts",
    [None, Layouts(Layout(((2, 4), (6, 4))), Layout(((1, 5), (7, 5))))],
    ids=["plain", "groups"],
)
def test_rows_are_those_of_the_users_in_order_with_the_fields_of_their_items(layouts):
    tasks = as_tasks(DATA, DATA.train)
    fields = tuple(map(jnp.asarray, DATA.item_features.values))
    for part, rows in zip(("support", "query"), item_sets(fields, tasks, layouts), strict=True):
        items = getattr(DATA.train, f"{part}_items").ravel()
        for found, values in zip(rows.features, DATA.item_features.values, strict=True):
            np.testing.assert_array_equal(found, values[items])
        np.testing.assert_array_equal(rows.mask, getattr(DATA.train, f"{part}_mask").ravel())
        np.testing.assert_array_equal(rows.labels, getattr(tasks, part).labels.ravel())
