"""Message passing over a padded expansion: states of rows, edges in blocks."""

from __future__ import annotations

from functools import partial

import jax
import jax.numpy as jnp

from kapl_jax.relational.edges import RowEdges
from kapl_jax.relational.frontier import Frontier
from kapl_jax.relational.layer import Drop, Layer
from kapl_jax.relational.parameters import Parameters, layers_of


def propagate(
    layer: Layer, parameters: Parameters, frontier: Frontier, drop: Drop
) -> tuple[jax.Array, list[jax.Array]]:
    """Pass messages through all layers.

    Args:
        layer: What happens in each.
        parameters: Of all layers, see `layers_of`.
        frontier: The rows and edges of B queries.
        drop: Dropout.

    Returns:
        The score float32[n] of each row, and of each layer the attention float32[...] of its edges,
        of which the first `frontier.edge_counts` are real.
    """
    layers = layers_of(parameters)
    query = jnp.asarray(frontier.query_relations)
    # The first rows are those where queries begin.
    states = layer.start(layers[0], query)
    weights = []
    for number, own in enumerate(layers):
        edges = _edges_of_layer(frontier, number)
        alpha = layer.attention(own, query, edges, states)
        aggregated = layer.gather(own, query, edges, states, alpha)
        states = layer.update(own, aggregated, states, partial(drop, number))
        # Rows that a later layer reaches are here already, but have no state yet.
        reached = jnp.arange(edges.num_rows) < frontier.row_counts[number + 1]
        states = jnp.where(reached[:, None], states, 0.0)
        weights.append(alpha)
    return layer.readout(layers[-1], states), weights


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


def _edges_of_layer(frontier: Frontier, number: int) -> RowEdges:
    size, rows = frontier.sizes.edges[number], frontier.sizes.rows
    real = jnp.arange(size) < frontier.edge_counts[number]
    return RowEdges(
        sources=jnp.asarray(frontier.sources[:size]),
        relations=jnp.asarray(frontier.relations[:size]),
        # What arrives beyond the last row is dropped.
        targets=jnp.where(real, frontier.targets[:size], rows[number + 1]),
        num_rows=rows[number + 1],
        queries=jnp.asarray(frontier.queries[: rows[number]]),
        heads=jnp.arange(rows[0]),
        identity=frontier.identity,
        mean_log_degree=frontier.mean_log_degree,
    )
