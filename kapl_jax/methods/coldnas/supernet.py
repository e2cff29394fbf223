"""ColdNAS's supernet: weights and the share of each operation are trained together."""

from __future__ import annotations

from typing import Any

import jax
import jax.numpy as jnp
import numpy as np

from kapl_jax.methods.coldnas.problem import ColdNASProblem
from kapl_jax.modulation.operations import Modulate, relaxed_modulate
from kapl_jax.modulation.structures import OPERATIONS


class SupernetProblem(ColdNASProblem):
    """A problem whose parameters hold α float32[C, 4]; an operation is present at σ(α).

    The candidate bool[C, 4] tells which operations may be present at all. α starts at zero, where
    each operation counts one half. Source: ColdNAS, section 4.
    """

    def modulation(self, parameters: Any, candidate: jax.Array) -> Modulate:
        """Return the relaxed modulation; that of α = 0 where there are no parameters yet."""
        alpha = parameters.get("alpha", jnp.zeros(candidate.shape))
        return relaxed_modulate(jax.nn.sigmoid(alpha) * candidate.astype(alpha.dtype))

    def init_parameters(self, key: jax.Array, candidate: jax.Array) -> dict[str, Any]:
        """Return the model's parameters and α before training."""
        alpha = jnp.zeros((self.options.positions, len(OPERATIONS)))
        return {**super().init_parameters(key, candidate), "alpha": alpha}


def discretisations(alpha: np.ndarray) -> np.ndarray:
    """Return the structures that keep the most important operations, from none to all.

    Args:
        alpha: float[..., C, 4]: of each trained supernet; importances are averaged over supernets.

    Returns:
        bool[C * 4 + 1, C, 4]: the k-th keeps the k operations with the largest σ(α).
    """
    importance = (1 / (1 + np.exp(-np.asarray(alpha, float)))).reshape(-1, *alpha.shape[-2:])
    mean = importance.mean(axis=0)
    ranks = np.argsort(np.argsort(-mean, axis=None, kind="stable"), kind="stable")
    counts = np.arange(mean.size + 1)
    return (ranks < counts[:, None]).reshape(-1, *mean.shape)
