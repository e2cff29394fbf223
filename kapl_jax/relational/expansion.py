"""Expanding the neighbourhoods of a batch of queries on the host, and padding them to few sizes.

A *row* is an entity as one query reaches it. Rows are numbered in the order of their discovery, in
blocks: first the heads of the queries, then what the first step reaches anew, and so on; a row
never moves. Edges are in blocks, too: block ℓ leaves the rows of block ℓ - 1. Layer ℓ uses the
edges of blocks 1..ℓ and ends with the rows of blocks 0..ℓ, so that each layer works on the first so
many rows and edges of the same arrays.
"""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np

from kapl_jax.relational.graph import RelationalGraph


@dataclass(frozen=True, eq=False)
class Expansion:
    """What the queries of a batch reach.

    Attributes:
        queries: int32[n], the query of each row.
        entities: int32[n], the entity of each row.
        row_counts: Rows of each block, L + 1 of them.
        sources: int32[e], rows.
        relations: int32[e].
        targets: int32[e], rows.
        edge_counts: Edges of each block, L of them.
        mean_log_degree: Of the graph, see `RelationalGraph`.
        identity: The relation of identity edges, 2R.
    """

    queries: np.ndarray
    entities: np.ndarray
    row_counts: tuple[int, ...]
    sources: np.ndarray
    relations: np.ndarray
    targets: np.ndarray
    edge_counts: tuple[int, ...]
    mean_log_degree: np.float32
    identity: int


class Expander:
    """Expands queries over one graph; keeps the memory that this takes from batch to batch."""

    def __init__(self, graph: RelationalGraph, num_layers: int) -> None:
        """Expand over `graph` in `num_layers` steps."""
        self.graph = graph
        self.num_layers = num_layers
        # The row of each (query, entity), -1 where it was not reached.
        self._row_of = np.zeros(0, np.int32)

    def expand(self, heads: np.ndarray) -> Expansion:
        """Return what queries with these heads int[B] reach in L steps."""
        count, size = len(heads), self.graph.num_entities
        if len(self._row_of) < count * size:
            self._row_of = np.full(count * size, -1, np.int32)
        keys = [np.arange(count, dtype=np.int64) * size + heads]
        self._row_of[keys[0]] = np.arange(count, dtype=np.int32)
        edges, known = [], count
        for _ in range(self.num_layers):
            new_keys, block = self._step(keys[-1], known - len(keys[-1]), known)
            keys.append(new_keys)
            edges.append(block)
            known += len(new_keys)
        joined = np.concatenate(keys)
        self._row_of[joined] = -1
        queries, entities = np.divmod(joined, size)
        sources, relations, targets = (np.concatenate(part) for part in zip(*edges, strict=True))
        return Expansion(
            queries.astype(np.int32),
            entities.astype(np.int32),
            tuple(map(len, keys)),
            sources,
            relations,
            targets,
            tuple(len(block[0]) for block in edges),
            self.graph.mean_log_degree,
            2 * self.graph.num_relations,
        )

    def _step(
        self, keys: np.ndarray, first_row: int, known: int
    ) -> tuple[np.ndarray, tuple[np.ndarray, np.ndarray, np.ndarray]]:
        """Follow all edges of the newest rows; return the keys reached anew, and the edges."""
        graph, size = self.graph, self.graph.num_entities
        entities = keys % size
        degrees = graph.degrees[entities]
        ends = np.cumsum(degrees)
        positions = np.arange(ends[-1] if len(ends) else 0, dtype=np.int64)
        edges = positions + np.repeat(graph.offsets[entities] - ends + degrees, degrees)
        sources = np.repeat(np.arange(first_row, first_row + len(keys), dtype=np.int32), degrees)
        reached = np.repeat(keys - entities, degrees) + graph.targets[edges]
        unseen = reached[self._row_of[reached] < 0]
        # Of the edges that reach the same row anew, the last to write its number stands for it.
        numbers = np.arange(len(unseen), dtype=np.int32)
        self._row_of[unseen] = numbers
        new_keys = unseen[self._row_of[unseen] == numbers]
        self._row_of[new_keys] = np.arange(known, known + len(new_keys), dtype=np.int32)
        return new_keys, (sources, graph.relations[edges], self._row_of[reached])
