"""Message passing over a whole small graph: states of all entities for all queries of a batch."""

from __future__ import annotations

from functools import partial

import jax
import jax.numpy as jnp

from kapl_jax.relational.choices import Choices, Offered, choose
from kapl_jax.relational.dense import DenseGraph, adjacency
from kapl_jax.relational.layers import (
    Drop,
    attention,
    next_state,
    query_part,
    relation_part,
    source_part,
)
from kapl_jax.relational.parameters import Parameters, layer_of


def can_be_dense(offered: Offered) -> bool:
    """Tell whether all that is offered is linear in the messages h + w."""
    return offered.messages == ("sum",) and "max" not in offered.aggregations


def propagate(
    parameters: Parameters,
    offered: Offered,
    chosen: Choices,
    graph: DenseGraph,
    heads: jax.Array,
    relations: jax.Array,
    drop: Drop,
) -> tuple[jax.Array, list[jax.Array]]:
    """Pass messages through all layers.

    Args:
        parameters: Of `RelationalModel`.
        offered: What the program knows, see `can_be_dense`.
        chosen: The candidate's choices.
        graph: The graph.
        heads: int32[B], of the queries.
        relations: int32[B].
        drop: Dropout.

    Returns:
        The scores float32[B, N], 0 for what is not reached, and of each layer the attention
        float32[E, B] of the edges, 0 where no message travels.
    """
    reached = jax.nn.one_hot(heads, graph.num_entities)
    states = jnp.zeros((*reached.shape, parameters["score"].shape[0]))
    weights = []
    for number in range(parameters["relation"].shape[0]):
        layer = layer_of(parameters, number)
        travels = reached.T[graph.sources]
        alpha = _attention(layer, offered, chosen, graph, states, relations) * travels
        gathered = _gather(layer, offered, chosen, graph, states, alpha, travels)
        reached = (jax.ops.segment_max(travels, graph.targets, graph.num_entities) > 0).T
        reached = reached.astype(states.dtype)
        flat = (-1, states.shape[-1])
        states = next_state(
            layer,
            offered,
            chosen,
            gathered.reshape(flat),
            states.reshape(flat),
            partial(drop, number),
        ).reshape(states.shape)
        # What is not reached has no state; a gate's biases would give it one.
        states = states * reached[..., None]
        weights.append(alpha)
    return states @ parameters["score"], weights


def _attention(
    layer: Parameters,
    offered: Offered,
    chosen: Choices,
    graph: DenseGraph,
    states: jax.Array,
    relations: jax.Array,
) -> jax.Array:
    """Return α float32[E, B], computed once for each source and relation."""
    of_source = jnp.moveaxis(
        source_part(layer, states) + query_part(layer, relations)[:, None], 1, 0
    )
    of_relation = relation_part(layer)[graph.pair_relations]
    parts = of_source[graph.pair_sources] + of_relation[:, None]
    return attention(layer, offered, chosen, parts)[graph.pairs]


def _gather(
    layer: Parameters,
    offered: Offered,
    chosen: Choices,
    graph: DenseGraph,
    states: jax.Array,
    alpha: jax.Array,
    travels: jax.Array,
) -> jax.Array:
    """Return what arrives at each entity, float32[B, N, D]."""
    of_source, of_relation = adjacency(graph, alpha, layer["relation"].shape[0])
    total = of_source @ states + of_relation @ layer["relation"]
    if offered.aggregations == ("sum",):
        return total
    counts = jax.ops.segment_sum(travels, graph.targets, graph.num_entities).T
    mean = total / jnp.maximum(counts, 1.0)[..., None]
    return choose(
        chosen.aggregation, [{"sum": total, "mean": mean}[name] for name in offered.aggregations]
    )
