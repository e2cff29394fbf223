"""The frontier regime: what each query reaches, padded to few sizes."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass

import flax.struct
import numpy as np

from kapl_jax.relational.expansion import Expansion

Array = np.ndarray
# Sizes are those that hold these shares of the expansions in a sample, the smallest first; what is
# larger than all gets the largest, grown by a factor as often as it takes.
_SHARES = (0.35, 0.7, 0.9, 1.0)
_GROWTH = 1.25
_MULTIPLE = 64


@dataclass(frozen=True)
class Sizes:
    """How many rows and edges the layers of a program work on.

    Attributes:
        rows: L + 1 numbers that do not fall: B, then the rows after each layer.
        edges: L numbers that do not fall: the edges of each layer.
    """

    rows: tuple[int, ...]
    edges: tuple[int, ...]

    def hold(self, expansion: Expansion) -> bool:
        """Tell whether an expansion fits."""
        return bool(np.all(_counts(expansion) <= np.array((*self.rows, *self.edges))))


class SizeLadder:
    """The few sizes to which expansions are padded, settled by a sample of them.

    Which size a batch gets depends on the batch and on the sample only.
    """

    def __init__(self, sample: Sequence[Expansion]) -> None:
        """Make the ladder of some expansions of equally many queries."""
        counts = np.stack([_counts(one) for one in sample])
        counts = counts[np.argsort(counts[:, -1], kind="stable")]
        ends = [max(1, round(share * len(counts))) for share in _SHARES]
        self._layers = len(sample[0].edge_counts)
        self._rungs = np.maximum.accumulate([counts[:end].max(axis=0) for end in ends])

    def sizes(self, expansion: Expansion) -> Sizes:
        """Return the lowest rung that holds `expansion`."""
        number = 0
        while not (sizes := self.rung(number)).hold(expansion):
            number += 1
        return sizes

    def rung(self, number: int) -> Sizes:
        """Return the sizes of a rung, 0 for the lowest; there is no highest."""
        beyond = max(0, number - len(self._rungs) + 1)
        counts = self._rungs[min(number, len(self._rungs) - 1)] * _GROWTH**beyond
        padded = (_MULTIPLE * -(-counts.astype(np.int64) // _MULTIPLE)).tolist()
        queries = int(self._rungs[0, 0])
        return Sizes((queries, *padded[1 : self._layers + 1]), tuple(padded[self._layers + 1 :]))


def _counts(expansion: Expansion) -> Array:
    """Return the rows after each layer, B first, and then the edges of each, int64[2L + 1]."""
    return np.concatenate([np.cumsum(expansion.row_counts), np.cumsum(expansion.edge_counts)])


@flax.struct.dataclass
class Frontier:
    """A padded expansion of B queries; layer ℓ works on the first so many rows and edges.

    Attributes:
        queries: int32[n], the query of each row; B for padding.
        entities: int32[n], the entity of each row; N for padding.
        sources: int32[e], rows.
        relations: int32[e].
        targets: int32[e], rows.
        row_counts: int32[L + 1], real rows before the first layer and after each.
        edge_counts: int32[L], real edges of each layer.
        query_relations: int32[B].
        mean_log_degree: float32[], of the graph.
        sizes: Rows and edges that layers work on; those beyond the real ones must do no harm.
        identity: The relation of identity edges, 2R.
    """

    queries: Array
    entities: Array
    sources: Array
    relations: Array
    targets: Array
    row_counts: Array
    edge_counts: Array
    query_relations: Array
    mean_log_degree: Array
    sizes: Sizes = flax.struct.field(pytree_node=False)
    identity: int = flax.struct.field(pytree_node=False)


def pad(expansion: Expansion, sizes: Sizes, query_relations: Array, num_entities: int) -> Frontier:
    """Pad an expansion.

    Args:
        expansion: What B queries reach.
        sizes: The sizes to pad to; they must hold it.
        query_relations: int[B].
        num_entities: N.
    """
    rows, edges = sizes.rows[-1], sizes.edges[-1]
    return Frontier(
        queries=_filled(expansion.queries, rows, sizes.rows[0]),
        entities=_filled(expansion.entities, rows, num_entities),
        sources=_filled(expansion.sources, edges, 0),
        relations=_filled(expansion.relations, edges, 0),
        targets=_filled(expansion.targets, edges, 0),
        row_counts=np.cumsum(expansion.row_counts).astype(np.int32),
        edge_counts=np.cumsum(expansion.edge_counts).astype(np.int32),
        query_relations=np.asarray(query_relations, np.int32),
        mean_log_degree=np.asarray(expansion.mean_log_degree),
        sizes=sizes,
        identity=expansion.identity,
    )


def _filled(values: Array, size: int, fill: int) -> Array:
    padded = np.full(size, fill, np.int32)
    padded[: len(values)] = values
    return padded
