"""The set encoder: from a user's rated items to his modulation parameters."""

from __future__ import annotations

import flax.linen as nn
import jax
import jax.numpy as jnp

from kapl_jax.modulation.layers import dense
from kapl_jax.modulation.operations import OPERATIONS


class SetEncoder(nn.Module):
    """Maps a support set to φ: a layer for each rated item, their mean, and a layer to φ.

    The order of the items does not matter. Of no item at all, the mean is zero, and φ is the same
    for everybody.

    Attributes:
        context_dim: Width of the layer for each item.
        widths: Values at each position that are modulated.
    """

    context_dim: int
    widths: tuple[int, ...]

    @nn.compact
    def __call__(self, pairs: jax.Array, mask: jax.Array) -> list[jax.Array]:
        """Return φ of each position.

        Args:
            pairs: float32[B, S, D], embeddings of item and user and the rating.
            mask: bool[B, S], which of them are there.

        Returns:
            For each position float32[4, B, width]: φ1 (max), φ2 (min), φ3 > 0 (scale), φ4 (shift);
            those of an empty context start at 0, 0, 1, 0.
        """
        encoded = nn.leaky_relu(dense(self.context_dim, name="item")(pairs))
        present = mask.astype(encoded.dtype)
        # A product, not a sum over a masked copy: nothing of the items' size is kept for backward.
        total = jnp.einsum("bs,bsd->bd", present, encoded)
        context = total / jnp.maximum(jnp.sum(present, axis=1, keepdims=True), 1.0)
        joined = dense(len(OPERATIONS) * sum(self.widths), name="phi")(context)
        phi = jnp.moveaxis(joined.reshape(*joined.shape[:-1], len(OPERATIONS), -1), -2, 0)
        # The order of the operations stands for all orders only if no factor is negative. The
        # published ReLU leaves factors at zero that no gradient moves any more.
        phi = phi.at[2].set(nn.softplus(phi[2]) / jnp.log(2.0))
        ends = [sum(self.widths[: place + 1]) for place in range(len(self.widths))]
        return jnp.split(phi, ends[:-1], axis=-1)
