"""The dense regime: all entities of a small graph at once, messages as matrix products.

The attention of an edge depends on its source, its relation and the query, not on its target, and
the messages h_s + w_r are linear in it. So the sum of messages to all entities is A h + C w: A
[N, N] holds for each pair of entities the attention of all edges between them, C [N, 2R + 1] for
each entity that of all edges of a relation that lead there. Only single numbers are scattered.
"""

from __future__ import annotations

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
        pairs: int32[E], the place of each edge's source and relation among the M distinct ones.
        pair_sources: int32[M], filled up with zeros to a multiple of 256, so that graphs of equally
            many edges have equal shapes.
        pair_relations: int32[M].
        num_entities: N.
    """

    sources: jax.Array
    relations: jax.Array
    targets: jax.Array
    pairs: jax.Array
    pair_sources: jax.Array
    pair_relations: jax.Array
    num_entities: int = flax.struct.field(pytree_node=False)


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
    }
    return DenseGraph(**arrays, num_entities=graph.num_entities)


def adjacency(graph: DenseGraph, alpha: jax.Array, num_relations: int) -> tuple[jax.Array, ...]:
    """Return A float32[B, N, N] (target, source) and C float32[B, N, num_relations].

    Args:
        graph: The graph.
        alpha: float32[E, B], the attention of each edge, 0 where no message travels.
        num_relations: How many relations edges have, 2R + 1.
    """
    size = graph.num_entities

    def gathered(columns: jax.Array, width: int) -> jax.Array:
        places = graph.targets * width + columns
        cells = jax.ops.segment_sum(alpha, places, size * width)
        return jnp.moveaxis(cells.reshape(size, width, -1), -1, 0)

    return gathered(graph.sources, size), gathered(graph.relations, num_relations)
