"""Users as tasks: what training and evaluation need of cold-start data.

A user is a task, their fields are its features; the items that they rated are its examples, known
by their rows in the table of items; ratings, scaled to 0..1, are labels.
"""

from __future__ import annotations

import flax.struct
import jax
import jax.numpy as jnp
import numpy as np

from kapl_jax.data.cold_start import ColdStartData, UserTasks
from kapl_jax.episodes.batches import Layouts
from kapl_jax.episodes.tasks import ExampleRows, ExampleSets, Tasks, in_batches
from kapl_jax.search.problem import Split


class TaskData(flax.struct.PyTreeNode):
    """The arrays of a split that all individuals share.

    Attributes:
        item_fields: For each field of the items int32[number of items, W].
        tasks: Of training in one piece; features are int32[U, W] for each field of the users, those
            of examples int32[U, n], rows of the items' fields. Of validation and test in batches:
            every array leads with the number of batches.
    """

    item_fields: tuple[jax.Array, ...]
    tasks: Tasks


def task_data(data: ColdStartData, users_at_once: int) -> dict[Split, TaskData]:
    """Put cold-start data on the device; evaluation goes by `users_at_once` users."""
    item_fields = tuple(jnp.asarray(values) for values in data.item_features.values)
    return {
        "train": TaskData(item_fields, as_tasks(data, data.train)),
        "valid": TaskData(item_fields, in_batches(as_tasks(data, data.valid), users_at_once)),
        "test": TaskData(item_fields, in_batches(as_tasks(data, data.test), users_at_once)),
    }


def as_tasks(data: ColdStartData, tasks: UserTasks) -> Tasks:
    """Return tasks as device arrays, their ratings scaled to 0..1."""
    low, high = data.rating_range

    def rated(items: np.ndarray, ratings: np.ndarray, mask: np.ndarray) -> ExampleSets:
        scaled = np.where(mask, (ratings - low) / (high - low), 0)
        return ExampleSets(jnp.asarray(items), jnp.asarray(scaled, jnp.float32), jnp.asarray(mask))

    return Tasks(
        features=tuple(jnp.asarray(values[tasks.users]) for values in data.user_features.values),
        support=rated(tasks.support_items, tasks.support_ratings, tasks.support_mask),
        query=rated(tasks.query_items, tasks.query_ratings, tasks.query_mask),
        weights=jnp.ones(len(tasks.users), jnp.float32),
    )


def item_sets(
    item_fields: tuple[jax.Array, ...], tasks: Tasks, layouts: Layouts | None = None
) -> tuple[ExampleRows, ExampleRows]:
    """Return support and query of users with the items' fields, as the model takes them.

    Args:
        item_fields: For each field of the items int32[number of items, W].
        tasks: Tasks of B users.
        layouts: How users are grouped; see `Tasks.rows`.
    """

    def known(rows: ExampleRows) -> ExampleRows:
        return rows.replace(features=tuple(values[rows.features] for values in item_fields))

    support, query = tasks.rows(layouts)
    return known(support), known(query)
