"""Dense layers that start as in the published programs."""

from __future__ import annotations

from typing import Any

import flax.linen as nn


def dense(features: int, bias_init: Any = nn.initializers.zeros, name: str | None = None) -> Any:
    """Return a dense layer whose weights start uniform in ±1/sqrt(inputs), PyTorch's default."""
    kernel_init = nn.initializers.variance_scaling(1 / 3, "fan_in", "uniform")
    return nn.Dense(features, kernel_init=kernel_init, bias_init=bias_init, name=name)
