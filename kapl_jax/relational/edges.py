"""What edges between rows carry: their attention, and messages gathered at their targets."""

from __future__ import annotations

from typing import NamedTuple

import jax
import jax.numpy as jnp

from kapl_jax.relational.choices import Choices, Offered, choose, message
from kapl_jax.relational.layers import attention, relation_part, source_part
from kapl_jax.relational.parameters import Parameters


class Edges(NamedTuple):
    """Edges between rows.

    Attributes:
        sources: int32[e], rows.
        relations: int32[e].
        targets: int32[e], rows; `num_rows` for padding, where nothing arrives.
        num_rows: How many rows the edges may reach.
    """

    sources: jax.Array
    relations: jax.Array
    targets: jax.Array
    num_rows: int


def edge_attention(
    layer: Parameters,
    offered: Offered,
    chosen: Choices,
    states: jax.Array,
    of_query: jax.Array,
    edges: Edges,
) -> jax.Array:
    """Return the attention float32[e] of edges.

    Args:
        layer: Parameters of a layer.
        offered: What the program knows.
        chosen: The candidate's choices.
        states: float32[n, D], of the rows that edges leave.
        of_query: float32[n, A], what the query of each of these rows adds, see `query_part`.
        edges: The edges.
    """
    of_row = source_part(layer, states) + of_query
    parts = of_row[edges.sources] + relation_part(layer)[edges.relations]
    return attention(layer, offered, chosen, parts)


def aggregate(
    layer: Parameters,
    offered: Offered,
    chosen: Choices,
    states: jax.Array,
    alpha: jax.Array,
    edges: Edges,
) -> jax.Array:
    """Return what becomes of the messages to each row, float32[num_rows, D].

    Messages are computed again for the gradient, not kept.

    Args:
        layer: Parameters of a layer.
        offered: What the program knows.
        chosen: The candidate's choices.
        states: float32[n, D], of the rows that edges leave.
        alpha: float32[e], the attention of the edges.
        edges: The edges.
    """
    gather = jax.checkpoint(_aggregate, static_argnums=(0, 5))
    return gather(
        offered, chosen, alpha, states, (layer["relation"], *edges[:3]), edges.num_rows
    )  # fmt: skip


def _aggregate(
    offered: Offered,
    chosen: Choices,
    alpha: jax.Array,
    states: jax.Array,
    edges: tuple[jax.Array, jax.Array, jax.Array, jax.Array],
    num_rows: int,
) -> jax.Array:
    embeddings, sources, relations, targets = edges
    messages = message(offered, chosen, states[sources], embeddings[relations])
    messages = alpha[:, None] * messages
    values = [_AGGREGATIONS[name](messages, targets, num_rows) for name in offered.aggregations]
    return choose(chosen.aggregation, values)


def _sum(messages: jax.Array, targets: jax.Array, num_rows: int) -> jax.Array:
    return jax.ops.segment_sum(messages, targets, num_rows)


def _mean(messages: jax.Array, targets: jax.Array, num_rows: int) -> jax.Array:
    counts = jax.ops.segment_sum(jnp.ones(len(targets)), targets, num_rows)
    return _sum(messages, targets, num_rows) / jnp.maximum(counts, 1.0)[:, None]


def _max(messages: jax.Array, targets: jax.Array, num_rows: int) -> jax.Array:
    largest = jax.ops.segment_max(messages, targets, num_rows)
    return jnp.where(jnp.isfinite(largest), largest, 0.0)


_AGGREGATIONS = {"sum": _sum, "mean": _mean, "max": _max}
