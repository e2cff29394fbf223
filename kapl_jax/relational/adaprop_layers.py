"""Message passing over the nodes that each query chooses to keep.

"AdaProp: Learning Adaptive Propagation for Graph Neural Network based Knowledge Graph Reasoning"
(Zhang et al., KDD 2023), section 4.1: a step reaches new nodes over all edges of the nodes kept so
far; each query keeps the best of the new ones, see `select`, and all that it kept before. The logit
of a new node is the layer's selection, θ · h with h the activated sum of its messages.

This follows the published program for transductive data, which chooses before dropout and the gate,
in the last layer, too. That for inductive data chooses after the gate, and not in the last layer.
"""

from __future__ import annotations

from collections.abc import Callable
from functools import partial
from typing import Any, NamedTuple

import flax.struct
import jax
import jax.numpy as jnp

from kapl_jax.relational.adaprop import AdaPropGraph, Limits
from kapl_jax.relational.adaprop_expansion import Step, follow
from kapl_jax.relational.adaprop_selection import Selection, select
from kapl_jax.relational.edges import RowEdges
from kapl_jax.relational.layer import Drop, Layer, Query
from kapl_jax.relational.parameters import Parameters, layers_of


@flax.struct.dataclass
class Reached:
    """What queries keep, and how they got there.

    Attributes:
        scores: float32[B, K], of the nodes kept after the last layer; 0 for padding.
        entities: int32[B, K]; N for padding.
        steps: The edges of each layer.
        attention: Of each layer the attention float32[B, M] of its edges, 0 for padding.
    """

    scores: jax.Array
    entities: jax.Array
    steps: tuple[Step, ...]
    attention: tuple[jax.Array, ...]


class _Kept(NamedTuple):
    """The rows of B queries, padding last.

    Attributes:
        entities: int32[B, K]; N for padding.
        counts: int32[B].
        states: float32[B, K, D]; 0 for padding.
    """

    entities: jax.Array
    counts: jax.Array
    states: jax.Array


def propagate(
    layer: Layer,
    parameters: Parameters,
    graph: AdaPropGraph,
    heads: jax.Array,
    query: Query,
    limits: Limits,
    drop: Drop,
    noise_key: jax.Array | None = None,
    temperature: jax.Array | float = 1.0,
) -> Reached:
    """Pass messages through all layers.

    Args:
        layer: What happens in each; it has a selection.
        parameters: Of all layers, see `layers_of`.
        graph: The graph.
        heads: int32[B], where the queries begin.
        query: What they ask, as `layer` takes it.
        limits: How much a query may reach.
        drop: Dropout.
        noise_key: Of the Gumbel noise; None to choose without, as in evaluation.
        temperature: τ, see `select`.
    """
    layers = layers_of(parameters)
    counts = limits.nodes(graph.num_entities)
    kept = _start(layer.start(layers[0], query), heads)
    steps, weights = [], []
    for number, (own, limit) in enumerate(zip(layers, limits.edges, strict=True)):
        step = follow(graph, kept.entities, limit)
        alpha, aggregated = _gather(layer, own, kept.states, step, query, graph)
        selection = select(
            jax.checkpoint(layer.selection)(own, aggregated),
            step.new,
            kept.counts,
            (min(limits.top_k, limit), counts[number + 1]),
            _noise(noise_key, number, step.new.shape),
            temperature,
        )
        states = _states(layer, own, aggregated, kept.states, selection, partial(drop, number))
        kept = _Kept(_entities(step, selection, graph.num_entities), selection.counts, states)
        steps.append(step)
        weights.append(alpha)
    scores = layer.readout(layers[-1], kept.states)
    return Reached(scores, kept.entities, tuple(steps), tuple(weights))


def log_losses(reached: Reached, answers: jax.Array, num_entities: int) -> jax.Array:
    """Return minus the log-probability of answers among all entities, float32[B].

    Entities that are not kept score 0; they are counted, not listed.

    Args:
        reached: What the queries keep.
        answers: int32[B], the right entity of each query.
        num_entities: N.
    """
    listed = reached.entities < num_entities
    scores = jnp.where(listed, reached.scores, -jnp.inf)
    largest = jax.lax.stop_gradient(jnp.maximum(jnp.max(scores, axis=1), 0.0))
    others = num_entities - jnp.sum(listed, axis=1)
    of_others = others.astype(scores.dtype) * jnp.exp(-largest)
    sums = jnp.sum(jnp.exp(scores - largest[:, None]), axis=1) + of_others
    answer = reached.entities == answers[:, None]
    return largest + jnp.log(sums) - jnp.sum(jnp.where(answer, reached.scores, 0.0), axis=1)


def _start(states: jax.Array, heads: jax.Array) -> _Kept:
    return _Kept(heads[:, None], jnp.ones(len(heads), jnp.int32), states[:, None])


def _noise(key: jax.Array | None, number: int, shape: tuple[int, ...]) -> jax.Array | None:
    return None if key is None else jax.random.gumbel(jax.random.fold_in(key, number), shape)


def _gather(
    layer: Layer,
    own: Parameters,
    states: jax.Array,
    step: Step,
    query: Query,
    graph: AdaPropGraph,
) -> tuple[jax.Array, Any]:
    """Return attention float32[B, M] of edges, and what is aggregated, by position [B, M, K]."""
    (batch, positions), (_, rows, width) = step.firsts.shape, states.shape
    number = jnp.arange(batch, dtype=jnp.int32)
    real = step.firsts < positions
    targets = number[:, None] * positions + step.firsts
    edges = RowEdges(
        sources=(number[:, None] * rows + step.sources).reshape(-1),
        relations=step.relations.reshape(-1),
        targets=jnp.where(real, targets, batch * positions).reshape(-1),
        num_rows=batch * positions,
        queries=jnp.repeat(number, rows),
        heads=number * rows,
        identity=graph.identity,
        mean_log_degree=graph.mean_log_degree,
    )
    flat = states.reshape(-1, width)
    alpha = layer.attention(own, query, edges, flat)
    aggregated = jax.tree.map(
        lambda values: values.reshape(batch, positions, -1),
        layer.gather(own, query, edges, flat, alpha),
    )
    return jnp.where(real, alpha.reshape(real.shape), 0.0), aggregated


def _states(
    layer: Layer,
    own: Parameters,
    aggregated: Any,
    previous: jax.Array,
    selection: Selection,
    drop: Callable[[jax.Array], jax.Array],
) -> jax.Array:
    """Return the states float32[B, K, D] of the rows selected."""

    def of_rows(values: jax.Array) -> jax.Array:
        return jnp.take_along_axis(values, selection.positions[..., None], axis=1)

    def flat(values: jax.Array) -> jax.Array:
        return values.reshape(-1, values.shape[-1])

    aggregated = jax.tree.map(lambda values: flat(of_rows(values)), aggregated)
    added = selection.positions.shape[1] - previous.shape[1]
    previous = jnp.pad(previous, ((0, 0), (0, added), (0, 0)))
    weights = selection.weights.reshape(-1, 1)
    states = layer.update(own, aggregated, flat(previous), lambda x: drop(x * weights))
    # Padding has no state; a gate's biases would give it one.
    return jnp.where(selection.present[..., None], states.reshape(previous.shape), 0.0)


def _entities(step: Step, selection: Selection, num_entities: int) -> jax.Array:
    entities = jnp.take_along_axis(step.targets, selection.positions, axis=1)
    return jnp.where(selection.present, entities, num_entities)
