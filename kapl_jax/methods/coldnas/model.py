"""The modulated predictor: a multilayer perceptron that a user's support set adapts."""

from __future__ import annotations

from collections.abc import Sequence

import flax.linen as nn
import jax
import jax.numpy as jnp

from kapl_jax.episodes.tasks import ExampleRows
from kapl_jax.methods.coldnas.embeddings import FieldEmbeddings
from kapl_jax.modulation.encoder import SetEncoder
from kapl_jax.modulation.layers import dense, modulate_rows
from kapl_jax.modulation.operations import Modulate


class ModulatedPredictor(nn.Module):
    """ColdNAS's model: embeddings, a set encoder, and a perceptron with modulated layers.

    Modulation acts at C = hidden layers + 1 positions: on the joined embeddings of user and item,
    and on the output of each hidden layer before its activation.

    Attributes:
        item_sizes: Rows of the table of each field of the items.
        user_sizes: The same of the users.
        embedding_dim: d, of each field.
        context_dim: Width of the set encoder.
        hidden_units: Width of each hidden layer.
    """

    item_sizes: tuple[int, ...]
    user_sizes: tuple[int, ...]
    embedding_dim: int = 32
    context_dim: int = 256
    hidden_units: tuple[int, ...] = (128, 64, 32)

    @property
    def widths(self) -> tuple[int, ...]:
        """Values that are modulated at each position."""
        fields = len(self.item_sizes) + len(self.user_sizes)
        return (fields * self.embedding_dim, *self.hidden_units)

    def setup(self) -> None:
        """Make the layers."""
        self.items = FieldEmbeddings(self.item_sizes, self.embedding_dim)
        self.users = FieldEmbeddings(self.user_sizes, self.embedding_dim)
        self.encoder = SetEncoder(self.context_dim, self.widths)
        self.hidden = [dense(width) for width in self.hidden_units]
        self.out = dense(1)

    def __call__(
        self,
        modulate: Modulate,
        users: Sequence[jax.Array],
        support: ExampleRows,
        query: ExampleRows,
    ) -> jax.Array:
        """Predict ratings.

        Args:
            modulate: How layers are modulated.
            users: For each field of the users int32[B, W].
            support: The rated items; features are int32[R, W] for each of their fields, labels are
                ratings between 0 and 1 (scaled to the range of the data).
            query: The items to predict, likewise; their ratings are not looked at.

        Returns:
            float32[R] for the rows of `query`, between 0 and 1.
        """
        embedded = self.users(users)
        return self.predict(modulate, self.phi(embedded, support), embedded, query)

    def user_phi(self, users: Sequence[jax.Array], support: ExampleRows) -> list[jax.Array]:
        """Return the modulation parameters of users: for each position float32[4, B, width]."""
        return self.phi(self.users(users), support)

    def phi(self, embedded: jax.Array, support: ExampleRows) -> list[jax.Array]:
        """Return the modulation parameters of embedded users float32[B, D]."""
        items, ratings = self.items(support.features), support.labels[:, None]
        return list(self.encoder(items, embedded, ratings, support.mask, support.layout))

    def predict(
        self, modulate: Modulate, phi: Sequence[jax.Array], embedded: jax.Array, query: ExampleRows
    ) -> jax.Array:
        """Predict the ratings of `query` for embedded users with given parameters φ."""
        layout = query.layout

        def modulated(position: int, x: jax.Array) -> jax.Array:
            return modulate_rows(modulate, position, x, phi[position], layout)

        x = jnp.concatenate([self.items(query.features), layout.spread(embedded)], axis=-1)
        x = modulated(0, x)
        for index, layer in enumerate(self.hidden, start=1):
            x = modulated(index, layer(nn.leaky_relu(x)))
        return nn.sigmoid(self.out(nn.leaky_relu(x))[:, 0])
