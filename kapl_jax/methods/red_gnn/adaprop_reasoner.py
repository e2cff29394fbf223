"""A trained AdaProp model at work: scores and attention over the nodes that queries keep."""

from __future__ import annotations

from functools import partial

import jax.numpy as jnp
import numpy as np

from kapl_jax.explain.attention import AttentionTrace, LayerAttention, traces_of
from kapl_jax.relational.adaprop import AdaPropGraph, adaprop_graph, limits_for
from kapl_jax.relational.adaprop_expansion import Step
from kapl_jax.relational.adaprop_layers import Reached, propagate
from kapl_jax.relational.choices import Offered
from kapl_jax.relational.graph import RelationalGraph
from kapl_jax.relational.layer import keep_all
from kapl_jax.relational.parameters import Parameters
from kapl_jax.relational.searched_layer import only_layer
from kapl_jax.search.compiling import jit_in_full_precision


class AdaPropReasoner:
    """Answers queries over a graph, as `Reasoner` does, keeping the nodes that training kept.

    Attributes:
        graph: Where messages travel.
    """

    def __init__(
        self,
        parameters: Parameters,
        offered: Offered,
        num_layers: int,
        limits: tuple[int, int],
        graph: RelationalGraph,
    ) -> None:
        """Reason over `graph`.

        Args:
            parameters: Of `RelationalModel`, with `sampling`.
            offered: The alternatives the model is made of, one each.
            num_layers: L.
            limits: Nodes that a query adds in a layer, and edges of a query in a layer, at most.
            graph: Where messages travel.
        """
        self.graph = graph
        self._parameters = parameters
        self._on_device: AdaPropGraph = adaprop_graph(graph)
        self._propagate = jit_in_full_precision(
            partial(
                propagate,
                only_layer(offered),
                limits=limits_for(graph, num_layers, *limits),
                drop=keep_all,
            )
        )

    def scores(self, heads: np.ndarray, relations: np.ndarray) -> tuple[np.ndarray, np.ndarray]:
        """Return the scores float32[B, N] of all entities, 0 if not kept, and which are kept."""
        return self._of_entities(self._reached(heads, relations))

    def traces(self, heads: np.ndarray, relations: np.ndarray) -> list[AttentionTrace]:
        """Return of each query of a batch int[B] the scores and the attention of each layer."""
        reached = self._reached(heads, relations)
        scores, kept = self._of_entities(reached)
        layers = [
            _by_query(step, np.asarray(alpha), self.graph.num_entities)
            for step, alpha in zip(reached.steps, reached.attention, strict=True)
        ]
        # Of the last layer's edges those count whose ends are kept: no other end has a score.
        layers[-1] = [
            layer.take(kept[query][layer.targets]) for query, layer in enumerate(layers[-1])
        ]
        return traces_of(heads, relations, self.graph.num_relations, scores, layers)

    def _reached(self, heads: np.ndarray, relations: np.ndarray) -> Reached:
        found: Reached = self._propagate(
            self._parameters,
            graph=self._on_device,
            heads=jnp.asarray(heads, jnp.int32),
            query=jnp.asarray(relations, jnp.int32),
        )
        return found

    def _of_entities(self, reached: Reached) -> tuple[np.ndarray, np.ndarray]:
        entities, scores = np.asarray(reached.entities), np.asarray(reached.scores)
        everything = np.zeros((len(scores), self.graph.num_entities + 1), np.float32)
        kept = np.zeros(everything.shape, bool)
        np.put_along_axis(everything, entities, scores, axis=1)
        np.put_along_axis(kept, entities, True, axis=1)
        return everything[:, :-1], kept[:, :-1]


def _by_query(step: Step, alpha: np.ndarray, num_entities: int) -> list[LayerAttention]:
    """Return the edges of a layer, between entities, apart for each query."""
    rows, sources = np.asarray(step.rows), np.asarray(step.sources)
    relations, targets = np.asarray(step.relations), np.asarray(step.targets)
    found = []
    for query, weights in enumerate(alpha):
        real = targets[query] < num_entities
        found.append(
            LayerAttention(
                rows[query, sources[query, real]],
                relations[query, real],
                targets[query, real],
                weights[real],
            )
        )
    return found
