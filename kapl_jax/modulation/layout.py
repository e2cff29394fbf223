"""Items of many users as rows of one matrix, with little padding.

Users with about as many items form a group and are padded to the most of it. A batch is a fixed
sequence of groups, so that all shapes are known to the compiler.
"""

from __future__ import annotations

import dataclasses

import jax
import jax.numpy as jnp


@dataclasses.dataclass(frozen=True)
class Layout:
    """How the rows of a batch belong to its users; static, a part of the program.

    Attributes:
        groups: For each group its number of users and of rows a user; users come in the order of
            the groups, and so do their rows.
    """

    groups: tuple[tuple[int, int], ...]

    @property
    def num_users(self) -> int:
        """B, the number of users."""
        return sum(users for users, _ in self.groups)

    @property
    def num_rows(self) -> int:
        """R, the number of rows."""
        return sum(users * width for users, width in self.groups)

    def split_users(self, values: jax.Array, axis: int = 0) -> list[jax.Array]:
        """Cut an array along an axis of length B by group."""
        return list(jax.lax.split(values, [users for users, _ in self.groups], axis=axis))

    def split_rows(self, rows: jax.Array) -> list[jax.Array]:
        """Cut `[R, ...]` by group, as `[users, width, ...]` each."""
        parts = jax.lax.split(rows, [users * width for users, width in self.groups])
        return [
            part.reshape(users, width, *part.shape[1:])
            for part, (users, width) in zip(parts, self.groups, strict=True)
        ]

    def join_rows(self, parts: list[jax.Array]) -> jax.Array:
        """Join `[users, width, ...]` of each group to `[R, ...]`."""
        flat = [part.reshape(-1, *part.shape[2:]) for part in parts]
        return flat[0] if len(flat) == 1 else jnp.concatenate(flat)

    def spread(self, values: jax.Array) -> jax.Array:
        """Repeat each user's values `[B, ...]` on his rows, `[R, ...]`."""
        parts = [
            jnp.broadcast_to(part[:, None], (users, width, *part.shape[1:]))
            for part, (users, width) in zip(self.split_users(values), self.groups, strict=True)
        ]
        return self.join_rows(parts)

    def total(self, rows: jax.Array, weights: jax.Array) -> jax.Array:
        """Sum each user's rows `[R, d]` with weights float32[R], `[B, d]`."""
        parts = zip(self.split_rows(rows), self.split_rows(weights), strict=True)
        # Products of matrices: sums over the middle axis are several times slower on CPUs.
        sums = [jnp.einsum("unw,un->uw", values, weight) for values, weight in parts]
        return sums[0] if len(sums) == 1 else jnp.concatenate(sums)
