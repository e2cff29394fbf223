"""The set encoder: from the support set of a task to its modulation parameters."""

from __future__ import annotations

import flax.linen as nn
import jax
import jax.numpy as jnp

from kapl_jax.modulation.layers import JoinedDense, dense
from kapl_jax.modulation.layout import Layout
from kapl_jax.modulation.structures import OPERATIONS


class SetEncoder(nn.Module):
    """Maps a support set to φ: a layer on each example, their mean, and a layer to φ.

    The order of the examples does not matter. Of no example at all, the mean is zero, and φ is the
    same for all tasks.

    Attributes:
        context_dim: Width of the layer on each example.
        widths: Values at each position that are modulated.
    """

    context_dim: int
    widths: tuple[int, ...]

    @nn.compact
    def __call__(
        self,
        examples: jax.Array,
        tasks: jax.Array,
        labels: jax.Array,
        mask: jax.Array,
        layout: Layout,
    ) -> list[jax.Array]:
        """Return φ of each position.

        Args:
            examples: float32[R, D], embeddings of the support examples.
            tasks: float32[T, E], embeddings of what is known of the tasks themselves.
            labels: float32[R, L], of the support examples.
            mask: bool[R], which rows are examples.
            layout: Which rows belong to which task.

        Returns:
            For each position float32[4, T, width]: φ1 (max), φ2 (min), φ3 > 0 (scale), φ4 (shift);
            those of an empty support set start at 0, 0, 1, 0.
        """
        labelled = jnp.concatenate([examples, labels], axis=-1)
        # Initial values are drawn by the names of layers, and kept models hold them: they stay.
        encoded = nn.leaky_relu(JoinedDense(self.context_dim, name="item")(labelled, tasks, layout))
        present = mask.astype(encoded.dtype)
        counts = layout.total(jnp.ones_like(present)[:, None], present)
        context = layout.total(encoded, present) / jnp.maximum(counts, 1.0)
        joined = dense(len(OPERATIONS) * sum(self.widths), name="phi")(context)
        phi = jnp.moveaxis(joined.reshape(*joined.shape[:-1], len(OPERATIONS), -1), -2, 0)
        # The order of the operations stands for all orders only if no factor is negative. The
        # published ReLU leaves factors at zero that no gradient moves any more.
        phi = phi.at[2].set(nn.softplus(phi[2]) / jnp.log(2.0))
        return list(jax.lax.split(phi, self.widths, axis=2))
