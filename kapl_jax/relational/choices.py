"""What a layer may be made of, as data: activations, messages, aggregations, gate, attention width.

A program is compiled for what is *offered*; a structure chooses among it by its index there. Where
only one thing is offered, nothing else is computed. `searched_layer` makes the layer.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass

import flax.struct
import jax
import jax.numpy as jnp


@dataclass(frozen=True)
class Offered:
    """The alternatives that a program knows, by name.

    Attributes:
        activations: Of "identity", "relu", "tanh": δ, after a layer's linear map.
        messages: Of "sum", "product", "rotation", "query_product", "conditioned_product": how a
            state meets a relation's embedding.
        aggregations: Of "sum", "mean", "max", "pna": what becomes of the messages to a node.
        gates: Of "on", "off", "concat": how the new state joins the old one.
        attention_dims: Widths of the attention, 0 for none; the parameters have the largest.
    """

    activations: tuple[str, ...] = ("relu",)
    messages: tuple[str, ...] = ("sum",)
    aggregations: tuple[str, ...] = ("sum",)
    gates: tuple[str, ...] = ("on",)
    attention_dims: tuple[int, ...] = (5,)

    @property
    def axes(self) -> tuple[tuple[str | int, ...], ...]:
        """The alternatives in the order in which a structure chooses."""
        return (
            self.activations, self.messages, self.aggregations, self.gates, self.attention_dims
        )  # fmt: skip


@flax.struct.dataclass
class Choices:
    """One structure's choices: int32[] each, indices in `Offered`."""

    activation: jax.Array
    message: jax.Array
    aggregation: jax.Array
    gate: jax.Array
    attention_dim: jax.Array


def choices(structure: jax.Array) -> Choices:
    """Return the choices of a structure int[>= 5], in the order of `Offered.axes`."""
    return Choices(*(structure[index] for index in range(5)))


def choose(index: jax.Array, values: Sequence[jax.Array]) -> jax.Array:
    """Return the value at a traced index; all values have one shape."""
    chosen = values[0]
    for number, value in enumerate(values[1:], start=1):
        chosen = jnp.where(index == number, value, chosen)
    return chosen


def attention_mask(offered: Offered, chosen: Choices) -> jax.Array:
    """Return which of the widest attention's units the structure has, bool[A]."""
    widths = jnp.array(offered.attention_dims)
    return jnp.arange(max(offered.attention_dims)) < widths[chosen.attention_dim]
