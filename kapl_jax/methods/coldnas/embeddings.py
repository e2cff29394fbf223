"""Embeddings of categorical and multi-hot fields."""

from __future__ import annotations

from collections.abc import Sequence

import flax.linen as nn
import jax
import jax.numpy as jnp

UNSEEN = 0
"""The row that stands for all values that training never showed."""


class FieldEmbeddings(nn.Module):
    """Embeds each field by a table and joins them; a multi-hot field is the mean of its values.

    Row 0 of a table, for values never seen in training, starts at zero; the others start uniform in
    ±1/sqrt(rows), as in the published program, whose one-hot vectors meet a dense layer.

    Attributes:
        sizes: Rows of each field's table.
        embedding_dim: d, of each field.
    """

    sizes: tuple[int, ...]
    embedding_dim: int

    @nn.compact
    def __call__(self, values: Sequence[jax.Array]) -> jax.Array:
        """Return the joined embeddings.

        Args:
            values: For each field int32[..., W], rows of its table, -1 where there are fewer
                values; the first is never -1: nothing known is the unseen row.

        Returns:
            float32[..., number of fields * d].
        """
        parts = []
        for index, size in enumerate(self.sizes):
            table = self.param(f"field_{index}", _initial_table, (size, self.embedding_dim))
            parts.append(_mean_of_rows(table, values[index]))
        return jnp.concatenate(parts, axis=-1)


def _mean_of_rows(table: jax.Array, rows: jax.Array) -> jax.Array:
    if rows.shape[-1] == 1:
        return table[rows[..., 0]]
    present = (rows >= 0).astype(table.dtype)
    total = jnp.sum(table[jnp.maximum(rows, 0)] * present[..., None], axis=-2)
    return total / jnp.maximum(jnp.sum(present, axis=-1, keepdims=True), 1.0)


def _initial_table(key: jax.Array, shape: tuple[int, int]) -> jax.Array:
    limit = shape[0] ** -0.5
    return jax.random.uniform(key, shape, minval=-limit, maxval=limit).at[UNSEEN].set(0.0)
