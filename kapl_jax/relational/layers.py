"""The mathematics of a layer that all regimes share: attention, and the step from sum to state.

Equations of "Knowledge Graph Reasoning with Relational Digraph" (Zhang and Yao, WWW 2022), sections
4.1 and 4.2; the gate is the published program's GRU.
"""

from __future__ import annotations

from collections.abc import Callable

import jax
import jax.numpy as jnp

from kapl_jax.relational.choices import Choices, Offered, activate, attention_mask, choose
from kapl_jax.relational.parameters import Parameters

Drop = Callable[[int, jax.Array], jax.Array]
"""`(layer, x) -> x` with some values set to zero."""


def keep_all(layer: int, x: jax.Array) -> jax.Array:
    """Return x: no dropout, as in evaluation."""
    del layer
    return x


def dropping(key: jax.Array, rate: jax.Array) -> Drop:
    """Return dropout at a traced rate, rounded to 1/256: one random byte decides each value."""
    limit = jnp.round(rate * 256).astype(jnp.uint32)
    scale = 256.0 / (256.0 - limit.astype(jnp.float32))

    def drop(layer: int, x: jax.Array) -> jax.Array:
        noise = jax.random.bits(jax.random.fold_in(key, layer), x.shape, jnp.uint8)
        return jnp.where(noise >= limit, x * scale, 0.0)

    return drop


def query_part(layer: Parameters, relations: jax.Array) -> jax.Array:
    """Return what queries with these relations int32[B] add to the attention, float32[B, A]."""
    return layer["relation"][relations] @ layer["attention_query"] + layer["attention_bias"]


def source_part(layer: Parameters, states: jax.Array) -> jax.Array:
    """Return what sources' states float32[..., D] add to the attention, float32[..., A]."""
    return states @ layer["attention_source"]


def relation_part(layer: Parameters) -> jax.Array:
    """Return what the edges' relations add to the attention, float32[2R + 1, A]."""
    return layer["relation"] @ layer["attention_relation"]


def attention(layer: Parameters, offered: Offered, chosen: Choices, parts: jax.Array) -> jax.Array:
    """Return α in 0..1, float32[...], of the summed parts float32[..., A]."""
    weights = jnp.where(attention_mask(offered, chosen), layer["attention_out"], 0.0)
    hidden = jax.nn.relu(parts)
    # Not a matrix product: of a handful of columns with one, a fused sum is faster.
    return jax.nn.sigmoid(jnp.sum(hidden * weights, axis=-1) + layer["attention_out_bias"])


def next_state(
    layer: Parameters,
    offered: Offered,
    chosen: Choices,
    aggregated: jax.Array,
    previous: jax.Array,
    drop: Callable[[jax.Array], jax.Array],
) -> jax.Array:
    """Return the states float32[n, D] after a layer.

    Args:
        layer: Its parameters.
        offered: What the program knows.
        chosen: The candidate's choices.
        aggregated: float32[n, D], of the messages to each row.
        previous: float32[m, D], states before, of the first m <= n rows; the others' were zero.
        drop: Dropout, on the values before the gate.
    """
    x = drop(activate(offered, chosen, aggregated @ layer["message"]))
    values = [_GATES[name](layer, x, previous) for name in offered.gates]
    return choose(chosen.gate, values)


def _gru(layer: Parameters, x: jax.Array, previous: jax.Array) -> jax.Array:
    # New rows have no state to multiply. A matrix product a gate: the parts of one large product
    # would be copied, and their gradients filled up with zeros.
    missing = ((0, x.shape[0] - previous.shape[0]), (0, 0))
    gates = zip(*(jnp.split(layer[name], 3, axis=-1) for name in _GATE), strict=True)
    (reset, from_reset), (update, from_update), (new, from_new) = (
        (x @ of_input + input_bias, jnp.pad(previous @ of_state, missing) + state_bias)
        for of_input, input_bias, of_state, state_bias in gates
    )
    update = jax.nn.sigmoid(update + from_update)
    candidate = jnp.tanh(new + jax.nn.sigmoid(reset + from_reset) * from_new)
    return candidate + update * (jnp.pad(previous, missing) - candidate)


def _ungated(layer: Parameters, x: jax.Array, previous: jax.Array) -> jax.Array:
    del layer, previous
    return x


_GATE = ("gate_input", "gate_input_bias", "gate_hidden", "gate_hidden_bias")
_GATES = {"on": _gru, "off": _ungated}
