"""The frontier regime: message passing over what each query reaches, padded to few sizes."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass

import flax.struct
import numpy as np

from kapl_jax.relational.expansion import Expansion

Array = np.ndarray
_LOWEST_RUNG = -4
# Blocks below this share of the largest have room for twice as much.
_SMALL = 0.5


@dataclass(frozen=True)
class Sizes:
    """Padded sizes of an expansion; each pair of them is a program.

    Attributes:
        rows: Of each block of rows, L + 1 numbers; the first is B, never padded.
        edges: Of each block of edges, L numbers.
    """

    rows: tuple[int, ...]
    edges: tuple[int, ...]

    def hold(self, expansion: Expansion) -> bool:
        """Tell whether an expansion fits."""
        found = (*expansion.row_counts, *expansion.edge_counts)
        return all(
            need <= size for need, size in zip(found, (*self.rows, *self.edges), strict=True)
        )


class SizeLadder:
    """The few sizes to which expansions are padded: multiples of what some of them were like.

    All blocks grow together, so that there is one program a rung. Small blocks have room to spare,
    since they cost little and vary most. Which rung a batch gets depends on the batch and on the
    sample only.
    """

    def __init__(
        self, sample: Sequence[Expansion], growth: float = 1.2, multiple: int = 64
    ) -> None:
        """Make the ladder of some expansions.

        Args:
            sample: The expansions whose medians the sizes are taken from.
            growth: From rung to rung.
            multiple: Sizes are multiples of this.
        """
        self._queries = sample[0].row_counts[0]
        self._rows = _with_room(np.median([one.row_counts[1:] for one in sample], axis=0))
        self._edges = _with_room(np.median([one.edge_counts for one in sample], axis=0))
        self._growth, self._multiple = growth, multiple

    def sizes(self, expansion: Expansion) -> Sizes:
        """Return the lowest rung that holds `expansion`."""
        rung = _LOWEST_RUNG
        while not (sizes := self.rung(rung)).hold(expansion):
            rung += 1
        return sizes

    def rung(self, number: int) -> Sizes:
        """Return the sizes of a rung; 0 is the median's."""
        factor = self._growth**number
        rows, edges = (
            tuple(
                self._multiple * -(-int(count * factor + 1) // self._multiple) for count in counts
            )
            for counts in (self._rows, self._edges)
        )
        return Sizes((self._queries, *rows), edges)


def _with_room(counts: Array) -> list[float]:
    largest = max(counts)
    return [float(count) * (1.0 if count > _SMALL * largest else 2.0) for count in counts]


@flax.struct.dataclass
class Frontier:
    """A padded expansion of B queries.

    Padded rows stand behind the real ones of their block; no real edge touches them.

    Attributes:
        queries: int32[n], the query of each row; B for padding.
        entities: int32[n], the entity of each row; N for padding.
        sources: int32[e], rows.
        relations: int32[e].
        targets: int32[e], rows; n for padding, where nothing arrives.
        query_relations: int32[B].
        sizes: Of the blocks.
    """

    queries: Array
    entities: Array
    sources: Array
    relations: Array
    targets: Array
    query_relations: Array
    sizes: Sizes = flax.struct.field(pytree_node=False)


def pad(expansion: Expansion, sizes: Sizes, query_relations: Array, num_entities: int) -> Frontier:
    """Pad an expansion.

    Args:
        expansion: What B queries reach.
        sizes: The sizes to pad to; they must hold it.
        query_relations: int[B].
        num_entities: N.
    """
    place = _places(expansion.row_counts, sizes.rows)
    where = np.append(place, sum(sizes.rows)).astype(np.int32)
    rows, edges = (expansion.row_counts, sizes.rows), (expansion.edge_counts, sizes.edges)
    return Frontier(
        queries=_spread(expansion.queries, *rows, fill=sizes.rows[0]),
        entities=_spread(expansion.entities, *rows, fill=num_entities),
        sources=_spread(where[expansion.sources], *edges, fill=0),
        relations=_spread(expansion.relations, *edges, fill=0),
        targets=_spread(where[expansion.targets], *edges, fill=sum(sizes.rows)),
        query_relations=np.asarray(query_relations, np.int32),
        sizes=sizes,
    )


def _places(counts: Sequence[int], sizes: Sequence[int]) -> Array:
    """Return where the elements of blocks go when each block is padded, int64[sum(counts)]."""
    starts = np.cumsum([0, *sizes[:-1]])
    return np.concatenate(
        [start + np.arange(count) for start, count in zip(starts, counts, strict=True)]
    )


def _spread(values: Array, counts: Sequence[int], sizes: Sequence[int], fill: int) -> Array:
    padded = np.full(sum(sizes), fill, np.int32)
    ends, first = np.cumsum(counts), 0
    for end, count, size in zip(ends, counts, sizes, strict=True):
        padded[first : first + count] = values[end - count : end]
        first += size
    return padded
