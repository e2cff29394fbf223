"""Layers on the rows of many tasks: joined with what belongs to their task, and modulated."""

from __future__ import annotations

from typing import Any

import flax.linen as nn
import jax
import jax.numpy as jnp

from kapl_jax.modulation.layout import Layout
from kapl_jax.modulation.operations import Modulate

# Uniform in ±1/sqrt(inputs), PyTorch's default, as the published programs start.
_KERNEL_INIT = nn.initializers.variance_scaling(1 / 3, "fan_in", "uniform")


def dense(features: int, name: str | None = None) -> Any:
    """Return a dense layer whose weights start uniform in ±1/sqrt(inputs)."""
    return nn.Dense(features, kernel_init=_KERNEL_INIT, name=name)


class JoinedDense(nn.Module):
    """A dense layer on rows joined with what belongs to their task.

    The part of the task is multiplied once per task, not once per row.

    Attributes:
        features: Outputs.
    """

    features: int

    @nn.compact
    def __call__(self, rows: jax.Array, tasks: jax.Array, layout: Layout) -> jax.Array:
        """Return the layer's values.

        Args:
            rows: float32[R, D].
            tasks: float32[T, E].
            layout: Which rows belong to which task.

        Returns:
            float32[R, features].
        """
        width = rows.shape[-1]
        shape = (width + tasks.shape[-1], self.features)
        kernel = self.param("kernel", _KERNEL_INIT, shape)
        bias = self.param("bias", nn.initializers.zeros, (self.features,))
        of_tasks = tasks @ kernel[width:] + bias[None]
        return jnp.asarray(rows @ kernel[:width] + layout.spread(of_tasks))


def modulate_rows(
    modulate: Modulate, position: int, rows: jax.Array, phi: jax.Array, layout: Layout
) -> jax.Array:
    """Return rows modulated by the parameters of their task.

    Args:
        modulate: How layers are modulated.
        position: Which of the modulated layers this is.
        rows: float32[R, d], the layer's values.
        phi: float32[4, T, d], the tasks' modulation parameters at this position.
        layout: Which rows belong to which task.

    Returns:
        float32[R, d].
    """
    of_tasks = layout.split_tasks(phi, axis=1)
    parts = zip(layout.split_rows(rows), of_tasks, strict=True)
    return layout.join_rows([modulate(position, values, own[:, :, None]) for values, own in parts])
