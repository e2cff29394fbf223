"""What a layer may be made of, as data: activations, messages, aggregations, gate, attention width.

A program is compiled for what is *offered*; a candidate chooses among it by its place there. Where
only one thing is offered, nothing else is computed.
"""

from __future__ import annotations

from collections.abc import Callable, Sequence
from dataclasses import dataclass

import flax.struct
import jax
import jax.numpy as jnp

Combine = Callable[[jax.Array, jax.Array], jax.Array]


@dataclass(frozen=True)
class Offered:
    """The alternatives that a program knows, by name.

    Attributes:
        activations: Of "identity", "relu", "tanh": δ, after a layer's linear map.
        messages: Of "sum", "product", "rotation": how a state meets a relation's embedding.
        aggregations: Of "sum", "mean", "max": what becomes of the messages to a node.
        gates: Of "on", "off": whether a GRU joins the new state with the old one.
        attention_dims: Widths of the attention; the parameters have the largest.
    """

    activations: tuple[str, ...] = ("relu",)
    messages: tuple[str, ...] = ("sum",)
    aggregations: tuple[str, ...] = ("sum",)
    gates: tuple[str, ...] = ("on",)
    attention_dims: tuple[int, ...] = (5,)

    @property
    def axes(self) -> tuple[tuple[str | int, ...], ...]:
        """The alternatives in the order in which a candidate chooses."""
        return (
            self.activations, self.messages, self.aggregations, self.gates, self.attention_dims
        )  # fmt: skip


@flax.struct.dataclass
class Choices:
    """One candidate's choices: int32[] each, places in `Offered`."""

    activation: jax.Array
    message: jax.Array
    aggregation: jax.Array
    gate: jax.Array
    attention_dim: jax.Array


def choices(candidate: jax.Array) -> Choices:
    """Return the choices of a candidate int[>= 5], in the order of `Offered.axes`."""
    return Choices(*(candidate[place] for place in range(5)))


def choose(place: jax.Array, values: Sequence[jax.Array]) -> jax.Array:
    """Return the value at a traced place; all values have one shape."""
    chosen = values[0]
    for number, value in enumerate(values[1:], start=1):
        chosen = jnp.where(place == number, value, chosen)
    return chosen


def activate(offered: Offered, chosen: Choices, x: jax.Array) -> jax.Array:
    """Return δ(x), same shape."""
    values = [ACTIVATIONS[name](x) for name in offered.activations]
    return choose(chosen.activation, values)


def message(
    offered: Offered, chosen: Choices, states: jax.Array, relations: jax.Array
) -> jax.Array:
    """Return the messages float32[..., D] of sources' states over edges with such embeddings.

    Args:
        offered: What the program knows.
        chosen: The candidate's choices.
        states: float32[..., D].
        relations: float32[..., D].
    """
    values = [MESSAGES[name].combine(states, relations) for name in offered.messages]
    return choose(chosen.message, values)


def neutral(offered: Offered, chosen: Choices, width: int) -> jax.Array:
    """Return the state float32[D] at which a query's head begins.

    It is the neutral element of the message, so that the first message is the relation's embedding:
    zero for sums, as published, and one for products and rotations, where zero would stay zero.
    """
    values = [jnp.asarray(MESSAGES[name].neutral(width)) for name in offered.messages]
    return choose(chosen.message, values)


def attention_mask(offered: Offered, chosen: Choices) -> jax.Array:
    """Return which of the widest attention's units the candidate has, bool[A]."""
    widths = jnp.array(offered.attention_dims)
    return jnp.arange(max(offered.attention_dims)) < widths[chosen.attention_dim]


@dataclass(frozen=True)
class _Message:
    combine: Combine
    neutral: Callable[[int], jax.Array]


def _rotate(states: jax.Array, relations: jax.Array) -> jax.Array:
    """Turn the complex numbers whose parts are halves of `states` by the relation's phases."""
    real, imaginary = jnp.split(states, 2, axis=-1)
    cosine, sine = jnp.split(relations, 2, axis=-1)
    scale = jax.lax.rsqrt(jnp.square(cosine) + jnp.square(sine) + 1e-12)
    cosine, sine = cosine * scale, sine * scale
    return jnp.concatenate(
        [real * cosine - imaginary * sine, real * sine + imaginary * cosine], axis=-1
    )


def _complex_one(width: int) -> jax.Array:
    return (jnp.arange(width) < width // 2).astype(jnp.float32)


ACTIVATIONS: dict[str, Callable[[jax.Array], jax.Array]] = {
    "identity": lambda x: x,
    "relu": jax.nn.relu,
    "tanh": jnp.tanh,
}
MESSAGES = {
    "sum": _Message(jnp.add, jnp.zeros),
    "product": _Message(jnp.multiply, jnp.ones),
    "rotation": _Message(_rotate, _complex_one),
}
AGGREGATIONS = ("sum", "mean", "max")
GATES = ("on", "off")
