"""The ways to pass messages, with one interface: batches made on the host, scores on the device."""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass
from typing import Any, Protocol

import flax.struct
import jax
import jax.numpy as jnp
import numpy as np

from kapl_jax.relational import adaprop_layers, dense_layers, frontier_layers
from kapl_jax.relational.adaprop import AdaPropGraph, Limits, adaprop_graph, limits_for
from kapl_jax.relational.choices import Offered
from kapl_jax.relational.dense import DenseGraph, dense_graph
from kapl_jax.relational.expansion import Expander
from kapl_jax.relational.frontier import Frontier, SizeLadder, pad
from kapl_jax.relational.graph import RelationalGraph
from kapl_jax.relational.layer import Drop, Layer
from kapl_jax.relational.parameters import Parameters
from kapl_jax.relational.searched_layer import is_linear

# The dense regime's adjacency of a batch, or its messages where they are made one by one, are kept
# below this many numbers.
_MOST_CELLS = 1 << 23
_MOST_MESSAGES = 1 << 25
# Batches that the device works on in one go, so that a long epoch can be saved on its way.
_MOST_BATCHES = 256
# Batches by which padded sizes are settled.
_SAMPLE = 48


@dataclass(frozen=True, eq=False)
class Batches:
    """Batches of queries over a graph, on the host.

    Attributes:
        graph: Where messages travel.
        heads: int32[S, B], the entities where queries begin.
        relations: int32[S, B], what they ask.
    """

    graph: RelationalGraph
    heads: np.ndarray
    relations: np.ndarray


@flax.struct.dataclass
class Prepared:
    """Some batches of queries, ready for the device.

    Attributes:
        shared: What all of them need.
        steps: What each needs, with a leading axis S.
    """

    shared: Any
    steps: Any


class Regime(Protocol):
    """Runs layers for batches of queries (head, relation); the same for all layers."""

    def measure(self, batches: Batches, purpose: str) -> None:
        """Settle the padded sizes of a purpose by some of its batches, once."""
        ...

    def prepare(
        self, batches: Batches, purpose: str, first: int = 0
    ) -> Iterator[tuple[slice, Prepared]]:
        """Prepare batches, on the host.

        Args:
            batches: The batches.
            purpose: Batches of one purpose are alike, and padded to the same few sizes; these are
                settled by the first batches, where `measure` has not done so.
            first: How many parts to leave out.

        Yields:
            Part by part which of the S batches, and what the device needs for them.
        """
        ...

    def losses(
        self,
        layer: Layer,
        parameters: Parameters,
        shared: Any,
        step: Any,
        tails: jax.Array,
        drop: Drop,
        key: jax.Array,
    ) -> jax.Array:
        """Return the log-loss float32[B] of the answers int32[B] against all entities.

        `shared` and `step` are of `Prepared`; `key` is for what else is drawn at random.
        """
        ...

    def scores(
        self, layer: Layer, parameters: Parameters, shared: Any, step: Any, drop: Drop
    ) -> jax.Array:
        """Return the scores float32[B, N] of all entities; 0 where messages do not reach."""
        ...


class FrontierRegime:
    """Runs layers over what each query reaches; see `Regime`."""

    def __init__(self, num_layers: int, num_entities: int) -> None:
        """Follow edges for `num_layers` steps on graphs of at most `num_entities` entities."""
        self.num_layers = num_layers
        self.num_entities = num_entities
        self._ladders: dict[str, SizeLadder] = {}

    def measure(self, batches: Batches, purpose: str) -> None:
        """Settle the padded sizes by a few batches, once; see `Regime`."""
        if purpose in self._ladders:
            return
        expander = Expander(batches.graph, self.num_layers)
        few = batches.heads[:: -(-len(batches.heads) // _SAMPLE)]
        self._ladders[purpose] = SizeLadder([expander.expand(batch) for batch in few])

    def prepare(
        self, batches: Batches, purpose: str, first: int = 0
    ) -> Iterator[tuple[slice, Prepared]]:
        """Expand the queries of each batch; see `Regime`."""
        self.measure(batches, purpose)
        expander = Expander(batches.graph, self.num_layers)
        for number in range(first, len(batches.heads)):
            expansion = expander.expand(batches.heads[number])
            sizes = self._ladders[purpose].sizes(expansion)
            frontier = pad(expansion, sizes, batches.relations[number], self.num_entities)
            steps = jax.tree.map(lambda leaf: leaf[None], frontier)
            yield slice(number, number + 1), Prepared((), steps)

    def losses(
        self,
        layer: Layer,
        parameters: Parameters,
        shared: Any,
        step: Frontier,
        tails: jax.Array,
        drop: Drop,
        key: jax.Array,
    ) -> jax.Array:
        """Return the log-loss without an array of all scores; see `Regime`."""
        del shared, key
        scores, _ = frontier_layers.propagate(layer, parameters, step, drop)
        return frontier_layers.log_losses(scores, step, tails, self.num_entities)

    def scores(
        self, layer: Layer, parameters: Parameters, shared: Any, step: Frontier, drop: Drop
    ) -> jax.Array:
        """Return the scores of all entities; see `Regime`."""
        del shared
        scores, _ = frontier_layers.propagate(layer, parameters, step, drop)
        everything = jnp.zeros((step.sizes.rows[0], self.num_entities))
        return everything.at[step.queries, step.entities].set(scores, mode="drop")


class DenseRegime:
    """Runs layers over all entities of a small graph; see `Regime`."""

    def measure(self, batches: Batches, purpose: str) -> None:
        """Do nothing: the sizes are those of the graph; see `Regime`."""

    def prepare(
        self, batches: Batches, purpose: str, first: int = 0
    ) -> Iterator[tuple[slice, Prepared]]:
        """Give all batches at once: the graph is the same for all; see `Regime`."""
        del purpose
        if not first:
            steps = (batches.heads, batches.relations)
            yield slice(0, len(batches.heads)), Prepared(dense_graph(batches.graph), steps)

    def losses(
        self,
        layer: Layer,
        parameters: Parameters,
        shared: DenseGraph,
        step: Any,
        tails: jax.Array,
        drop: Drop,
        key: jax.Array,
    ) -> jax.Array:
        """Return the log-loss; see `Regime`."""
        del key
        scores = self.scores(layer, parameters, shared, step, drop)
        answers = jnp.take_along_axis(scores, tails[:, None], axis=1)[:, 0]
        return jax.nn.logsumexp(scores, axis=1) - answers

    def scores(
        self, layer: Layer, parameters: Parameters, shared: DenseGraph, step: Any, drop: Drop
    ) -> jax.Array:
        """Return the scores of all entities; see `Regime`."""
        heads, relations = step
        scores, _ = dense_layers.propagate(layer, parameters, shared, heads, relations, drop)
        return scores


@flax.struct.dataclass
class _Limited:
    """A graph on the device and how much of it a query may reach."""

    graph: AdaPropGraph
    limits: Limits = flax.struct.field(pytree_node=False)


class AdaPropRegime:
    """Runs layers over the nodes that queries choose (AdaProp); see `Regime`."""

    def __init__(self, num_layers: int, num_entities: int, top_k: int, most_edges: int) -> None:
        """Follow edges from the nodes that queries keep.

        Args:
            num_layers: L.
            num_entities: N, of the largest graph.
            top_k: Nodes that a query adds in a layer, at most.
            most_edges: Edges of a query in a layer, at most.
        """
        self.num_layers = num_layers
        self.num_entities = num_entities
        self.top_k = top_k
        self.most_edges = most_edges
        self._limits: dict[str, Limits] = {}

    def measure(self, batches: Batches, purpose: str) -> None:
        """Settle the limits by the graph's degrees, once; see `Regime`."""
        if purpose not in self._limits:
            self._limits[purpose] = limits_for(
                batches.graph, self.num_layers, self.top_k, self.most_edges
            )

    def prepare(
        self, batches: Batches, purpose: str, first: int = 0
    ) -> Iterator[tuple[slice, Prepared]]:
        """Give many batches at once: nothing is expanded on the host; see `Regime`."""
        self.measure(batches, purpose)
        shared = _Limited(adaprop_graph(batches.graph), self._limits[purpose])
        count = len(batches.heads)
        # Parts of equal size, but for the last: each size is a program.
        size = -(-count // -(-count // _MOST_BATCHES))
        for start in range(first * size, count, size):
            part = slice(start, min(start + size, count))
            yield part, Prepared(shared, (batches.heads[part], batches.relations[part]))

    def losses(
        self,
        layer: Layer,
        parameters: Parameters,
        shared: _Limited,
        step: Any,
        tails: jax.Array,
        drop: Drop,
        key: jax.Array,
    ) -> jax.Array:
        """Return the log-loss; nodes are selected with noise; see `Regime`."""
        heads, relations = step
        reached = adaprop_layers.propagate(
            layer, parameters, shared.graph, heads, relations, shared.limits, drop, key
        )
        return adaprop_layers.log_losses(reached, tails, shared.graph.num_entities)

    def scores(
        self, layer: Layer, parameters: Parameters, shared: _Limited, step: Any, drop: Drop
    ) -> jax.Array:
        """Return the scores of all entities; see `Regime`."""
        heads, relations = step
        reached = adaprop_layers.propagate(
            layer, parameters, shared.graph, heads, relations, shared.limits, drop
        )
        batch = len(reached.scores)
        everything = jnp.zeros((batch, self.num_entities))
        entities = jnp.where(
            reached.entities < shared.graph.num_entities, reached.entities, self.num_entities
        )
        return everything.at[jnp.arange(batch)[:, None], entities].set(reached.scores, mode="drop")


def fits_dense(
    offered: Offered, hidden_dim: int, batch_size: int, num_entities: int, num_edges: int
) -> bool:
    """Tell whether what the dense regime makes for a batch is small: matrices, or messages."""
    if is_linear(offered):
        return batch_size * num_entities**2 <= _MOST_CELLS
    return batch_size * num_edges * hidden_dim <= _MOST_MESSAGES
