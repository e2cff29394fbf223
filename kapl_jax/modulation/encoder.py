"""The set encoder: from a user's rated items to his modulation parameters."""

from __future__ import annotations

import flax.linen as nn
import jax
import jax.numpy as jnp

from kapl_jax.modulation.layers import JoinedDense, dense
from kapl_jax.modulation.layout import Layout
from kapl_jax.modulation.structures import OPERATIONS


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
    def __call__(
        self,
        items: jax.Array,
        users: jax.Array,
        ratings: jax.Array,
        mask: jax.Array,
        layout: Layout,
    ) -> list[jax.Array]:
        """Return φ of each position.

        Args:
            items: float32[R, D], embeddings of the rated items.
            users: float32[B, E], embeddings of the users.
            ratings: float32[R], in 0..1.
            mask: bool[R], which rows are rated items.
            layout: Which rows belong to whom.

        Returns:
            For each position float32[4, B, width]: φ1 (max), φ2 (min), φ3 > 0 (scale), φ4 (shift);
            those of an empty context start at 0, 0, 1, 0.
        """
        rated = jnp.concatenate([items, ratings[:, None]], axis=-1)
        encoded = nn.leaky_relu(JoinedDense(self.context_dim, name="item")(rated, users, layout))
        present = mask.astype(encoded.dtype)
        counts = layout.total(jnp.ones_like(present)[:, None], present)
        context = layout.total(encoded, present) / jnp.maximum(counts, 1.0)
        joined = dense(len(OPERATIONS) * sum(self.widths), name="phi")(context)
        phi = jnp.moveaxis(joined.reshape(*joined.shape[:-1], len(OPERATIONS), -1), -2, 0)
        # The order of the operations stands for all orders only if no factor is negative. The
        # published ReLU leaves factors at zero that no gradient moves any more.
        phi = phi.at[2].set(nn.softplus(phi[2]) / jnp.log(2.0))
        return list(jax.lax.split(phi, self.widths, axis=2))
