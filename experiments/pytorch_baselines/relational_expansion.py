"""What queries reach, layer by layer, for the PyTorch program: vectorised NumPy on the host.

A *node* is a query and an entity it reached. Nodes are numbered in the order of their discovery, so
that the first rows of a layer are the nodes of the layer before. The edges that leave a node are
the same in all layers; they are listed by their head, so that a layer's edges, too, are the first
of the next layer's. A *pair* is a node and a relation by which edges leave it: their messages are
equal, so that attention needs one number per pair.
"""

import dataclasses
from itertools import pairwise
from typing import NamedTuple

import numpy as np
from scipy import sparse


class Layer(NamedTuple):
    """The edges of one layer, by tail.

    Attributes:
        num_sources: nodes reached before.
        num_pairs: pairs of these nodes.
        num_nodes: nodes reached then.
        offsets: int32[num_nodes + 1], where each node's incoming edges start.
        sources: int32[edges], the node an edge comes from.
        pairs: int32[edges], the pair it belongs to.
    """

    num_sources: int
    num_pairs: int
    num_nodes: int
    offsets: np.ndarray
    sources: np.ndarray
    pairs: np.ndarray


@dataclasses.dataclass(frozen=True)
class Expansion:
    """All nodes n, pairs p and edges e of a batch.

    Attributes:
        queries: int32[n], in ascending order among the nodes that one layer discovers.
        entities: int32[n].
        pair_sources: int32[p], the node of each pair, ascending.
        pair_relations: int32[p].
        source_offsets: int32[s + 1], where each node's pairs start; s nodes are sources.
        pair_offsets: int32[p + 1], where each pair's edges start.
        tails: int32[e], the node each edge goes to.
        layers: the layers.
        rows: int32[B * N], the node of query and entity, or -1.
    """

    queries: np.ndarray
    entities: np.ndarray
    pair_sources: np.ndarray
    pair_relations: np.ndarray
    source_offsets: np.ndarray
    pair_offsets: np.ndarray
    tails: np.ndarray
    layers: tuple[Layer, ...]
    rows: np.ndarray

    def nodes_of(self, entities: np.ndarray) -> np.ndarray:
        """The node int64[B] of one entity of each query, or -1."""
        table = self.rows.reshape(len(entities), -1)
        return table[np.arange(len(entities)), entities].astype(np.int64)


class Adjacency:
    """The edges by head and relation."""

    def __init__(self, edges: np.ndarray, num_entities: int) -> None:
        """Sorts the edges.

        Args:
            edges: int32[E, 3], head, relation, tail.
            num_entities: N.
        """
        self._num_entities = num_entities
        head, relation, tail = edges[np.lexsort(edges.T[::-1])].T
        changes = (np.diff(head, prepend=-1) != 0) | (np.diff(relation, prepend=-1) != 0)
        first = np.flatnonzero(changes)
        entities = np.arange(num_entities + 1)
        self._tails = np.ascontiguousarray(tail, np.int32)
        self._relations = np.ascontiguousarray(relation[first], np.int32)
        self._pair_sizes = np.diff(first, append=len(edges)).astype(np.int32)
        self._starts = np.searchsorted(head, entities).astype(np.int32)
        self._pair_starts = np.searchsorted(head[first], entities).astype(np.int32)

    def expand(self, heads: np.ndarray, num_layers: int) -> Expansion:
        """Returns what queries that start at `heads` int32[B] reach in `num_layers` steps."""
        size = np.int32(self._num_entities)
        rows = np.full(len(heads) * self._num_entities, -1, np.int32)
        queries, entities = np.arange(len(heads), dtype=np.int32), heads.astype(np.int32)
        rows[queries * size + entities] = queries
        found, tails, counts = [(queries, entities)], [], [len(heads)]
        for _ in range(num_layers):
            edges, degrees = _gather_ranges(self._starts, entities)
            keys = np.repeat(queries * size, degrees) + self._tails[edges]
            nodes, keys = _number_new(rows, keys, counts[-1])
            queries = keys // size
            entities = keys - queries * size
            found.append((queries, entities))
            tails.append(nodes)
            counts.append(counts[-1] + len(keys))
        return self._assemble(found, tails, counts, rows)

    def _assemble(
        self,
        found: list[tuple[np.ndarray, np.ndarray]],
        tails: list[np.ndarray],
        counts: list[int],
        rows: np.ndarray,
    ) -> Expansion:
        """The expansion, of queries and entities that each step found, and its edges' tails."""
        queries, entities = (np.concatenate(parts) for parts in zip(*found, strict=True))
        sources = entities[: counts[-2]]
        pairs, pair_counts = _gather_ranges(self._pair_starts, sources)
        sizes = self._pair_sizes[pairs]
        source_offsets, pair_offsets = _offsets(pair_counts), _offsets(sizes)
        all_tails = np.concatenate(tails)
        edge_pairs = np.repeat(np.arange(len(pairs), dtype=np.int32), sizes)
        edge_offsets = pair_offsets[source_offsets]
        layers = tuple(
            _layer(num_sources, num_nodes, source_offsets, edge_offsets, all_tails, edge_pairs)
            for num_sources, num_nodes in pairwise(counts)
        )
        return Expansion(
            queries=queries,
            entities=entities,
            pair_sources=np.repeat(np.arange(len(sources), dtype=np.int32), pair_counts),
            pair_relations=self._relations[pairs],
            source_offsets=source_offsets,
            pair_offsets=pair_offsets,
            tails=all_tails,
            layers=layers,
            rows=rows,
        )


def _layer(
    num_sources: int,
    num_nodes: int,
    source_offsets: np.ndarray,
    edge_offsets: np.ndarray,
    tails: np.ndarray,
    edge_pairs: np.ndarray,
) -> Layer:
    """Sorts the edges of the first nodes by tail."""
    count = edge_offsets[num_sources]
    by_source = sparse.csr_matrix(
        (edge_pairs[:count], tails[:count], edge_offsets[: num_sources + 1]),
        shape=(num_sources, num_nodes),
    )
    by_tail = by_source.tocsc()
    return Layer(
        num_sources=num_sources,
        num_pairs=int(source_offsets[num_sources]),
        num_nodes=num_nodes,
        offsets=by_tail.indptr,
        sources=by_tail.indices,
        pairs=by_tail.data,
    )


def _gather_ranges(starts: np.ndarray, items: np.ndarray) -> tuple[np.ndarray, np.ndarray]:
    """The indices ``starts[i]..starts[i + 1]`` of all items, one after the other, and how many."""
    first = starts[items]
    counts = starts[items + 1] - first
    ends = np.cumsum(counts, dtype=np.int32)
    shifts = np.repeat(first - (ends - counts), counts)
    return shifts + np.arange(len(shifts), dtype=np.int32), counts


def _offsets(counts: np.ndarray) -> np.ndarray:
    return np.concatenate([np.zeros(1, np.int32), np.cumsum(counts, dtype=np.int32)])


def _number_new(rows: np.ndarray, keys: np.ndarray, count: int) -> tuple[np.ndarray, np.ndarray]:
    """Numbers keys without a row from `count` on, in place; the rows of all, and the new keys."""
    nodes = rows[keys]
    unknown = np.flatnonzero(nodes < 0)
    candidates = keys[unknown]
    # One of equal keys wins the entry of the table and stands for all.
    numbers = np.arange(len(candidates), dtype=np.int32)
    rows[candidates] = numbers
    fresh = candidates[rows[candidates] == numbers]
    rows[fresh] = np.arange(count, count + len(fresh), dtype=np.int32)
    nodes[unknown] = rows[candidates]
    return nodes, fresh
