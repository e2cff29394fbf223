"""Answers of a trained RED-GNN model."""

from __future__ import annotations

from collections.abc import Sequence

import numpy as np

from kapl_jax.methods.answers import Answers, Query
from kapl_jax.methods.red_gnn.trained import AskedGraph, TrainedRedGNN

_QUERIES_AT_ONCE = 32


class RedGNNAnswerer:
    """Answers queries with the best model of a run (`methods.answers.Answerer`)."""

    def __init__(self, trained: TrainedRedGNN) -> None:
        """Answer with `trained`."""
        self.trained = trained

    def check(self, query: Query) -> None:
        """Check that a graph has the names of a query; see `Answerer`."""
        ids_of(self.trained.graph_of(query), query)

    def answer(self, queries: Sequence[Query], top: int) -> list[Answers]:
        """Return the `top` best answers that messages reach of each query; see `Answerer`."""
        graphs = [self.trained.graph_of(query) for query in queries]
        found: dict[int, Answers] = {}
        for asked in self.trained.graphs:
            indices = [index for index, graph in enumerate(graphs) if graph is asked]
            for start in range(0, len(indices), _QUERIES_AT_ONCE):
                part = indices[start : start + _QUERIES_AT_ONCE]
                answers = _answer_at_once(asked, [queries[index] for index in part], top)
                found |= zip(part, answers, strict=True)
        return [found[index] for index in range(len(queries))]


def ids_of(asked: AskedGraph, query: Query) -> tuple[int, int]:
    """Return entity and relation of a query as the model takes it: the tail is what is asked.

    A query for the head (?, r, t) is that of t by the inverse relation r + R.

    Raises:
        UserError: A name is unknown.
    """
    head, relation, tail = asked.answers.triple(query)
    if query.head is None:
        return tail, relation + asked.graph.num_relations
    return head, relation


def _answer_at_once(asked: AskedGraph, queries: Sequence[Query], top: int) -> list[Answers]:
    entities, relations = np.array([ids_of(asked, query) for query in queries]).T
    scores, reached = asked.reasoner.scores(entities, relations)
    return [
        asked.answers.best(query, asked.answers.triple(query), of_query, top, within)
        for query, of_query, within in zip(queries, scores, reached, strict=True)
    ]
