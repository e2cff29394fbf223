"""The modulation operations, a structure's modulation of a layer, and its continuous relaxation.

"ColdNAS: Search to Modulate for User Cold-Start Recommendation" (Wu et al., WWW 2023) proves that
any sequence of maxima, minima, products and sums with a task's parameters φ equals one of length
four in a fixed order: `min(max(x, φ1), φ2) · φ3 + φ4` with φ3 >= 0, each step present or not.
"""

from __future__ import annotations

from collections.abc import Callable

import jax
import jax.numpy as jnp

Modulate = Callable[[int, jax.Array, jax.Array], jax.Array]
"""`(position, x [..., d], phi [4, ..., d]) -> [..., d]`: how a layer's values are modulated."""

# With these parameters an operation changes nothing.
_NEUTRAL = (-jnp.inf, jnp.inf, 1.0, 0.0)
# Keeps the division by a 1-norm finite where all values are zero.
_SMALLEST_NORM = 1e-12


def modulate(structure: jax.Array) -> Modulate:
    """Return the modulation of a structure.

    Args:
        structure: bool[C, 4], which operations are applied at each position.

    Returns:
        A function that leaves x untouched where no operation is present.
    """

    def apply(position: int, x: jax.Array, phi: jax.Array) -> jax.Array:
        # The parameters of absent operations are replaced, not the values: these are far more.
        present = structure[position].reshape(-1, *[1] * (phi.ndim - 1))
        neutral = jnp.array(_NEUTRAL, phi.dtype).reshape(present.shape)
        effective = jnp.where(present, phi, neutral)
        for index, function in enumerate(_FUNCTIONS):
            x = function(x, effective[index])
        return x

    return apply


def relaxed_modulate(gates: jax.Array) -> Modulate:
    """Return the modulation of a relaxed structure, in which operations are present in part.

    Each step blends the operation with the identity: their directions, normalised to a 1-norm of
    one so that no operation gains weight by the size of its values, are averaged with the gate's
    weight, and so are their norms. At gates of 0 and 1 this is `modulate` exactly; the published
    supernet leaves the values normalised instead and blends with the input of the first operation,
    and has no such limit.

    Args:
        gates: float32[C, 4], in 0..1; σ(α) of the architecture's parameters α.
    """

    def apply(position: int, x: jax.Array, phi: jax.Array) -> jax.Array:
        for index, function in enumerate(_FUNCTIONS):
            x = _blend(gates[position, index], function(x, phi[index]), x)
        return x

    return apply


def _blend(gate: jax.Array, new: jax.Array, old: jax.Array) -> jax.Array:
    new_norm, old_norm = _norm(new), _norm(old)
    direction = gate * new / new_norm + (1 - gate) * old / old_norm
    return direction * (gate * new_norm + (1 - gate) * old_norm)


def _norm(x: jax.Array) -> jax.Array:
    return jnp.maximum(jnp.sum(jnp.abs(x), axis=-1, keepdims=True), _SMALLEST_NORM)


def _larger(x: jax.Array, bound: jax.Array) -> jax.Array:
    # Not `jnp.maximum`, whose derivative halves where both are equal and takes twice the time.
    return jnp.where(x > bound, x, bound)


def _smaller(x: jax.Array, bound: jax.Array) -> jax.Array:
    return jnp.where(x < bound, x, bound)


_FUNCTIONS: tuple[Callable[[jax.Array, jax.Array], jax.Array], ...] = (
    _larger,
    _smaller,
    jnp.multiply,
    jnp.add,
)
