"""The parameters of a relational message-passing model and how they begin."""

from __future__ import annotations

import flax.linen as nn
import jax
import jax.numpy as jnp

Parameters = dict[str, jax.Array]


class RelationalModel(nn.Module):
    """Declares the parameters of L layers, each array with the layers first.

    All weights begin uniform in ±1/sqrt(inputs), relations standard normal, as in the published
    program.

    Attributes:
        num_relations: R, of the data; the layers know 2R + 1.
        num_layers: L.
        hidden_dim: D.
        attention_dim: A.
        samples: Whether a query chooses the nodes it keeps (AdaProp).
    """

    num_relations: int
    num_layers: int
    hidden_dim: int
    attention_dim: int
    samples: bool = False

    @nn.compact
    def __call__(self) -> Parameters:
        """Return the parameters by name.

        `relation` [L, 2R+1, D]; `attention_source`, `attention_relation`, `attention_query`
        [L, D, A], `attention_bias`, `attention_out` [L, A], `attention_out_bias` [L]; `message`
        [L, D, D]; `gate_input`, `gate_hidden` [D, 3D] and `gate_input_bias`, `gate_hidden_bias`
        [3D], in the order reset, update, new; `score` [D]; where nodes are chosen `sampling`
        [L, D].
        """
        layers, hidden, attention = self.num_layers, self.hidden_dim, self.attention_dim
        relations = 2 * self.num_relations + 1
        normal = nn.initializers.normal(1.0)
        to_attention = (layers, hidden, attention)
        uniform = self._uniform
        declared = {
            "relation": self.param("relation", normal, (layers, relations, hidden)),
            "attention_source": uniform("attention_source", to_attention, hidden),
            "attention_relation": uniform("attention_relation", to_attention, hidden),
            "attention_query": uniform("attention_query", to_attention, hidden),
            "attention_bias": uniform("attention_bias", (layers, attention), hidden),
            "attention_out": uniform("attention_out", (layers, attention), attention),
            "attention_out_bias": uniform("attention_out_bias", (layers,), attention),
            "message": uniform("message", (layers, hidden, hidden), hidden),
            "gate_input": uniform("gate_input", (hidden, 3 * hidden), hidden),
            "gate_hidden": uniform("gate_hidden", (hidden, 3 * hidden), hidden),
            "gate_input_bias": uniform("gate_input_bias", (3 * hidden,), hidden),
            "gate_hidden_bias": uniform("gate_hidden_bias", (3 * hidden,), hidden),
            "score": uniform("score", (hidden,), hidden),
        }
        if self.samples:
            declared["sampling"] = uniform("sampling", (layers, hidden), hidden)
        return declared

    def _uniform(self, name: str, shape: tuple[int, ...], inputs: int) -> jax.Array:
        limit = inputs**-0.5

        def initial(key: jax.Array, shape: tuple[int, ...]) -> jax.Array:
            return jax.random.uniform(key, shape, minval=-limit, maxval=limit)

        return jnp.asarray(self.param(name, initial, shape))


def layer_of(parameters: Parameters, layer: int) -> Parameters:
    """Return the parameters of one layer; what all layers share is in it as it is."""
    shared = ("gate_", "score")
    return {
        name: value if name.startswith(shared) else value[layer]
        for name, value in parameters.items()
    }
