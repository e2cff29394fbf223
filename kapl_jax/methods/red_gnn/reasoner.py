"""A trained reasoning model at work: scores and attention of queries over a graph."""

from __future__ import annotations

from collections.abc import Mapping
from functools import partial
from typing import Any, Protocol

import jax
import jax.numpy as jnp
import numpy as np

from kapl_jax.explain.attention import AttentionTrace, LayerAttention, traces_of
from kapl_jax.methods.red_gnn.adaprop_reasoner import AdaPropReasoner
from kapl_jax.methods.red_gnn.space import read_structure
from kapl_jax.relational.choices import Offered
from kapl_jax.relational.expansion import Expander
from kapl_jax.relational.frontier import Frontier, SizeLadder, Sizes, pad
from kapl_jax.relational.frontier_layers import propagate
from kapl_jax.relational.graph import RelationalGraph
from kapl_jax.relational.layer import Layer, keep_all
from kapl_jax.relational.parameters import Parameters
from kapl_jax.relational.searched_layer import only_layer
from kapl_jax.search.compiling import jit_in_full_precision


class Reasoner(Protocol):
    """Answers queries over a graph that may be another than it was trained on.

    Attributes:
        graph: Where messages travel.
    """

    graph: RelationalGraph

    def scores(self, heads: np.ndarray, relations: np.ndarray) -> tuple[np.ndarray, np.ndarray]:
        """Return the scores of all entities for queries int[B], and which are reached.

        Returns:
            float32[B, N], 0 out of reach, and bool[B, N].
        """
        ...

    def traces(self, heads: np.ndarray, relations: np.ndarray) -> list[AttentionTrace]:
        """Return of each query of a batch int[B] the scores and the attention of each layer."""
        ...


def make_reasoner(
    parameters: Parameters, description: Mapping[str, Any], graph: RelationalGraph
) -> Reasoner:
    """Return the model as it was trained, over `graph`.

    Args:
        parameters: Of `RelationalModel`.
        description: What was kept beside them: `structure`, by name of the choice, `top_k` and
            `most_edges`.
        graph: Where messages travel.

    Raises:
        LookupError: The description lacks something.
        ValueError: It says what this version does not know.
    """
    structure: Mapping[str, Any] = read_structure(description)
    offered = Offered(
        (structure["activation"],),
        (structure["message"],),
        (structure["aggregation"],),
        (structure["gate"],),
        (structure["attention_dim"],),
    )
    parameters = _narrowed(parameters, structure["attention_dim"])
    num_layers = int(structure["num_layers"])
    if description["top_k"]:
        limits = (int(description["top_k"]), int(description["most_edges"]))
        return AdaPropReasoner(parameters, offered, num_layers, limits, graph)
    return FrontierReasoner(parameters, offered, num_layers, graph)


class FrontierReasoner:
    """A `Reasoner` over all that queries reach."""

    def __init__(
        self, parameters: Parameters, offered: Offered, num_layers: int, graph: RelationalGraph
    ) -> None:
        """Reason over `graph`.

        Args:
            parameters: Of `RelationalModel`.
            offered: The alternatives the model is made of, one each.
            num_layers: L.
            graph: Where messages travel.
        """
        self.graph = graph
        self._parameters = parameters
        self._expander = Expander(graph, num_layers)
        self._propagate = jit_in_full_precision(partial(_propagate, only_layer(offered)))

    def scores(self, heads: np.ndarray, relations: np.ndarray) -> tuple[np.ndarray, np.ndarray]:
        """Return the scores of all entities for queries int[B], and which are reached.

        Returns:
            float32[B, N], 0 out of reach, and bool[B, N].
        """
        frontier = self._frontier(heads, relations)
        scores, _ = self._propagate(self._parameters, frontier)
        size = (len(heads), self.graph.num_entities)
        everything = _of_entities(frontier, np.asarray(scores), *size)
        return everything, _of_entities(frontier, np.ones(len(scores), bool), *size)

    def traces(self, heads: np.ndarray, relations: np.ndarray) -> list[AttentionTrace]:
        """Return of each query of a batch int[B] the scores and the attention of each layer."""
        frontier = self._frontier(heads, relations)
        scores, weights = self._propagate(self._parameters, frontier)
        everything = _of_entities(frontier, np.asarray(scores), len(heads), self.graph.num_entities)
        layers = [
            _by_query(frontier, np.asarray(alpha), int(count), len(heads))
            for alpha, count in zip(weights, frontier.edge_counts, strict=True)
        ]
        return traces_of(heads, relations, self.graph.num_relations, everything, layers)

    def _frontier(self, heads: np.ndarray, relations: np.ndarray) -> Frontier:
        expansion = self._expander.expand(heads)
        sizes = _powers_of_two(SizeLadder([expansion]).rung(0))
        return pad(expansion, sizes, relations, self.graph.num_entities)


def _powers_of_two(sizes: Sizes) -> Sizes:
    """Return sizes of which there are few: queries that people ask are unlike each other."""

    def larger(counts: tuple[int, ...]) -> tuple[int, ...]:
        return tuple(1 << (count - 1).bit_length() for count in counts)

    return Sizes((sizes.rows[0], *larger(sizes.rows[1:])), larger(sizes.edges))


def _of_entities(
    frontier: Frontier, values: np.ndarray, num_queries: int, num_entities: int
) -> np.ndarray:
    """Return the values of rows as those of entities, [B, N], 0 out of reach."""
    real = np.asarray(frontier.queries) < num_queries
    everything = np.zeros((num_queries, num_entities), values.dtype)
    queries, entities = (
        np.asarray(column)[real] for column in (frontier.queries, frontier.entities)
    )
    everything[queries, entities] = values[real]
    return everything


def _propagate(
    layer: Layer, parameters: Parameters, frontier: Frontier
) -> tuple[jax.Array, list[jax.Array]]:
    return propagate(layer, parameters, frontier, keep_all)


def _by_query(
    frontier: Frontier, alpha: np.ndarray, count: int, num_queries: int
) -> list[LayerAttention]:
    """Return the first `count` edges of a layer, between entities, apart for each query."""
    entities, queries = np.asarray(frontier.entities), np.asarray(frontier.queries)
    sources = np.asarray(frontier.sources[:count])
    order = np.argsort(queries[sources], kind="stable")
    whole = LayerAttention(
        entities[sources],
        np.asarray(frontier.relations[:count]),
        entities[frontier.targets[:count]],
        alpha[:count],
    ).take(order)
    ends = np.searchsorted(queries[sources][order], np.arange(num_queries + 1))
    return [whole.take(np.arange(*ends[query : query + 2])) for query in range(num_queries)]


def _narrowed(parameters: Parameters, attention_dim: int) -> Parameters:
    """Return the parameters without the units of a wider attention that others had."""
    narrowed = {name: jnp.asarray(value) for name, value in parameters.items()}
    for name, value in narrowed.items():
        if name.startswith("attention_") and name != "attention_out_bias":
            narrowed[name] = value[..., :attention_dim]
    return narrowed
