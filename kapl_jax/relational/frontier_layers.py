"""Message passing over a padded expansion: states of rows, edges in blocks."""

from __future__ import annotations

from functools import partial

import jax
import jax.numpy as jnp

from kapl_jax.relational.choices import Choices, Offered, neutral
from kapl_jax.relational.edges import Edges, aggregate, edge_attention
from kapl_jax.relational.frontier import Frontier
from kapl_jax.relational.layers import Drop, next_state, query_part
from kapl_jax.relational.parameters import Parameters, layer_of


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
        of_query = query_part(layer, jnp.asarray(frontier.query_relations))
        of_query = of_query[jnp.asarray(frontier.queries[: len(states)])]
        alpha = edge_attention(layer, offered, chosen, states, of_query, edges)
        gathered = aggregate(layer, offered, chosen, states, alpha, edges)
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


def _edges_of_layer(frontier: Frontier, number: int) -> Edges:
    size, rows = frontier.sizes.edges[number], frontier.sizes.rows[number + 1]
    real = jnp.arange(size) < frontier.edge_counts[number]
    return Edges(
        jnp.asarray(frontier.sources[:size]),
        jnp.asarray(frontier.relations[:size]),
        # What arrives beyond the last row is dropped.
        jnp.where(real, frontier.targets[:size], rows),
        rows,
    )
