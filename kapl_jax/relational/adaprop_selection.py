"""Choosing which of the nodes reached anew a query keeps, with a gradient straight through.

"AdaProp" (Zhang et al., KDD 2023), section 4.2. Of the new nodes, whose logits are g, the top k by
g + Gumbel noise are kept; their states are multiplied by 1 - p + p, where only the last p =
softmax(g / τ) has a gradient.

The published program differs: there p has the noise of the choice in it, and a query that keeps all
its new nodes gets a gradient of the choice, too, although there is none to make.
"""

from __future__ import annotations

import flax.struct
import jax
import jax.numpy as jnp


@flax.struct.dataclass
class Selection:
    """The rows that queries have after a step: those before, then the new ones, then padding.

    Attributes:
        positions: int32[B, K], the position of each row among those of the step.
        present: bool[B, K], false for padding.
        weights: float32[B, K], all 1, with the gradient of the choice.
        counts: int32[B], how many rows are present.
    """

    positions: jax.Array
    present: jax.Array
    weights: jax.Array
    counts: jax.Array


def select(
    logits: jax.Array,
    new: jax.Array,
    counts: jax.Array,
    sizes: tuple[int, int],
    noise: jax.Array | None,
    temperature: jax.Array | float,
) -> Selection:
    """Select new nodes.

    Args:
        logits: float32[B, M], g of each position.
        new: bool[B, M], which positions stand for new nodes.
        counts: int32[B], how many rows a query has; they are its first positions.
        sizes: How many new nodes are kept at most, and K, how many rows there are then.
        noise: float32[B, M], Gumbel noise, or None.
        temperature: τ.
    """
    top_k, size = sizes
    available = jnp.sum(new, axis=1, dtype=jnp.int32)
    perturbed = jax.lax.stop_gradient(logits) + (0.0 if noise is None else noise)
    # Logits that overflow still are before positions that are not new.
    perturbed = jnp.maximum(perturbed, jnp.finfo(logits.dtype).min)
    best = jax.lax.top_k(jnp.where(new, perturbed, -jnp.inf), top_k)[1]
    number = jnp.arange(size, dtype=jnp.int32)[None]
    order = number - counts[:, None]
    added = jnp.take_along_axis(best, jnp.clip(order, 0, top_k - 1), axis=1)
    positions = jnp.where(order < 0, number, added)
    counts = counts + jnp.minimum(available, top_k)
    probability = jnp.take_along_axis(_probabilities(logits / temperature, new), positions, axis=1)
    through = 1.0 + (probability - jax.lax.stop_gradient(probability))
    chooses = (order >= 0) & (available > top_k)[:, None]
    return Selection(
        positions, number < counts[:, None], jnp.where(chooses, through, 1.0), counts
    )  # fmt: skip


def _probabilities(logits: jax.Array, new: jax.Array) -> jax.Array:
    # Not -inf: where nothing is new, that would not be a number.
    return jax.nn.softmax(jnp.where(new, logits, jnp.finfo(logits.dtype).min), axis=1)
