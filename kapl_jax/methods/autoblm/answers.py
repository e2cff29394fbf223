"""Answers of a trained AutoBLM model."""

from __future__ import annotations

from collections.abc import Sequence

import jax.numpy as jnp
import numpy as np

from kapl_jax.bilinear.model import BilinearModel
from kapl_jax.bilinear.scoring import signed_one_hot
from kapl_jax.data.knowledge_graph import KnowledgeGraph
from kapl_jax.methods.answers import Answers, Query
from kapl_jax.methods.autoblm.settings import training_options
from kapl_jax.methods.graph_answers import GraphAnswers
from kapl_jax.methods.trained import TrainedModel
from kapl_jax.search.compiling import jit_in_full_precision

# Bounds the memory that the scores of all entities take.
_QUERIES_AT_ONCE = 512


class AutoBLMAnswerer:
    """Answers queries with the best model of a run (`methods.answers.Answerer`)."""

    def __init__(self, model: TrainedModel) -> None:
        """Answer with a trained model."""
        graph, options = model.data, training_options(model.settings, model.structure, final=True)
        self.graph: KnowledgeGraph = graph
        bilinear = BilinearModel(
            graph.num_entities, graph.num_relations, options.embedding_dim, options.reciprocal
        )
        self._variables = model.variables
        self._signs = signed_one_hot(jnp.asarray(model.structure))
        self._answers = GraphAnswers(graph)
        self._score = jit_in_full_precision(bilinear.apply)

    def check(self, query: Query) -> None:
        """Check that the graph has the names of a query; see `Answerer`."""
        self._answers.triple(query)

    def answer(self, queries: Sequence[Query], top: int) -> list[Answers]:
        """Return the `top` best answers of each query; see `Answerer`."""
        triples = np.array([self._answers.triple(query) for query in queries], np.int32).reshape(
            -1, 3
        )
        answers: list[Answers] = []
        for start in range(0, len(queries), _QUERIES_AT_ONCE):
            part = slice(start, start + _QUERIES_AT_ONCE)
            answers += self._answer_at_once(queries[part], triples[part], top)
        return answers

    def _answer_at_once(
        self, queries: Sequence[Query], triples: np.ndarray, top: int
    ) -> list[Answers]:
        tails, heads = map(np.asarray, self._score(self._variables, self._signs, triples))
        return [
            self._answers.best(
                query, tuple(triple.tolist()), heads[i] if query.head is None else tails[i], top
            )
            for i, (query, triple) in enumerate(zip(queries, triples, strict=True))
        ]
