"""Expansions cut into blocks of nodes, as tensors."""

from itertools import pairwise
from typing import NamedTuple

import numpy as np
import torch
from torch import Tensor

from experiments.pytorch_baselines.relational_expansion import Expansion, Layer


class Incoming(NamedTuple):
    """The edges into a block of nodes, by node.

    Attributes:
        rows: the nodes.
        offsets: int32[rows + 1], where each node's edges start.
        sources: int32[edges], the nodes they come from.
        pairs: int32[edges], their pairs.
        cells: int32[edges], their positions in a table of the block's nodes by 2R + 1 relations.
    """

    rows: slice
    offsets: Tensor
    sources: Tensor
    pairs: Tensor
    cells: Tensor


class Outgoing(NamedTuple):
    """The edges out of a block of nodes, by node and relation.

    Attributes:
        rows: the nodes.
        pairs: their pairs.
        positions: int32[pairs], 0, 1, ...
        pair_offsets: int32[rows + 1], where each node's pairs start.
        edge_offsets: int32[pairs + 1], where each pair's edges start.
        tails: int32[edges], the nodes they go to.
    """

    rows: slice
    pairs: slice
    positions: Tensor
    pair_offsets: Tensor
    edge_offsets: Tensor
    tails: Tensor


class Pairs(NamedTuple):
    """Pairs, of node and relation.

    Attributes:
        sources: int32[p], the nodes.
        relations: int32[p], the relations.
        codes: int32[p], positions in a table of B queries by 2R + 1 relations.
    """

    sources: Tensor
    relations: Tensor
    codes: Tensor

    def part(self, rows: slice) -> "Pairs":
        """Some of the pairs."""
        return Pairs(*(tensor[rows] for tensor in self))


class BlockLayer(NamedTuple):
    """A layer: its sizes, and the blocks of its nodes and of its sources."""

    num_sources: int
    num_pairs: int
    num_nodes: int
    incoming: list[Incoming]
    outgoing: list[Outgoing]


class BlockBatch(NamedTuple):
    """A batch of queries.

    Attributes:
        queries: int32[n], of all nodes.
        entities: int32[n].
        relations: int32[B], asked for.
        pairs: all pairs.
        layers: the layers.
    """

    queries: Tensor
    entities: Tensor
    relations: Tensor
    pairs: Pairs
    layers: list[BlockLayer]


class Cutter:
    """Cuts expansions into blocks and puts them on a device."""

    def __init__(self, block_size: int, edge_kinds: int, device: str) -> None:
        """Keeps what all batches share.

        Args:
            block_size: the most nodes in a block.
            edge_kinds: 2R + 1.
            device: where the tensors go.
        """
        self._block_size = block_size
        self._edge_kinds = edge_kinds
        self._device = device

    def __call__(self, expansion: Expansion, relations: np.ndarray) -> BlockBatch:
        """Cuts an expansion; all nodes of a block are discovered by the same layer.

        Args:
            expansion: of B queries.
            relations: int32[B], asked for.
        """
        queries = expansion.queries[expansion.pair_sources]
        codes = queries * np.int32(self._edge_kinds) + expansion.pair_relations
        borders = [0, *(layer.num_sources for layer in expansion.layers)]
        borders.append(expansion.layers[-1].num_nodes)
        blocks = [
            slice(first, min(first + self._block_size, end))
            for start, end in pairwise(borders)
            for first in range(start, end, self._block_size)
        ]
        outgoing = [self._outgoing(expansion, rows) for rows in blocks if rows.stop <= borders[-2]]
        return BlockBatch(
            queries=self._tensor(expansion.queries),
            entities=self._tensor(expansion.entities),
            relations=self._tensor(relations),
            pairs=Pairs(
                self._tensor(expansion.pair_sources),
                self._tensor(expansion.pair_relations),
                self._tensor(codes),
            ),
            layers=[self._layer(expansion, layer, blocks, outgoing) for layer in expansion.layers],
        )

    def _layer(
        self, expansion: Expansion, layer: Layer, blocks: list[slice], outgoing: list[Outgoing]
    ) -> BlockLayer:
        return BlockLayer(
            num_sources=layer.num_sources,
            num_pairs=layer.num_pairs,
            num_nodes=layer.num_nodes,
            incoming=[
                self._incoming(expansion, layer, rows)
                for rows in blocks
                if rows.stop <= layer.num_nodes
            ],
            outgoing=[block for block in outgoing if block.rows.stop <= layer.num_sources],
        )

    def _incoming(self, expansion: Expansion, layer: Layer, rows: slice) -> Incoming:
        ends = layer.offsets[rows.start : rows.stop + 1]
        edges = slice(ends[0], ends[-1])
        pairs = layer.pairs[edges]
        positions = np.arange(len(ends) - 1, dtype=np.int32) * np.int32(self._edge_kinds)
        cells = np.repeat(positions, np.diff(ends)) + expansion.pair_relations[pairs]
        arrays = (ends - ends[0], layer.sources[edges], pairs, cells)
        return Incoming(rows, *map(self._tensor, arrays))

    def _outgoing(self, expansion: Expansion, rows: slice) -> Outgoing:
        ends = expansion.source_offsets[rows.start : rows.stop + 1]
        pairs = slice(int(ends[0]), int(ends[-1]))
        edge_ends = expansion.pair_offsets[pairs.start : pairs.stop + 1]
        arrays = (
            np.arange(pairs.stop - pairs.start, dtype=np.int32),
            ends - ends[0],
            edge_ends - edge_ends[0],
            expansion.tails[edge_ends[0] : edge_ends[-1]],
        )
        return Outgoing(rows, pairs, *map(self._tensor, arrays))

    def _tensor(self, array: np.ndarray) -> Tensor:
        return torch.from_numpy(array).to(self._device)
