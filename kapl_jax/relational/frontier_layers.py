"""Message passing over a padded expansion: states of rows, edges in blocks."""

from __future__ import annotations

from functools import partial
from typing import NamedTuple

import jax
import jax.numpy as jnp

from kapl_jax.relational.choices import Choices, Offered, choose, message, neutral
from kapl_jax.relational.frontier import Frontier
from kapl_jax.relational.layers import (
    Drop,
    attention,
    next_state,
    query_part,
    relation_part,
    source_part,
)
from kapl_jax.relational.parameters import Parameters, layer_of


class _Edges(NamedTuple):
    """The edges of a layer: int32[e] each, and how many rows they reach."""

    sources: jax.Array
    relations: jax.Array
    targets: jax.Array
    num_rows: int


def propagate(
    parameters: Parameters, offered: Offered, chosen: Choices, frontier: Frontier, drop: Drop
) -> tuple[jax.Array, list[jax.Array]]:
    """Pass messages through all layers.

    Args:
        parameters: Of `RelationalModel`.
        offered: What the program knows.
        chosen: The candidate's choices.
        frontier: The rows and edges of B queries.
        drop: Dropout.

    Returns:
        The score float32[n] of each row, and of each layer the attention float32[...] of its edges,
        of which the first `frontier.edge_counts` are real.
    """
    num_layers = len(frontier.sizes.edges)
    start = neutral(offered, chosen, parameters["score"].shape[0])
    states = jnp.broadcast_to(start, (frontier.sizes.rows[0], *start.shape))
    weights = []
    for number in range(num_layers):
        layer = layer_of(parameters, number)
        edges = _edges_of_layer(frontier, number)
        alpha = _attention(layer, offered, chosen, states, frontier, edges)
        gathered = jax.checkpoint(_aggregate, static_argnums=(0, 5))(
            offered, chosen, alpha, states, (layer["relation"], *edges[:3]), edges.num_rows
        )
        states = next_state(layer, offered, chosen, gathered, states, partial(drop, number))
        # Rows that a later layer reaches are here already, but have no state yet.
        reached = jnp.arange(edges.num_rows) < frontier.row_counts[number + 1]
        states = jnp.where(reached[:, None], states, 0.0)
        weights.append(alpha)
    return states @ parameters["score"], weights


def log_losses(
    scores: jax.Array, frontier: Frontier, answers: jax.Array, num_entities: int
) -> jax.Array:
    """Return minus the log-probability of answers among all entities, float32[B].

    Entities that are not reached score 0; they are counted, not listed.

    Args:
        scores: float32[n], of the rows.
        frontier: The rows.
        answers: int32[B], the right entity of each query.
        num_entities: N.
    """
    batch = frontier.sizes.rows[0]
    queries = jnp.asarray(frontier.queries)

    def total(values: jax.Array) -> jax.Array:
        return jax.ops.segment_sum(values, queries, batch)

    largest = jax.lax.stop_gradient(jax.ops.segment_max(scores, queries, batch))
    largest = jnp.maximum(largest, 0.0)
    # Rows of padding belong to no query; what they hold must not overflow, not even in gradients.
    of_row = jnp.minimum(queries, batch - 1)
    shifted = jnp.where(queries < batch, scores - largest[of_row], 0.0)
    unreached = num_entities - total(jnp.ones(len(scores)))
    sums = total(jnp.exp(shifted)) + unreached * jnp.exp(-largest)
    answer = frontier.entities == answers[of_row]
    return largest + jnp.log(sums) - total(jnp.where(answer, scores, 0.0))


def _edges_of_layer(frontier: Frontier, number: int) -> _Edges:
    size, rows = frontier.sizes.edges[number], frontier.sizes.rows[number + 1]
    real = jnp.arange(size) < frontier.edge_counts[number]
    return _Edges(
        jnp.asarray(frontier.sources[:size]),
        jnp.asarray(frontier.relations[:size]),
        # What arrives beyond the last row is dropped.
        jnp.where(real, frontier.targets[:size], rows),
        rows,
    )


def _attention(
    layer: Parameters,
    offered: Offered,
    chosen: Choices,
    states: jax.Array,
    frontier: Frontier,
    edges: _Edges,
) -> jax.Array:
    of_query = query_part(layer, jnp.asarray(frontier.query_relations))
    queries = jnp.asarray(frontier.queries[: len(states)])
    of_row = source_part(layer, states) + of_query[queries]
    parts = of_row[edges.sources] + relation_part(layer)[edges.relations]
    return attention(layer, offered, chosen, parts)


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
