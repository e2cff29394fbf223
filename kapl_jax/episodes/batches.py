"""Batches of tasks that have about as many examples, group by group."""

from __future__ import annotations

import dataclasses
import functools

import jax
import jax.numpy as jnp
import numpy as np

from kapl_jax.modulation.layout import Layout

# More groups pad less, but each is another piece of the program.
_MOST_GROUPS = 6
_NEVER = 1 << 60


@dataclasses.dataclass(frozen=True)
class Layouts:
    """How the support and the query rows of a batch belong to its tasks.

    Attributes:
        support: Of the support examples.
        query: Of the query examples.
    """

    support: Layout
    query: Layout


@dataclasses.dataclass(frozen=True, eq=False)
class TaskGroups:
    """Tasks grouped by their numbers of examples; every batch takes as many of a group.

    Attributes:
        members: For each group int32[n], its tasks.
        layouts: Of a batch.
    """

    members: tuple[np.ndarray, ...]
    layouts: Layouts

    @property
    def steps(self) -> int:
        """Batches in an epoch."""
        slots = [tasks for tasks, _ in self.layouts.query.groups]
        return max(-(-len(m) // s) for m, s in zip(self.members, slots, strict=True))


def group_tasks(support: np.ndarray, query: np.ndarray, batch_size: int) -> TaskGroups:
    """Group tasks by their numbers of support and query examples, int[T] each.

    Args:
        support: Support examples of each task.
        query: Query examples of each task.
        batch_size: Tasks in a batch; all, if there are fewer.
    """
    size = min(batch_size, len(query))
    order = np.lexsort((support, query, support + query))
    positions = [np.sort(part) for part in np.array_split(order, size)]
    widths = np.array([[max(1, n[part].max()) for n in (support, query)] for part in positions])
    runs = _cut(widths, min(_MOST_GROUPS, size))
    return TaskGroups(
        members=tuple(
            np.sort(np.concatenate(positions[start:end])).astype(np.int32) for start, end in runs
        ),
        layouts=Layouts(*(_layout(widths[:, kind], runs) for kind in range(2))),
    )


def draw_batches(groups: TaskGroups, key: jax.Array) -> tuple[jax.Array, jax.Array]:
    """Return all tasks in batches, random within each group.

    Returns:
        int32[steps, B], tasks in the order of the layouts, and float32[steps, B], weights: 0 for
        those that only fill a batch.
    """
    tasks, weights = [], []
    keys = jax.random.split(key, len(groups.members))
    for members, (slots, _), own in zip(
        groups.members, groups.layouts.query.groups, keys, strict=True
    ):
        positions = jnp.arange(groups.steps * slots)
        shuffled = jax.random.permutation(own, jnp.asarray(members))
        tasks.append(shuffled[positions % len(members)].reshape(groups.steps, slots))
        weights.append((positions < len(members)).astype(jnp.float32).reshape(groups.steps, slots))
    return jnp.concatenate(tasks, axis=1), jnp.concatenate(weights, axis=1)


def _cut(widths: np.ndarray, most: int) -> list[tuple[int, int]]:
    """Cut the slots of a batch into runs, padded to the widest of each, so that rows are fewest.

    Args:
        widths: int[B, 2], examples of support and query that each slot needs.
        most: Most runs; fewer where more save nothing.

    Returns:
        First and one behind the last slot of each run.
    """
    size = len(widths)

    @functools.cache
    def best(end: int, count: int) -> tuple[int, int, tuple[tuple[int, int], ...]]:
        """Return rows, number and bounds of the runs for the first `end` slots, at most `count`."""
        if end == 0:
            return 0, 0, ()
        if count == 0:
            return _NEVER, 0, ()
        choices = []
        for start in range(end):
            rows, number, runs = best(start, count - 1)
            wide = int(widths[start:end].max(axis=0).sum()) * (end - start)
            choices.append((rows + wide, number + 1, (*runs, (start, end))))
        return min(choices)

    return list(best(size, most)[2])


def _layout(widths: np.ndarray, runs: list[tuple[int, int]]) -> Layout:
    return Layout(tuple((end - start, int(widths[start:end].max())) for start, end in runs))
