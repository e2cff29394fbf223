"""Edges between rows that lie one after the other, of all queries: frontiers, and AdaProp."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Any

import jax
import jax.numpy as jnp


@dataclass(frozen=True)
class RowEdges:
    """Edges between rows, each of which carries its message (`kapl_jax.relational.layer.Edges`).

    Attributes:
        sources: int32[e], rows.
        relations: int32[e].
        targets: int32[e], rows; `num_rows` for padding, where nothing arrives.
        num_rows: How many rows the edges may reach.
        queries: int32[n], the query of each row that edges may leave.
        heads: int32[B], the row where each query begins.
        identity: The relation of identity edges, 2R.
        mean_log_degree: float32[].
    """

    sources: jax.Array
    relations: jax.Array
    targets: jax.Array
    num_rows: int
    queries: jax.Array
    heads: jax.Array
    identity: int
    mean_log_degree: Any

    @property
    def shape(self) -> tuple[int, ...]:
        """(e,), the axes of messages."""
        return self.sources.shape

    def of_queries(self, values: jax.Array) -> jax.Array:
        """Return float32[n, K] of float32[B, K]; see `Edges`."""
        return values[self.queries]

    def at_heads(self, values: jax.Array) -> jax.Array:
        """Return float32[n, K] of float32[B, K]; see `Edges`."""
        return jnp.zeros((len(self.queries), values.shape[1])).at[self.heads].set(values)

    def of_sources(self, values: jax.Array, of_identities: jax.Array | None = None) -> jax.Array:
        """Return float32[e, K] of float32[n, K]; see `Edges`."""
        if of_identities is None:
            return values[self.sources]
        # One array to look up: two would take twice the time, one of them for few edges.
        beyond = jnp.where(self.relations == self.identity, len(values), 0)
        return jnp.concatenate([values, of_identities])[self.sources + beyond]

    def of_relations(self, table: jax.Array) -> jax.Array:
        """Return float32[e, K] of float32[2R + 1, K]; see `Edges`."""
        return table[self.relations]

    def of_query_relations(self, table: jax.Array) -> jax.Array:
        """Return float32[e, K] of float32[B, 2R + 1, K]; see `Edges`."""
        return table[self.queries[self.sources], self.relations]

    def arriving(self, messages: jax.Array) -> jax.Array:
        """Return the messages float32[e, K]; see `Edges`."""
        return messages

    def sum(self, arriving: jax.Array) -> jax.Array:
        """Return sums float32[num_rows, K]; see `Edges`."""
        return jax.ops.segment_sum(arriving, self.targets, self.num_rows)

    def max(self, arriving: jax.Array) -> jax.Array:
        """Return the largest float32[num_rows, K]; see `Edges`."""
        largest = jax.ops.segment_max(arriving, self.targets, self.num_rows)
        return jnp.where(jnp.isfinite(largest), largest, 0.0)

    def squared_deviations(self, arriving: jax.Array, centers: jax.Array) -> jax.Array:
        """Return float32[num_rows, K]; see `Edges`."""
        return self.sum(jnp.square(arriving - centers[self.targets]))

    def counts(self) -> jax.Array:
        """Return float32[num_rows, 1]; see `Edges`."""
        return self.sum(jnp.ones(len(self.targets)))[:, None]
