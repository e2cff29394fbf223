"""Following the edges of the nodes that queries keep, on the device, up to a limit for each query.

A *row* is a node that a query keeps. Following a step gives each query *positions*: first one for
the identity edge of each of its K rows, then E for other edges, together M = K + E. Several may
hold the same target; the first of them stands for it. So the first K positions stand for the rows,
and further ones for nodes reached anew.
"""

from __future__ import annotations

import flax.struct
import jax
import jax.numpy as jnp

from kapl_jax.relational.adaprop import AdaPropGraph
from kapl_jax.relational.segments import first_positions


@flax.struct.dataclass
class Step:
    """The edges of one step.

    Attributes:
        sources: int32[B, M], rows.
        relations: int32[B, M].
        targets: int32[B, M], entities; N for padding.
        firsts: int32[B, M], the position that stands for the target; M for padding.
        rows: int32[B, K], the entities of the rows; N for padding.
    """

    sources: jax.Array
    relations: jax.Array
    targets: jax.Array
    firsts: jax.Array
    rows: jax.Array

    @property
    def new(self) -> jax.Array:
        """bool[B, M], which positions stand for nodes that are not rows."""
        positions = jnp.arange(self.firsts.shape[1], dtype=jnp.int32)[None]
        return (self.firsts == positions) & (positions >= self.rows.shape[1])


def follow(graph: AdaPropGraph, entities: jax.Array, limit: int) -> Step:
    """Follow the edges of rows.

    Args:
        graph: The graph.
        entities: int32[B, K], of the rows; N for padding.
        limit: E, most edges of a query, without identity edges.
    """
    rows = jnp.broadcast_to(jnp.arange(entities.shape[1], dtype=jnp.int32), entities.shape)
    # Padding, N, begins and ends at the last offset.
    starts = graph.offsets[entities]
    degrees = graph.offsets[jnp.minimum(entities + 1, graph.num_entities)] - starts
    kept = shares(degrees, limit)
    sources, ranks = _unroll(kept, limit)
    of_source = [jnp.take_along_axis(part, sources, axis=1) for part in (starts, degrees, kept)]
    edges = of_source[0] + spread(ranks, *of_source[1:])
    present = jnp.arange(limit)[None] < jnp.sum(kept, axis=1, keepdims=True)
    edges = jnp.where(present, edges, 0)
    targets = jnp.where(present, graph.targets[edges], graph.num_entities)
    targets = jnp.concatenate([entities, targets], axis=1)
    firsts = first_positions(targets, graph.num_entities + 1)
    return Step(
        sources=jnp.concatenate([rows, sources], axis=1),
        relations=jnp.concatenate(
            [jnp.full_like(rows, graph.identity), graph.relations[edges]], axis=1
        ),
        targets=targets,
        firsts=jnp.where(targets < graph.num_entities, firsts, targets.shape[1]),
        rows=entities,
    )


def shares(degrees: jax.Array, limit: int) -> jax.Array:
    """Return how many edges of each row are kept, int32[B, K].

    All rows keep up to the same number of edges, the largest that the limit allows, so that what is
    left out is left out where edges are many. What then remains goes to the first rows with more.

    Args:
        degrees: int32[B, K], how many edges each row has.
        limit: How many a query may keep.
    """

    def total(cap: jax.Array) -> jax.Array:
        # As floats, because integers might overflow; up to the limit these are exact.
        return jnp.sum(jnp.minimum(degrees, cap).astype(jnp.float32), axis=1, keepdims=True)

    def add_bit(number: jax.Array, cap: jax.Array) -> jax.Array:
        larger = cap + (1 << (bits - 1 - number))
        return jnp.where(total(larger) <= limit, larger, cap)

    bits = limit.bit_length()
    cap = jax.lax.fori_loop(0, bits, add_bit, jnp.zeros((len(degrees), 1), jnp.int32))
    kept = jnp.minimum(degrees, cap)
    more = degrees > cap
    spare = limit - jnp.sum(kept, axis=1, keepdims=True)
    return kept + (more & (jnp.cumsum(more, axis=1) <= spare)).astype(kept.dtype)


def spread(ranks: jax.Array, degrees: jax.Array, kept: jax.Array) -> jax.Array:
    """Return which of its source's edges a kept edge is: `kept` of `degrees`, evenly spread.

    Args:
        ranks: int32[...], 0..kept - 1.
        degrees: int32[...], how many edges the source has.
        kept: int32[...], how many of them are kept.
    """
    kept = jnp.maximum(kept, 1)
    step = degrees // kept
    share = (degrees - step * kept).astype(jnp.float32) / kept.astype(jnp.float32)
    # A product of integers might overflow; rounding keeps positions apart, and below `degrees`.
    return ranks * step + jnp.floor(ranks.astype(jnp.float32) * share).astype(jnp.int32)


def _unroll(counts: jax.Array, total: int) -> tuple[jax.Array, jax.Array]:
    """Return for `total` positions the row of each, and its number there, int32[B, total]."""
    queries = jnp.arange(len(counts))[:, None]
    ends = jnp.cumsum(counts, axis=1)
    ended = jnp.zeros((len(counts), total), jnp.int32).at[queries, ends].add(1, mode="drop")
    sources = jnp.minimum(jnp.cumsum(ended, axis=1), counts.shape[1] - 1)
    begins = jnp.take_along_axis(ends - counts, sources, axis=1)
    return sources, jnp.arange(total, dtype=jnp.int32)[None] - begins
