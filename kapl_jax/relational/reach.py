"""Which answers messages can reach at all: a bound of what any model of that depth can do."""

from __future__ import annotations

import numpy as np

from kapl_jax.relational.graph import RelationalGraph

_BITS = 64


def within_reach(graph: RelationalGraph, triples: np.ndarray, num_layers: int) -> np.ndarray:
    """Tell of which triples the tail is reached from the head in some steps, bool[Q].

    With inverse edges the head is reached from the tail, then, too.

    Args:
        graph: Where messages travel.
        triples: int[Q, 3].
        num_layers: L, the most steps.
    """
    heads, index = np.unique(triples[:, 0], return_inverse=True)
    order = np.argsort(graph.targets, kind="stable")
    sources = graph.sources[order]
    targets, starts = np.unique(graph.targets[order], return_index=True)
    found = np.zeros(len(triples), bool)
    # A bit for each head: one pass over the edges serves as many heads as a number has bits.
    for first in range(0, len(heads), _BITS):
        some = heads[first : first + _BITS]
        reached = np.zeros(graph.num_entities, np.uint64)
        reached[some] = np.uint64(1) << np.arange(len(some), dtype=np.uint64)
        for _ in range(num_layers):
            reached[targets] |= np.bitwise_or.reduceat(reached[sources], starts)
        asked = np.flatnonzero((index >= first) & (index < first + _BITS))
        bits = reached[triples[asked, 2]] >> (index[asked] - first).astype(np.uint64)
        found[asked] = bits & np.uint64(1)
    return found
