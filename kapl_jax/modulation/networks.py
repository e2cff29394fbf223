"""Modulation by small networks, the larger space of ColdNAS+ (Wu et al., TPAMI 2026).

At each position the modulation is a function R^(1+4) -> R, the same for every coordinate: a small
network g(x, φ1..φ4) whose weights are the structure, found by search and fixed in training. So much
is known from the paper's abstract; sizes and parametrisation here are ours.
"""

from __future__ import annotations

import jax
import jax.numpy as jnp

from kapl_jax.modulation.operations import Modulate

INPUTS = ("x", "φ1", "φ2", "φ3 - 1", "φ4", "x (φ3 - 1)")
"""What a network sees: all are zero at first but x, see `encoder.SetEncoder`."""


def network_size(hidden: int) -> int:
    """Return the number of weights of a network with so many hidden units, H (I + 2) + I."""
    return hidden * (len(INPUTS) + 2) + len(INPUTS)


def network_modulate(weights: jax.Array, hidden: int) -> Modulate:
    """Return the modulation by networks.

    The function is `l · z + v · tanh(W z + b)` of the inputs z (see `INPUTS`): a linear part and
    a small network. With l = (1, 0, ...) and v = 0 it leaves x untouched, and with ones at φ4 and
    x (φ3 - 1) too it is FiLM.

    Args:
        weights: float32[C, H (I + 2) + I] with I = 6 inputs: l, then W row by row, b and v.
        hidden: H.
    """
    inputs = len(INPUTS)

    def apply(position: int, x: jax.Array, phi: jax.Array) -> jax.Array:
        linear, rest = jnp.split(weights[position], [inputs])
        matrix = rest[: hidden * inputs].reshape(hidden, inputs)
        bias, out = rest[hidden * inputs :].reshape(2, hidden)
        z = [x, phi[0], phi[1], phi[2] - 1.0, phi[3], x * (phi[2] - 1.0)]
        total = sum(linear[i] * z[i] for i in range(inputs))
        for unit in range(hidden):
            inner = sum(matrix[unit, i] * z[i] for i in range(inputs)) + bias[unit]
            total = total + out[unit] * jnp.tanh(inner)
        return jnp.asarray(total)

    return apply
