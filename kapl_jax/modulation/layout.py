"""Examples of many tasks as rows of one matrix, with little padding.

Tasks with about as many examples form a group and are padded to the most of it. A batch is a fixed
sequence of groups, so that all shapes are known to the compiler.
"""

from __future__ import annotations

import dataclasses

import jax
import jax.numpy as jnp


@dataclasses.dataclass(frozen=True)
class Layout:
    """How the rows of a batch belong to its tasks; static, a part of the program.

    Attributes:
        groups: For each group its number of tasks and of rows per task; tasks come in the order of
            the groups, and so do their rows.
    """

    groups: tuple[tuple[int, int], ...]

    @property
    def num_tasks(self) -> int:
        """T, the number of tasks."""
        return sum(tasks for tasks, _ in self.groups)

    @property
    def num_rows(self) -> int:
        """R, the number of rows."""
        return sum(tasks * width for tasks, width in self.groups)

    def split_tasks(self, values: jax.Array, axis: int = 0) -> list[jax.Array]:
        """Cut an array along an axis of length T by group."""
        return list(jax.lax.split(values, [tasks for tasks, _ in self.groups], axis=axis))

    def split_rows(self, rows: jax.Array) -> list[jax.Array]:
        """Cut `[R, ...]` by group, as `[tasks, width, ...]` each."""
        parts = jax.lax.split(rows, [tasks * width for tasks, width in self.groups])
        return [
            part.reshape(tasks, width, *part.shape[1:])
            for part, (tasks, width) in zip(parts, self.groups, strict=True)
        ]

    def join_rows(self, parts: list[jax.Array]) -> jax.Array:
        """Join `[tasks, width, ...]` of each group to `[R, ...]`."""
        flat = [part.reshape(-1, *part.shape[2:]) for part in parts]
        return flat[0] if len(flat) == 1 else jnp.concatenate(flat)

    def spread(self, values: jax.Array) -> jax.Array:
        """Repeat the values of each task `[T, ...]` on its rows, `[R, ...]`."""
        parts = [
            jnp.broadcast_to(part[:, None], (tasks, width, *part.shape[1:]))
            for part, (tasks, width) in zip(self.split_tasks(values), self.groups, strict=True)
        ]
        return self.join_rows(parts)

    def total(self, rows: jax.Array, weights: jax.Array) -> jax.Array:
        """Sum the rows `[R, d]` of each task with weights float32[R], `[T, d]`."""
        parts = zip(self.split_rows(rows), self.split_rows(weights), strict=True)
        # Products of matrices: sums over the middle axis are several times slower on CPUs.
        sums = [jnp.einsum("tnw,tn->tw", values, weight) for values, weight in parts]
        return sums[0] if len(sums) == 1 else jnp.concatenate(sums)
