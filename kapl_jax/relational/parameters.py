"""The parameters of a relational message-passing model and how they begin."""

from __future__ import annotations

import flax.linen as nn
import jax
import jax.numpy as jnp

from kapl_jax.relational.choices import Offered

Parameters = dict[str, jax.Array]
_SHARED = ("gate_", "score", "query")


class RelationalModel(nn.Module):
    """Declares the parameters of L layers, each array with the layers first.

    All weights begin uniform in ±1/sqrt(inputs), embeddings standard normal, as in the published
    program.

    Attributes:
        num_relations: R, of the data; the layers know 2R + 1.
        num_layers: L.
        hidden_dim: D.
        offered: The alternatives that layers are made of; A is the widest attention.
        samples: Whether a query chooses the nodes it keeps (AdaProp).
    """

    num_relations: int
    num_layers: int
    hidden_dim: int
    offered: Offered
    samples: bool = False

    @nn.compact
    def __call__(self) -> Parameters:
        """Return the parameters by name.

        `relation` [L, 2R+1, D]; where there is attention `attention_source`, `attention_relation`,
        `attention_query` [L, D, A], `attention_bias`, `attention_out` [L, A] and
        `attention_out_bias` [L]; `message` [L, D, D]; `gate_input`, `gate_hidden` [D, 3D] and
        `gate_input_bias`, `gate_hidden_bias` [3D], in the order reset, update, new; `score` [D];
        with AdaProp `sampling` [L, D]; then what only some alternatives have, see
        `_of_alternatives`.
        """
        layers, hidden, uniform = self.num_layers, self.hidden_dim, self._uniform
        declared = {
            "relation": self._normal("relation", (layers, 2 * self.num_relations + 1, hidden)),
            **self._of_attention(max(self.offered.attention_dims)),
            "message": uniform("message", (layers, hidden, hidden), hidden),
            "gate_input": uniform("gate_input", (hidden, 3 * hidden), hidden),
            "gate_hidden": uniform("gate_hidden", (hidden, 3 * hidden), hidden),
            "gate_input_bias": uniform("gate_input_bias", (3 * hidden,), hidden),
            "gate_hidden_bias": uniform("gate_hidden_bias", (3 * hidden,), hidden),
            "score": uniform("score", (hidden,), hidden),
        }
        if self.samples:
            declared["sampling"] = uniform("sampling", (layers, hidden), hidden)
        # These come last: how a parameter begins depends on how many are declared before it.
        return declared | self._of_alternatives()

    def _of_attention(self, width: int) -> Parameters:
        if not width:
            return {}
        layers, hidden = self.num_layers, self.hidden_dim
        shapes = {
            "attention_source": (layers, hidden, width),
            "attention_relation": (layers, hidden, width),
            "attention_query": (layers, hidden, width),
            "attention_bias": (layers, width),
        }
        return {
            **{name: self._uniform(name, shape, hidden) for name, shape in shapes.items()},
            "attention_out": self._uniform("attention_out", (layers, width), width),
            "attention_out_bias": self._uniform("attention_out_bias", (layers,), width),
        }

    def _of_alternatives(self) -> Parameters:
        """Return what some messages, aggregations and gates have beside what all have.

        `query` [2R+1, D], of the queries' relations; `relation_of_query` [L, 2R+1, D, D]; `pna`
        [L, 12D, D]; `concat_state` [L, D, D], `concat_bias`, `norm_scale`, `norm_bias` [L, D].
        """
        layers, hidden, offered = self.num_layers, self.hidden_dim, self.offered
        relations, of_each = 2 * self.num_relations + 1, (layers, hidden)
        declared: Parameters = {}
        if {"query_product", "conditioned_product"} & {*offered.messages}:
            declared["query"] = self._normal("query", (relations, hidden))
        if "conditioned_product" in offered.messages:
            declared["relation_of_query"] = self._uniform(
                "relation_of_query", (layers, relations, hidden, hidden), hidden
            )
        if "pna" in offered.aggregations:
            declared["pna"] = self._uniform("pna", (layers, 12 * hidden, hidden), 12 * hidden)
        if "concat" in offered.gates:
            declared |= {
                "concat_state": self._uniform("concat_state", (layers, hidden, hidden), hidden),
                "concat_bias": self._uniform("concat_bias", of_each, hidden),
                "norm_scale": jnp.asarray(self.param("norm_scale", nn.initializers.ones, of_each)),
                "norm_bias": jnp.asarray(self.param("norm_bias", nn.initializers.zeros, of_each)),
            }
        return declared

    def _normal(self, name: str, shape: tuple[int, ...]) -> jax.Array:
        return jnp.asarray(self.param(name, nn.initializers.normal(1.0), shape))

    def _uniform(self, name: str, shape: tuple[int, ...], inputs: int) -> jax.Array:
        limit = inputs**-0.5

        def initial(key: jax.Array, shape: tuple[int, ...]) -> jax.Array:
            return jax.random.uniform(key, shape, minval=-limit, maxval=limit)

        return jnp.asarray(self.param(name, initial, shape))


def layers_of(parameters: Parameters) -> list[Parameters]:
    """Return the parameters of each layer; what all layers share is in each as it is."""
    shared = {name: value for name, value in parameters.items() if name.startswith(_SHARED)}
    stacked = {name: value for name, value in parameters.items() if name not in shared}
    num_layers = len(next(iter(stacked.values())))
    return [
        {**shared, **{name: value[layer] for name, value in stacked.items()}}
        for layer in range(num_layers)
    ]
