"""Tasks as device arrays: what training and evaluation need of cold-start data."""

from __future__ import annotations

import flax.struct
import jax
import jax.numpy as jnp
import numpy as np

from kapl_jax.data.cold_start import ColdStartData, UserTasks
from kapl_jax.methods.coldnas.batches import Layouts
from kapl_jax.modulation.layout import Layout
from kapl_jax.modulation.model import RatedItems


@flax.struct.dataclass
class Tasks:
    """Tasks of U users, padded to S support and Q query items.

    Attributes:
        users: For each field of the users int32[U, W].
        support_items: int32[U, S], rows of the items' features.
        support_ratings: float32[U, S], scaled to 0..1.
        support_mask: bool[U, S].
        query_items: int32[U, Q].
        query_ratings: float32[U, Q], scaled to 0..1.
        query_mask: bool[U, Q].
        weights: float32[U], 0 for users that only fill a batch.
    """

    users: tuple[jax.Array, ...]
    support_items: jax.Array
    support_ratings: jax.Array
    support_mask: jax.Array
    query_items: jax.Array
    query_ratings: jax.Array
    query_mask: jax.Array
    weights: jax.Array

    @property
    def num_users(self) -> int:
        """U."""
        return int(self.weights.shape[0])


@flax.struct.dataclass
class TaskData:
    """The arrays that all candidates share.

    Attributes:
        item_fields: For each field of the items int32[number of items, W].
        train: Training tasks, in one piece.
        valid: Validation tasks in batches: every array leads with the number of batches.
        test: Test tasks in batches.
    """

    item_fields: tuple[jax.Array, ...]
    train: Tasks
    valid: Tasks
    test: Tasks


def task_data(data: ColdStartData, users_at_once: int) -> TaskData:
    """Put cold-start data on the device; evaluation goes by `users_at_once` users."""
    return TaskData(
        item_fields=tuple(jnp.asarray(values) for values in data.item_features.values),
        train=as_tasks(data, data.train),
        valid=_in_batches(as_tasks(data, data.valid), users_at_once),
        test=_in_batches(as_tasks(data, data.test), users_at_once),
    )


def as_tasks(data: ColdStartData, tasks: UserTasks) -> Tasks:
    """Return tasks as device arrays, their ratings scaled to 0..1."""
    low, high = data.rating_range

    def scaled(ratings: np.ndarray, mask: np.ndarray) -> jax.Array:
        return jnp.asarray(np.where(mask, (ratings - low) / (high - low), 0), jnp.float32)

    return Tasks(
        users=tuple(jnp.asarray(values[tasks.users]) for values in data.user_features.values),
        support_items=jnp.asarray(tasks.support_items),
        support_ratings=scaled(tasks.support_ratings, tasks.support_mask),
        support_mask=jnp.asarray(tasks.support_mask),
        query_items=jnp.asarray(tasks.query_items),
        query_ratings=scaled(tasks.query_ratings, tasks.query_mask),
        query_mask=jnp.asarray(tasks.query_mask),
        weights=jnp.ones(len(tasks.users), jnp.float32),
    )


def item_sets(
    item_fields: tuple[jax.Array, ...], tasks: Tasks, layouts: Layouts | None = None
) -> tuple[RatedItems, RatedItems]:
    """Return support and query of B users with the items' fields, as the model takes them.

    Args:
        item_fields: For each field of the items int32[number of items, W].
        tasks: Tasks of B users.
        layouts: How users are grouped, who must have no more items than their group; by default
            all are in one group.
    """
    users = tasks.num_users
    if layouts is None:
        widths = tasks.support_mask.shape[1], tasks.query_mask.shape[1]
        layouts = Layouts(Layout(((users, widths[0]),)), Layout(((users, widths[1]),)))

    def rows(part: str, layout: Layout) -> RatedItems:
        items, ratings, mask = (
            layout.join_rows(
                [
                    values[:, :width]
                    for values, (_, width) in zip(
                        layout.split_users(getattr(tasks, f"{part}_{name}")),
                        layout.groups,
                        strict=True,
                    )
                ]
            )
            for name in ("items", "ratings", "mask")
        )
        return RatedItems(tuple(values[items] for values in item_fields), ratings, mask, layout)

    return rows("support", layouts.support), rows("query", layouts.query)


def redrawn(tasks: Tasks, key: jax.Array) -> Tasks:
    """Draw anew which of each user's items support and which are asked, as many as before."""
    both = [
        jnp.concatenate([getattr(tasks, f"support_{part}"), getattr(tasks, f"query_{part}")], 1)
        for part in ("items", "ratings", "mask")
    ]
    items, ratings, mask = both
    # Items that are there come first, in random order.
    order = jnp.argsort(jax.random.uniform(key, mask.shape) + ~mask, axis=1)
    items, ratings = (jnp.take_along_axis(part, order, axis=1) for part in (items, ratings))
    support = tasks.support_mask.shape[1]
    count = jnp.sum(tasks.support_mask, axis=1, keepdims=True)
    support_mask = jnp.arange(support) < count
    places = jnp.arange(tasks.query_mask.shape[1])
    query_mask = places < jnp.sum(tasks.query_mask, axis=1, keepdims=True)
    later = jnp.minimum(count + places, mask.shape[1] - 1)
    return tasks.replace(  # type: ignore[attr-defined, no-any-return]
        support_items=items[:, :support],
        support_ratings=jnp.where(support_mask, ratings[:, :support], 0.0),
        support_mask=support_mask,
        query_items=jnp.take_along_axis(items, later, axis=1),
        query_ratings=jnp.where(query_mask, jnp.take_along_axis(ratings, later, axis=1), 0.0),
        query_mask=query_mask,
    )


def _in_batches(tasks: Tasks, size: int) -> Tasks:
    """Cut tasks into batches of `size`; the last is filled with its first user at weight 0."""
    count = tasks.num_users
    size = min(size, count)
    batches = -(-count // size)
    places = np.arange(batches * size)
    real = jnp.asarray(places < count, jnp.float32)
    rows = np.where(places < count, places, 0)
    filled = jax.tree.map(lambda leaf: leaf[rows], tasks).replace(weights=real)
    cut: Tasks = jax.tree.map(lambda leaf: leaf.reshape(batches, size, *leaf.shape[1:]), filled)
    return cut
