"""A trained reasoning model at work: scores and attention of queries over a graph."""

from __future__ import annotations

from functools import partial
from typing import Any

import jax
import jax.numpy as jnp
import numpy as np

from kapl_jax.explain.attention import AttentionTrace, LayerAttention
from kapl_jax.relational.choices import Choices, Offered, choices
from kapl_jax.relational.expansion import Expander
from kapl_jax.relational.frontier import Frontier, SizeLadder, pad
from kapl_jax.relational.frontier_layers import propagate
from kapl_jax.relational.graph import RelationalGraph
from kapl_jax.relational.layers import keep_all
from kapl_jax.relational.parameters import Parameters


class Reasoner:
    """Answers queries over a graph that may be another than it was trained on.

    Attributes:
        graph: Where messages travel.
    """

    def __init__(
        self, parameters: Parameters, structure: dict[str, Any], graph: RelationalGraph
    ) -> None:
        """Reason over `graph`.

        Args:
            parameters: Of `RelationalModel`.
            structure: What the model is made of, by name of the choice.
            graph: Where messages travel.
        """
        self.graph = graph
        offered = Offered(
            (structure["activation"],),
            (structure["message"],),
            (structure["aggregation"],),
            (structure["gate"],),
            (structure["attention_dim"],),
        )
        self._parameters = _narrowed(parameters, structure["attention_dim"])
        self._expander = Expander(graph, int(structure["num_layers"]))
        first = choices(jnp.zeros(len(offered.axes), jnp.int32))
        self._propagate = jax.jit(partial(_propagate, offered, first))

    def scores(self, heads: np.ndarray, relations: np.ndarray) -> np.ndarray:
        """Return the scores float32[B, N] of all entities for queries int[B], 0 out of reach."""
        frontier = self._frontier(heads, relations)
        scores, _ = self._propagate(self._parameters, frontier)
        real = np.asarray(frontier.queries) < len(heads)
        everything = np.zeros((len(heads), self.graph.num_entities), np.float32)
        queries, entities = (
            np.asarray(column)[real] for column in (frontier.queries, frontier.entities)
        )
        everything[queries, entities] = np.asarray(scores)[real]
        return everything

    def trace(self, head: int, relation: int) -> AttentionTrace:
        """Return the scores of one query and the attention of each layer."""
        frontier = self._frontier(np.array([head]), np.array([relation]))
        scores, weights = self._propagate(self._parameters, frontier)
        entities = np.asarray(frontier.entities)
        everything = np.zeros(self.graph.num_entities, np.float32)
        real = np.asarray(frontier.queries) == 0
        everything[entities[real]] = np.asarray(scores)[real]
        layers = tuple(
            _layer(frontier, np.asarray(alpha), int(count))
            for alpha, count in zip(weights, frontier.edge_counts, strict=True)
        )
        return AttentionTrace(head, relation, self.graph.num_relations, everything, layers)

    def _frontier(self, heads: np.ndarray, relations: np.ndarray) -> Frontier:
        expansion = self._expander.expand(heads)
        # Each expansion is its own measure: queries of people are few and unlike each other.
        sizes = SizeLadder([expansion]).sizes(expansion)
        return pad(expansion, sizes, relations, self.graph.num_entities)


def _propagate(
    offered: Offered, chosen: Choices, parameters: Parameters, frontier: Frontier
) -> tuple[jax.Array, list[jax.Array]]:
    return propagate(parameters, offered, chosen, frontier, keep_all)


def _layer(frontier: Frontier, alpha: np.ndarray, count: int) -> LayerAttention:
    """Return the first `count` edges, between entities, with their attention."""
    entities = np.asarray(frontier.entities)
    return LayerAttention(
        entities[frontier.sources[:count]],
        np.asarray(frontier.relations[:count]),
        entities[frontier.targets[:count]],
        alpha[:count],
    )


def _narrowed(parameters: Parameters, attention_dim: int) -> Parameters:
    """Return the parameters without the units of a wider attention that others had."""
    narrowed = {name: jnp.asarray(value) for name, value in parameters.items()}
    for name, value in narrowed.items():
        if name.startswith("attention_") and name != "attention_out_bias":
            narrowed[name] = value[..., :attention_dim]
    return narrowed
