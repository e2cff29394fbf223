"""AdaProp: each query keeps the best few of the nodes that a step reaches anew.

"AdaProp: Learning Adaptive Propagation for Graph Neural Network based Knowledge Graph Reasoning"
(Zhang et al., KDD 2023). How many nodes a query keeps is known beforehand, so that nothing is
expanded on the host: the graph lies on the device, and all shapes follow from `Limits`.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass

import flax.struct
import jax
import jax.numpy as jnp
import numpy as np

from kapl_jax.relational.graph import RelationalGraph

# Up to here float32 counts exactly.
_MOST_EDGES = 1 << 24


@flax.struct.dataclass
class AdaPropGraph:
    """A graph's edges by their source, without identity edges, which every node has anyway.

    Attributes:
        offsets: int32[N + 1]; the edges that leave entity e are offsets[e]..offsets[e + 1] - 1.
        relations: int32[E].
        targets: int32[E].
        mean_log_degree: float32[], see `RelationalGraph`.
        identity: The relation of identity edges, 2R.
    """

    offsets: jax.Array
    relations: jax.Array
    targets: jax.Array
    mean_log_degree: jax.Array
    identity: int = flax.struct.field(pytree_node=False)

    @property
    def num_entities(self) -> int:
        """N."""
        return self.offsets.shape[-1] - 1


def adaprop_graph(graph: RelationalGraph) -> AdaPropGraph:
    """Return the arrays of `graph`."""
    real = graph.relations != 2 * graph.num_relations
    before = np.concatenate([[0], np.cumsum(real)])
    # A graph without edges must have something to be looked up, too.
    filler = np.zeros(0 if real.any() else 1, np.int32)
    return AdaPropGraph(
        offsets=jnp.asarray(before[graph.offsets].astype(np.int32)),
        relations=jnp.asarray(np.concatenate([graph.relations[real], filler])),
        targets=jnp.asarray(np.concatenate([graph.targets[real], filler])),
        mean_log_degree=jnp.asarray(graph.mean_log_degree),
        identity=2 * graph.num_relations,
    )


@dataclass(frozen=True)
class Limits:
    """How much a query may reach; each is a program.

    Attributes:
        top_k: Most nodes that a layer adds.
        edges: Most edges that a layer uses, of each of L layers; identity edges come on top.
    """

    top_k: int
    edges: tuple[int, ...]

    def __post_init__(self) -> None:
        """Check them.

        Raises:
            ValueError: If a limit is not positive, or too many edges are asked for.
        """
        if self.top_k < 1 or not all(1 <= limit < _MOST_EDGES for limit in self.edges):
            raise ValueError(f"{self}: limits must be positive, those of edges below 2^24")

    def nodes(self, num_entities: int) -> list[int]:
        """Return the most nodes before the first layer and after each, L + 1 numbers."""
        counts = [1]
        for limit in self.edges:
            counts.append(min(counts[-1] + min(self.top_k, limit), num_entities))
        return counts


def limits_for(graph: RelationalGraph, num_layers: int, top_k: int, most_edges: int) -> Limits:
    """Return limits that leave out no edge of `graph` as long as `most_edges` allows.

    Args:
        graph: The graph.
        num_layers: L.
        top_k: Most nodes that a layer adds.
        most_edges: Most edges that any layer uses.
    """
    degrees = np.sort(graph.degrees - 1)[::-1]
    worst = np.append(0, np.cumsum(degrees))
    edges: Sequence[int] = []
    for _ in range(num_layers):
        nodes = Limits(top_k, tuple(edges)).nodes(graph.num_entities)[-1]
        edges = [*edges, int(np.clip(worst[nodes], 1, most_edges))]
    return Limits(top_k, tuple(edges))
