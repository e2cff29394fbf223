"""Dense layers that start as in the published programs."""

from __future__ import annotations

from typing import Any

import flax.linen as nn
import jax
import jax.numpy as jnp

from kapl_jax.modulation.layout import Layout

# Uniform in ±1/sqrt(inputs), PyTorch's default.
_KERNEL_INIT = nn.initializers.variance_scaling(1 / 3, "fan_in", "uniform")


def dense(features: int, name: str | None = None) -> Any:
    """Return a dense layer whose weights start uniform in ±1/sqrt(inputs)."""
    return nn.Dense(features, kernel_init=_KERNEL_INIT, name=name)


class JoinedDense(nn.Module):
    """A dense layer on rows joined with what belongs to their user.

    The part of the user is multiplied once a user, not once a row.

    Attributes:
        features: Outputs.
    """

    features: int

    @nn.compact
    def __call__(self, rows: jax.Array, users: jax.Array, layout: Layout) -> jax.Array:
        """Return the layer's values.

        Args:
            rows: float32[R, D].
            users: float32[B, E].
            layout: Which rows belong to whom.

        Returns:
            float32[R, features].
        """
        width = rows.shape[-1]
        shape = (width + users.shape[-1], self.features)
        kernel = self.param("kernel", _KERNEL_INIT, shape)
        bias = self.param("bias", nn.initializers.zeros, (self.features,))
        of_users = users @ kernel[width:] + bias
        return jnp.asarray(rows @ kernel[:width] + layout.spread(of_users))
