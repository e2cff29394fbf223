"""The dense regime: all entities of a small graph at once, messages as matrix products.

What an edge carries depends on its source, its relation and the query, not on its target, so that
there is one message for each pair of source and relation, and query. Rows are [B, N], messages
[M, B], edges [E, B].

Where messages are sums, h_s + w_r, what arrives at all entities is A h + C w: A [N, N] holds for
each pair of entities the attention of all edges between them, C [N, 2R + 1] for each entity that of
all edges of a relation that lead there. Only single numbers are scattered.
"""

from __future__ import annotations

from dataclasses import dataclass
from typing import Any

import flax.struct
import jax
import jax.numpy as jnp
import numpy as np

from kapl_jax.relational.graph import RelationalGraph

_MULTIPLE = 256


@flax.struct.dataclass
class DenseGraph:
    """A whole graph.

    Attributes:
        sources: int32[E].
        relations: int32[E].
        targets: int32[E].
        pairs: int32[E], the index of each edge's source and relation among the M distinct ones.
        pair_sources: int32[M], filled up with zeros to a multiple of 256, so that graphs of equally
            many edges have equal shapes.
        pair_relations: int32[M].
        mean_log_degree: float32[], see `RelationalGraph`.
        num_entities: N.
        identity: The relation of identity edges, 2R.
    """

    sources: jax.Array
    relations: jax.Array
    targets: jax.Array
    pairs: jax.Array
    pair_sources: jax.Array
    pair_relations: jax.Array
    mean_log_degree: jax.Array
    num_entities: int = flax.struct.field(pytree_node=False)
    identity: int = flax.struct.field(pytree_node=False)


def dense_graph(graph: RelationalGraph) -> DenseGraph:
    """Return the arrays of `graph`."""
    width = 2 * graph.num_relations + 1
    keys = graph.sources.astype(np.int64) * width + graph.relations
    distinct, pairs = np.unique(keys, return_inverse=True)
    distinct = np.append(distinct, np.zeros(-len(distinct) % _MULTIPLE, np.int64))
    arrays: Any = {
        "sources": graph.sources,
        "relations": graph.relations,
        "targets": graph.targets,
        "pairs": pairs.astype(np.int32),
        "pair_sources": (distinct // width).astype(np.int32),
        "pair_relations": (distinct % width).astype(np.int32),
        "mean_log_degree": np.asarray(graph.mean_log_degree),
    }
    return DenseGraph(**arrays, num_entities=graph.num_entities, identity=width - 1)


@dataclass(frozen=True)
class PairEdges:
    """All edges of a graph for B queries (`kapl_jax.relational.layer.Edges`).

    Attributes:
        graph: The graph.
        heads: float32[B, N], one where a query begins, else zero.
        travels: float32[M, B], one where a message travels, else zero.
    """

    graph: DenseGraph
    heads: jax.Array
    travels: jax.Array

    @property
    def shape(self) -> tuple[int, ...]:
        """(M, B), the axes of messages."""
        return self.travels.shape

    @property
    def mean_log_degree(self) -> jax.Array:
        """float32[]; see `Edges`."""
        return self.graph.mean_log_degree

    def of_queries(self, values: jax.Array) -> jax.Array:
        """Return float32[B, 1, K] of float32[B, K]; see `Edges`."""
        return values[:, None]

    def at_heads(self, values: jax.Array) -> jax.Array:
        """Return float32[B, N, K] of float32[B, K]; see `Edges`."""
        return self.heads[..., None] * values[:, None]

    def of_sources(self, values: jax.Array, of_identities: jax.Array | None = None) -> jax.Array:
        """Return float32[M, B, K] of float32[B, N, K]; see `Edges`."""
        of_entities, sources = jnp.moveaxis(values, 1, 0), self.graph.pair_sources
        if of_identities is not None:
            identities = self.graph.pair_relations == self.graph.identity
            beyond = self.graph.num_entities * identities.astype(sources.dtype)
            of_entities = jnp.concatenate([of_entities, jnp.moveaxis(of_identities, 1, 0)])
            sources = sources + beyond
        return of_entities[sources]

    def of_relations(self, table: jax.Array) -> jax.Array:
        """Return float32[M, 1, K] of float32[2R + 1, K]; see `Edges`."""
        return table[self.graph.pair_relations][:, None]

    def of_query_relations(self, table: jax.Array) -> jax.Array:
        """Return float32[M, B, K] of float32[B, 2R + 1, K]; see `Edges`."""
        return jnp.moveaxis(table, 1, 0)[self.graph.pair_relations]

    def arriving(self, messages: jax.Array) -> jax.Array:
        """Return float32[E, B, K] of float32[M, B, K], which are zero where none travels."""
        return messages[self.graph.pairs]

    def sum(self, arriving: jax.Array) -> jax.Array:
        """Return sums float32[B, N, K]; see `Edges`."""
        return self._total(arriving)

    def max(self, arriving: jax.Array) -> jax.Array:
        """Return the largest float32[B, N, K]; see `Edges`."""
        arriving = jnp.where(self._present() > 0, arriving, -jnp.inf)
        largest = jax.ops.segment_max(arriving, self.graph.targets, self.graph.num_entities)
        return jnp.moveaxis(jnp.where(jnp.isfinite(largest), largest, 0.0), 1, 0)

    def squared_deviations(self, arriving: jax.Array, centers: jax.Array) -> jax.Array:
        """Return float32[B, N, K]; see `Edges`."""
        deviations = arriving - jnp.moveaxis(centers, 1, 0)[self.graph.targets]
        return self._total(self._present() * jnp.square(deviations))

    def counts(self) -> jax.Array:
        """Return float32[B, N, 1]; see `Edges`."""
        return self._total(self._present())

    def _total(self, values: jax.Array) -> jax.Array:
        total = jax.ops.segment_sum(values, self.graph.targets, self.graph.num_entities)
        return jnp.moveaxis(total, 1, 0)

    def _present(self) -> jax.Array:
        return self.travels[self.graph.pairs][..., None]


@dataclass(frozen=True)
class SummedPairEdges(PairEdges):
    """The same, where what arrives at entities is summed before: float32[B, N, K] for edges'."""

    def sum(self, arriving: jax.Array) -> jax.Array:
        """Return what arrives; see `Edges`."""
        return arriving


def adjacency(graph: DenseGraph, alpha: jax.Array) -> tuple[jax.Array, ...]:
    """Return A float32[B, N, N] (target, source) and C float32[B, N, 2R + 1].

    Args:
        graph: The graph.
        alpha: float32[E, B], the attention of each edge, 0 where no message travels.
    """
    size = graph.num_entities

    def gathered(columns: jax.Array, width: int) -> jax.Array:
        cells_of_edges = graph.targets * width + columns
        cells = jax.ops.segment_sum(alpha, cells_of_edges, size * width)
        return jnp.moveaxis(cells.reshape(size, width, -1), -1, 0)

    return gathered(graph.sources, size), gathered(graph.relations, graph.identity + 1)
