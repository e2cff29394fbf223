"""The layers that are searched among: RED-GNN's, NBFNet's, and what lies between them.

RED-GNN: "Knowledge Graph Reasoning with Relational Digraph" (Zhang and Yao, WWW 2022), sections 4.1
and 4.2; the gate is the published program's GRU.

NBFNet: "Neural Bellman-Ford Networks: A General Graph Neural Network Framework for Link Prediction"
(Zhu et al., NeurIPS 2021), with the layer norm and the short cut of the published program. There
all nodes send messages, whether the query reaches them or not; here those that are reached.
"""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass
from functools import partial
from typing import Any

import jax
import jax.numpy as jnp

from kapl_jax.relational.choices import Choices, Offered, attention_mask, choices, choose
from kapl_jax.relational.layer import Edges, Layer, Query
from kapl_jax.relational.parameters import Parameters

Array = jax.Array
# As in the published program: below this a variance is taken for this.
_SMALLEST_VARIANCE = 1e-6


def searched_layer(offered: Offered, chosen: Choices) -> Layer:
    """Return the layer that a structure is made of; queries are their relations, int[B].

    Args:
        offered: The alternatives that the program knows.
        chosen: The structure's choices, which may be traced.
    """
    messages = [MESSAGES[name] for name in offered.messages]

    def start(parameters: Parameters, query: Query) -> Array:
        return choose(chosen.message, [one.start(parameters, query) for one in messages])

    def message(parameters: Parameters, query: Query, edges: Edges, states: Array) -> Array:
        sent = [one.send(parameters, query, edges, states) for one in messages]
        return choose(chosen.message, sent)

    return Layer(
        attention=partial(_attention, offered, chosen),
        message=message,
        aggregation=partial(_aggregation, offered, chosen),
        update=partial(_update, offered, chosen),
        start=start,
        readout=lambda parameters, states: states @ parameters["score"],
        selection=partial(_selection, offered, chosen),
        addend=(lambda parameters: parameters["relation"]) if is_linear(offered) else None,
    )


def only_layer(offered: Offered) -> Layer:
    """Return the layer of the first of all that is offered."""
    return searched_layer(offered, choices(jnp.zeros(len(offered.axes), jnp.int32)))


def is_linear(offered: Offered) -> bool:
    """Tell whether all that is offered is linear in the messages h + w."""
    return offered.messages == ("sum",) and {*offered.aggregations} <= {"sum", "mean"}


# Attention.


def _attention(
    offered: Offered,
    chosen: Choices,
    parameters: Parameters,
    query: Query,
    edges: Edges,
    states: Array,
) -> Array:
    """Return α in 0..1, float32[messages]: σ(w · ReLU(W_s h_s + W_r h_r + W_q h_q + b))."""
    if offered.attention_dims == (0,):
        return jnp.ones(edges.shape)
    relation = parameters["relation"]
    of_query = relation[query] @ parameters["attention_query"] + parameters["attention_bias"][None]
    of_row = states @ parameters["attention_source"] + edges.of_queries(of_query)
    of_relation = edges.of_relations(relation @ parameters["attention_relation"])
    hidden = jax.nn.relu(edges.of_sources(of_row) + of_relation)
    weights = jnp.where(attention_mask(offered, chosen), parameters["attention_out"], 0.0)
    # Not a matrix product: of a handful of columns with one, a fused sum is faster.
    weights = jnp.expand_dims(weights, range(hidden.ndim - 1))
    alpha = jax.nn.sigmoid(jnp.sum(hidden * weights, axis=-1) + parameters["attention_out_bias"])
    if 0 not in offered.attention_dims:
        return alpha
    alphas = [alpha if width else jnp.ones_like(alpha) for width in offered.attention_dims]
    return choose(chosen.attention_dim, alphas)


# Messages.


@dataclass(frozen=True)
class Message:
    """How a state and a relation's embedding become a message.

    Attributes:
        start: `(parameters, query) -> float32[B, D]`, the states at which queries begin.
        send: `(parameters, query, edges, states) -> float32[messages, D]`.
    """

    start: Callable[[Parameters, Query], Array]
    send: Callable[[Parameters, Query, Edges, Array], Array]


def _combined(combine: Callable[[Array, Array], Array], neutral: Callable[[int], Array]) -> Message:
    """Return a message of state and embedding; queries begin at its neutral element.

    So the first message is the relation's embedding: zero for sums, as published, and one for
    products and rotations, where zero would stay zero.
    """

    def start(parameters: Parameters, query: Query) -> Array:
        state = neutral(parameters["relation"].shape[-1])
        return jnp.broadcast_to(state, (len(query), *state.shape))

    def send(parameters: Parameters, query: Query, edges: Edges, states: Array) -> Array:
        del query
        return combine(edges.of_sources(states), edges.of_relations(parameters["relation"]))

    return Message(start, send)


def rotate(states: Array, relations: Array) -> Array:
    """Turn the complex numbers whose parts are halves of `states` by the relation's phases."""
    real, imaginary = jnp.split(states, 2, axis=-1)
    cosine, sine = jnp.split(relations, 2, axis=-1)
    scale = jax.lax.rsqrt(jnp.square(cosine) + jnp.square(sine) + 1e-12)
    cosine, sine = cosine * scale, sine * scale
    return jnp.concatenate(
        [real * cosine - imaginary * sine, real * sine + imaginary * cosine], axis=-1
    )


def _complex_one(width: int) -> Array:
    return (jnp.arange(width) < width // 2).astype(jnp.float32)


def _embedding(parameters: Parameters, query: Query) -> Array:
    return parameters["query"][query]


def _query_product(parameters: Parameters, query: Query, edges: Edges, states: Array) -> Array:
    """h_s ∘ w_r; identity edges carry NBFNet's boundary: the query's embedding where it began."""
    boundary = edges.at_heads(_embedding(parameters, query))
    # What identity edges carry is not changed on the way.
    table = parameters["relation"].at[-1].set(1.0)
    return edges.of_sources(states, boundary) * edges.of_relations(table)


def _conditioned_product(
    parameters: Parameters, query: Query, edges: Edges, states: Array
) -> Array:
    """The same with embeddings w_r + W_r q that depend on the query."""
    embedding = _embedding(parameters, query)
    of_query = jnp.einsum("bd,rde->bre", embedding, parameters["relation_of_query"])
    table = (parameters["relation"][None] + of_query).at[:, -1].set(1.0)
    return edges.of_sources(states, edges.at_heads(embedding)) * edges.of_query_relations(table)


MESSAGES = {
    "sum": _combined(jnp.add, jnp.zeros),
    "product": _combined(jnp.multiply, jnp.ones),
    "rotation": _combined(rotate, _complex_one),
    "query_product": Message(_embedding, _query_product),
    "conditioned_product": Message(_embedding, _conditioned_product),
}


# Aggregation.


def _mean(edges: Edges, arriving: Array) -> Array:
    return edges.sum(arriving) / jnp.maximum(edges.counts(), 1.0)


_PLAIN: dict[str, Callable[[Edges, Array], Array]] = {
    "sum": lambda edges, arriving: edges.sum(arriving),
    "mean": _mean,
    "max": lambda edges, arriving: edges.max(arriving),
}
AGGREGATIONS = (*_PLAIN, "pna")


def _principal_neighbourhood(edges: Edges, arriving: Array) -> tuple[Array, Array]:
    """Return mean, largest, smallest and standard deviation, and how many arrive, relatively.

    "Principal Neighbourhood Aggregation for Graph Nets" (Corso et al., NeurIPS 2020). NBFNet's
    program counts the edges of a node, not the messages that arrive.
    """
    counts = edges.counts()
    mean = edges.sum(arriving) / jnp.maximum(counts, 1.0)
    variance = edges.squared_deviations(arriving, mean) / jnp.maximum(counts, 1.0)
    deviation = jnp.sqrt(jnp.maximum(variance, _SMALLEST_VARIANCE))
    values = [mean, edges.max(arriving), -edges.max(-arriving), deviation]
    amount = jnp.log1p(jnp.maximum(counts, 1.0)) / edges.mean_log_degree
    return jnp.concatenate(values, axis=-1), amount


def _aggregation(
    offered: Offered, chosen: Choices, edges: Edges, arriving: Array
) -> dict[str, Any]:
    """Return what is needed to make of it what `_mapped` does, by name."""
    aggregated: dict[str, Any] = {}
    if "pna" in offered.aggregations:
        aggregated["pna"] = _principal_neighbourhood(edges, arriving)
    plain = {name: _PLAIN[name](edges, arriving) for name in offered.aggregations if name in _PLAIN}
    if plain:
        # What is no such sum is not taken: any of them stands there.
        any_of_them = next(iter(plain.values()))
        values = [plain.get(name, any_of_them) for name in offered.aggregations]
        aggregated["plain"] = choose(chosen.aggregation, values)
    return aggregated


def _mapped(
    offered: Offered, chosen: Choices, parameters: Parameters, aggregated: dict[str, Any]
) -> Array:
    """Return the layer's linear map of what is aggregated, float32[rows, D]."""
    values: dict[str, Array] = {}
    if "plain" in aggregated:
        values |= dict.fromkeys(_PLAIN, aggregated["plain"] @ parameters["message"])
    if "pna" in aggregated:
        features, amount = aggregated["pna"]
        once, more, less = jnp.split(parameters["pna"], 3)
        # The same as one product of features, features * amount and features / amount.
        values["pna"] = features @ once + amount * (features @ more) + (features @ less) / amount
    return choose(chosen.aggregation, [values[name] for name in offered.aggregations])


# Update.


def _selection(
    offered: Offered, chosen: Choices, parameters: Parameters, aggregated: dict[str, Any]
) -> Array:
    mapped = _mapped(offered, chosen, parameters, aggregated)
    return _activate(offered, chosen, mapped) @ parameters["sampling"]


def _update(
    offered: Offered,
    chosen: Choices,
    parameters: Parameters,
    aggregated: dict[str, Any],
    previous: Array,
    drop: Callable[[Array], Array],
) -> Array:
    mapped = _mapped(offered, chosen, parameters, aggregated)

    def become(x: Array) -> Array:
        return drop(_activate(offered, chosen, x))

    values = [_GATES[name](parameters, mapped, previous, become) for name in offered.gates]
    return choose(chosen.gate, values)


def _activate(offered: Offered, chosen: Choices, x: Array) -> Array:
    return choose(chosen.activation, [ACTIVATIONS[name](x) for name in offered.activations])


ACTIVATIONS: dict[str, Callable[[Array], Array]] = {
    "identity": lambda x: x,
    "relu": jax.nn.relu,
    "tanh": jnp.tanh,
}


def _filled(x: Array, num_rows: int) -> Array:
    """Return x with rows of zeros behind it: new rows had no state."""
    return jnp.pad(x, ((0, num_rows - x.shape[0]), (0, 0)))


def _gru(
    parameters: Parameters, x: Array, previous: Array, become: Callable[[Array], Array]
) -> Array:
    # New rows have no state to multiply. A matrix product a gate: the parts of one large product
    # would be copied, and their gradients filled up with zeros.
    x = become(x)
    gates = zip(*(jnp.split(parameters[name], 3, axis=-1) for name in _GATE), strict=True)
    (reset, from_reset), (update, from_update), (new, from_new) = (
        (x @ of_input + input_bias[None], _filled(previous @ of_state, len(x)) + state_bias[None])
        for of_input, input_bias, of_state, state_bias in gates
    )
    update = jax.nn.sigmoid(update + from_update)
    candidate = jnp.tanh(new + jax.nn.sigmoid(reset + from_reset) * from_new)
    return candidate + update * (_filled(previous, len(x)) - candidate)


def _ungated(
    parameters: Parameters, x: Array, previous: Array, become: Callable[[Array], Array]
) -> Array:
    del parameters, previous
    return become(x)


def _concatenated(
    parameters: Parameters, x: Array, previous: Array, become: Callable[[Array], Array]
) -> Array:
    """A linear map of old state and aggregate (x is its second half), norm, and a short cut."""
    x = x + _filled(previous @ parameters["concat_state"], len(x)) + parameters["concat_bias"][None]
    centered = x - jnp.mean(x, axis=-1, keepdims=True)
    variance = jnp.mean(jnp.square(centered), axis=-1, keepdims=True)
    normed = centered * jax.lax.rsqrt(variance + 1e-5)
    new = become(normed * parameters["norm_scale"][None] + parameters["norm_bias"][None])
    return _filled(previous, len(x)) + new


_GATE = ("gate_input", "gate_input_bias", "gate_hidden", "gate_hidden_bias")
_GATES = {"on": _gru, "off": _ungated, "concat": _concatenated}
GATES = tuple(_GATES)
