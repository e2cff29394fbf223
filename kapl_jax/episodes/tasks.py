"""Tasks of support and query examples as device arrays, padded."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any

import flax.struct
import jax
import jax.numpy as jnp
import numpy as np

from kapl_jax.episodes.batches import Layouts
from kapl_jax.modulation.layout import Layout


class ExampleRows(flax.struct.PyTreeNode):
    """The examples of T tasks as R rows, those of a task behind each other.

    Attributes:
        features: Pytree of `[R, ...]`, what is known of each example.
        labels: `[R]`.
        mask: bool[R], which rows are examples and not padding.
        layout: Which rows belong to which task; static.
    """

    features: Any
    labels: jax.Array
    mask: jax.Array
    layout: Layout = flax.struct.field(pytree_node=False)


class ExampleSets(flax.struct.PyTreeNode):
    """A set of examples per task, of T tasks, padded to n.

    Attributes:
        features: Pytree of `[T, n, ...]`, what is known of each example. It is copied whenever
            tasks are drawn anew or batched: where that is much, it should be the index int32[T, n]
            of a table that is looked up in each batch.
        labels: `[T, n]`, 0 in the padding.
        mask: bool[T, n], which are examples and not padding.
    """

    features: Any
    labels: jax.Array
    mask: jax.Array

    def rows(self, layout: Layout) -> ExampleRows:
        """Return the examples as rows, each task padded to the width of its group only.

        Args:
            layout: Of T tasks, none of which has more examples than its group is wide.
        """

        def joined(values: jax.Array) -> jax.Array:
            parts = zip(layout.split_tasks(values), layout.groups, strict=True)
            return layout.join_rows([part[:, :width] for part, (_, width) in parts])

        features = jax.tree.map(joined, self.features)
        return ExampleRows(features, joined(self.labels), joined(self.mask), layout)


class Tasks(flax.struct.PyTreeNode):
    """T tasks, each with examples whose labels are given and examples whose labels are asked.

    Attributes:
        features: Pytree of `[T, ...]`, what is known of the tasks themselves; may be empty.
        support: The examples given, padded to S.
        query: The examples asked, padded to Q.
        weights: float32[T], 0 for tasks that only fill a batch.
    """

    features: Any
    support: ExampleSets
    query: ExampleSets
    weights: jax.Array

    @property
    def num_tasks(self) -> int:
        """T."""
        return int(self.weights.shape[0])

    def take(self, tasks: Any) -> Tasks:
        """Return the tasks at these positions, int[...] or a slice."""
        taken: Tasks = jax.tree.map(lambda leaf: leaf[tasks], self)
        return taken

    def rows(self, layouts: Layouts | None = None) -> tuple[ExampleRows, ExampleRows]:
        """Return the support and the query examples as rows.

        Args:
            layouts: How tasks are grouped; by default all are in one group.
        """
        if layouts is None:
            sets = self.support, self.query
            layouts = Layouts(*(Layout(((self.num_tasks, one.mask.shape[1]),)) for one in sets))
        return self.support.rows(layouts.support), self.query.rows(layouts.query)


def redrawn(tasks: Tasks, key: jax.Array) -> Tasks:
    """Draw anew which examples of each task support and which are asked, as many as before."""
    both = jax.tree.map(lambda *parts: jnp.concatenate(parts, axis=1), tasks.support, tasks.query)
    # Examples that are there come first, in random order.
    last = (~both.mask).astype(jnp.float32)
    order = jnp.argsort(jax.random.uniform(key, both.mask.shape) + last, axis=1)
    shuffled = _along(both, order)
    support, query = jnp.arange(tasks.support.mask.shape[1]), jnp.arange(tasks.query.mask.shape[1])
    given = jnp.sum(tasks.support.mask, axis=1, keepdims=True)
    asked = jnp.sum(tasks.query.mask, axis=1, keepdims=True)
    behind = jnp.minimum(given + query[None], both.mask.shape[1] - 1)
    first = jax.tree.map(lambda leaf: leaf[:, : len(support)], shuffled)
    return tasks.replace(
        support=_masked(first, support[None] < given),
        query=_masked(_along(shuffled, behind), query[None] < asked),
    )


def in_batches(tasks: Tasks, size: int) -> Tasks:
    """Cut tasks into batches for evaluation, in their order.

    Returns:
        Tasks whose arrays lead with the number of batches and `size`, or T, if that is less. The
        last batch is filled with the first task at weight 0.
    """
    count = tasks.num_tasks
    size = min(size, count)
    batches = -(-count // size)
    positions = np.arange(batches * size)
    real = jnp.asarray(positions < count, jnp.float32)
    filled = tasks.take(np.where(positions < count, positions, 0)).replace(weights=real)
    cut: Tasks = jax.tree.map(lambda leaf: leaf.reshape(batches, size, *leaf.shape[1:]), filled)
    return cut


def with_supports(tasks: Tasks, masks: np.ndarray) -> Tasks:
    """Return the first of `tasks` once for each support mask bool[n, S]."""
    repeated = tasks.take(np.zeros(len(masks), np.int32))
    return repeated.replace(support=repeated.support.replace(mask=masks))


def prefix_masks(count: int, width: int, sizes: Sequence[int]) -> np.ndarray:
    """Return masks bool[n, width] that keep the first so many of `count` examples."""
    positions = np.arange(width)
    return np.stack([positions < min(size, count) for size in sizes])


def left_out_masks(mask: np.ndarray) -> np.ndarray:
    """Return `mask` bool[S] itself, then with each of its examples left out: bool[n + 1, S]."""
    kept = [mask]
    for index in np.flatnonzero(mask):
        without = mask.copy()
        without[index] = False
        kept.append(without)
    return np.stack(kept)


def _along(sets: ExampleSets, positions: jax.Array) -> ExampleSets:
    """Return the examples at these positions int32[T, m] of each task."""

    def taken(leaf: jax.Array) -> jax.Array:
        spread = positions.reshape(*positions.shape, *[1] * (leaf.ndim - positions.ndim))
        return jnp.take_along_axis(leaf, spread, axis=1)

    found: ExampleSets = jax.tree.map(taken, sets)
    return found


def _masked(sets: ExampleSets, mask: jax.Array) -> ExampleSets:
    """Return sets with this mask bool[T, n] and no labels behind it."""
    return sets.replace(labels=jnp.where(mask, sets.labels, jnp.zeros_like(sets.labels)), mask=mask)
