"""A graph as one boolean matrix a relation, and the pairs that a chain of relations joins."""

from __future__ import annotations

import itertools
from collections.abc import Sequence

import numpy as np
from scipy import sparse


class RelationMatrices:
    """The triples of a graph as sparse matrices.

    Attributes:
        num_entities: N.
        num_relations: R.
    """

    def __init__(self, triples: np.ndarray, num_entities: int, num_relations: int) -> None:
        """Take the triples (head, relation, tail) `int32[T, 3]`; repeated ones count once."""
        self.num_entities, self.num_relations = num_entities, num_relations
        rows = np.unique(np.asarray(triples).reshape(-1, 3)[:, [1, 0, 2]], axis=0)
        ends = np.searchsorted(rows[:, 0], np.arange(num_relations + 1))
        self._forth = [
            self._matrix(rows[first:last, 1], rows[first:last, 2])
            for first, last in itertools.pairwise(ends)
        ]
        self._back: dict[int, sparse.csr_array] = {}

    def matrix(self, relation: int) -> sparse.csr_array:
        """Return `bool[N, N]` of a relation in 0..2R-1: which entity leads to which."""
        if relation < self.num_relations:
            return self._forth[relation]
        if relation not in self._back:
            self._back[relation] = self._forth[relation - self.num_relations].T.tocsr()
        return self._back[relation]

    def chain(self, starts: sparse.csr_array, body: Sequence[int]) -> sparse.csr_array:
        """Return `bool[n, N]`, what the chain of relations `body` reaches from `bool[n, N]`."""
        for relation in body:
            starts = starts @ self.matrix(relation)
        return starts

    def rows(self, entities: np.ndarray) -> sparse.csr_array:
        """Return `bool[n, N]` that has in each row one entity of `int[n]`."""
        count = len(entities)
        parts = (np.ones(count, bool), np.asarray(entities), np.arange(count + 1))
        return sparse.csr_array(parts, shape=(count, self.num_entities))

    def _matrix(self, heads: np.ndarray, tails: np.ndarray) -> sparse.csr_array:
        shape = (self.num_entities, self.num_entities)
        return sparse.csr_array((np.ones(len(heads), bool), (heads, tails)), shape=shape)
