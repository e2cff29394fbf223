"""Message passing over the nodes that each query chooses to keep.

"AdaProp: Learning Adaptive Propagation for Graph Neural Network based Knowledge Graph Reasoning"
(Zhang et al., KDD 2023), section 4.1: a step reaches new nodes over all edges of the nodes kept so
far; each query keeps the best of the new ones, see `select`, and all that it kept before. The logit
of a new node is θ · h, with h the activated sum of its messages.

This follows the published program for transductive data, which chooses before dropout and the gate,
in the last layer, too. That for inductive data chooses after the gate, and not in the last layer.
"""

from __future__ import annotations

from collections.abc import Callable
from functools import partial
from typing import NamedTuple

import flax.struct
import jax
import jax.numpy as jnp

from kapl_jax.relational.adaptive import AdaptiveGraph, Limits
from kapl_jax.relational.adaptive_expansion import Step, follow
from kapl_jax.relational.adaptive_selection import Selection, select
from kapl_jax.relational.choices import Choices, Offered, activate, neutral
from kapl_jax.relational.edges import Edges, aggregate, edge_attention
from kapl_jax.relational.layers import Drop, next_state, query_part
from kapl_jax.relational.parameters import Parameters, layer_of


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

    @property
    def left_out(self) -> jax.Array:
        """int32[L, B], how many edges of each layer were above the limit."""
        return jnp.stack([step.left_out for step in self.steps])


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
    parameters: Parameters,
    offered: Offered,
    chosen: Choices,
    graph: AdaptiveGraph,
    heads: jax.Array,
    relations: jax.Array,
    limits: Limits,
    drop: Drop,
    noise_key: jax.Array | None = None,
    temperature: jax.Array | float = 1.0,
) -> Reached:
    """Pass messages through all layers.

    Args:
        parameters: Of `RelationalModel`, with `sampling` [L, D].
        offered: What the program knows.
        chosen: The candidate's choices.
        graph: The graph.
        heads: int32[B], of the queries.
        relations: int32[B].
        limits: How much a query may reach.
        drop: Dropout.
        noise_key: Of the Gumbel noise; None to choose without, as in evaluation.
        temperature: τ, see `select`.
    """
    identity = parameters["relation"].shape[1] - 1
    counts = limits.nodes(graph.num_entities)
    kept = _start(neutral(offered, chosen, parameters["score"].shape[0]), heads)
    steps, weights = [], []
    for number, limit in enumerate(limits.edges):
        layer = layer_of(parameters, number)
        step = follow(graph, kept.entities, limit, identity)
        alpha, gathered = _gather(layer, offered, chosen, kept.states, step, relations)
        selection = select(
            jax.checkpoint(_logits, static_argnums=1)(layer, offered, chosen, gathered),
            step.new,
            kept.counts,
            (min(limits.top_k, limit), counts[number + 1]),
            _noise(noise_key, number, step.new.shape),
            temperature,
        )
        drop_here = partial(drop, number)
        states = _states(layer, offered, chosen, gathered, kept.states, selection, drop_here)
        kept = _Kept(_entities(step, selection, graph.num_entities), selection.counts, states)
        steps.append(step)
        weights.append(alpha)
    scores = kept.states @ parameters["score"]
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
    sums = jnp.sum(jnp.exp(scores - largest[:, None]), axis=1) + others * jnp.exp(-largest)
    answer = reached.entities == answers[:, None]
    return largest + jnp.log(sums) - jnp.sum(jnp.where(answer, reached.scores, 0.0), axis=1)


def _start(state: jax.Array, heads: jax.Array) -> _Kept:
    states = jnp.broadcast_to(state, (len(heads), 1, *state.shape))
    return _Kept(heads[:, None], jnp.ones(len(heads), jnp.int32), states)


def _noise(key: jax.Array | None, number: int, shape: tuple[int, ...]) -> jax.Array | None:
    return None if key is None else jax.random.gumbel(jax.random.fold_in(key, number), shape)


def _gather(
    layer: Parameters,
    offered: Offered,
    chosen: Choices,
    states: jax.Array,
    step: Step,
    relations: jax.Array,
) -> tuple[jax.Array, jax.Array]:
    """Return the attention float32[B, M] of edges, and what arrives at places float32[B, M, D]."""
    (batch, places), (_, rows, width) = step.firsts.shape, states.shape
    query = jnp.arange(batch, dtype=jnp.int32)[:, None]
    real = step.firsts < places
    edges = Edges(
        (query * rows + step.sources).reshape(-1),
        step.relations.reshape(-1),
        jnp.where(real, query * places + step.firsts, batch * places).reshape(-1),
        batch * places,
    )
    flat = states.reshape(-1, width)
    of_query = jnp.repeat(query_part(layer, relations), rows, axis=0)
    alpha = edge_attention(layer, offered, chosen, flat, of_query, edges)
    gathered = aggregate(layer, offered, chosen, flat, alpha, edges)
    return jnp.where(real, alpha.reshape(real.shape), 0.0), gathered.reshape(batch, places, width)


def _logits(layer: Parameters, offered: Offered, chosen: Choices, gathered: jax.Array) -> jax.Array:
    """Return the logits float32[B, M] of places, of what arrived there float32[B, M, D]."""
    return activate(offered, chosen, gathered @ layer["message"]) @ layer["sampling"]


def _states(
    layer: Parameters,
    offered: Offered,
    chosen: Choices,
    gathered: jax.Array,
    previous: jax.Array,
    selection: Selection,
    drop: Callable[[jax.Array], jax.Array],
) -> jax.Array:
    """Return the states float32[B, K, D] of the rows selected."""
    gathered = jnp.take_along_axis(gathered, selection.places[..., None], axis=1)
    added = gathered.shape[1] - previous.shape[1]
    previous = jnp.pad(previous, ((0, 0), (0, added), (0, 0)))
    weights = selection.weights.reshape(-1, 1)
    flat = (-1, gathered.shape[-1])
    states = next_state(
        layer,
        offered,
        chosen,
        gathered.reshape(flat),
        previous.reshape(flat),
        lambda x: drop(x * weights),
    ).reshape(gathered.shape)
    # Padding has no state; a gate's biases would give it one.
    return jnp.where(selection.present[..., None], states, 0.0)


def _entities(step: Step, selection: Selection, num_entities: int) -> jax.Array:
    entities = jnp.take_along_axis(step.targets, selection.places, axis=1)
    return jnp.where(selection.present, entities, num_entities)
