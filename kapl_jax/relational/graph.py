"""The graph that messages travel on: triples, their inverses, and an identity edge of each entity.

"Knowledge Graph Reasoning with Relational Digraph" (Zhang and Yao, WWW 2022) adds to each triple
(h, r, t) its inverse (t, r + R, h), and to each entity e an edge (e, 2R, e), so that what was
reached in ℓ - 1 steps is reached in ℓ, too. Edges of one kind between the same entities that come
twice are two edges.
"""

from __future__ import annotations

import functools
from dataclasses import dataclass

import numpy as np


@dataclass(frozen=True, eq=False)
class RelationalGraph:
    """Edges sorted by their source, so that those of an entity are one stretch.

    Attributes:
        num_entities: N.
        num_relations: R, of the data; edges have relations 0..2R.
        sources: int32[E].
        relations: int32[E].
        targets: int32[E].
        offsets: int64[N + 1]; the edges that leave entity e are offsets[e]..offsets[e + 1] - 1.
    """

    num_entities: int
    num_relations: int
    sources: np.ndarray
    relations: np.ndarray
    targets: np.ndarray
    offsets: np.ndarray

    @property
    def num_edges(self) -> int:
        """E, inverse and identity edges included."""
        return len(self.sources)

    @property
    def degrees(self) -> np.ndarray:
        """int64[N], how many edges leave each entity."""
        return np.diff(self.offsets)

    @functools.cached_property
    def mean_log_degree(self) -> np.float32:
        """The mean of log(1 + degree) over the entities, by which degrees are compared."""
        return np.float32(np.mean(np.log1p(self.degrees)))


def relational_graph(triples: np.ndarray, num_entities: int, num_relations: int) -> RelationalGraph:
    """Return the graph of triples int[T, 3], with inverse and identity edges."""
    edges = with_inverses(triples, num_relations)
    itself = np.arange(num_entities, dtype=np.int32)
    loops = np.stack([itself, np.full_like(itself, 2 * num_relations), itself], axis=1)
    edges = np.concatenate([edges, loops]).astype(np.int32)
    edges = edges[np.argsort(edges[:, 0], kind="stable")]
    offsets = np.searchsorted(edges[:, 0], np.arange(num_entities + 1))
    sources, relations, targets = np.ascontiguousarray(edges.T)
    return RelationalGraph(num_entities, num_relations, sources, relations, targets, offsets)


def with_inverses(triples: np.ndarray, num_relations: int) -> np.ndarray:
    """Return triples int[T, 3], then (t, r + R, h) of each: as edges, or as queries both ways."""
    heads, relations, tails = np.asarray(triples).reshape(-1, 3).T
    inverse = np.stack([tails, relations + num_relations, heads], axis=1)
    return np.concatenate([np.asarray(triples).reshape(-1, 3), inverse])
