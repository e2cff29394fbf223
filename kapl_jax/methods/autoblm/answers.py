"""Answers of a trained AutoBLM model."""

from __future__ import annotations

from collections.abc import Sequence
from pathlib import Path
from typing import Any

import jax.numpy as jnp
import numpy as np

from kapl_jax.bilinear.model import BilinearModel
from kapl_jax.bilinear.scoring import signed_one_hot
from kapl_jax.data.knowledge_graph import KnowledgeGraph
from kapl_jax.methods.answers import Answers, Query
from kapl_jax.methods.autoblm.settings import AutoBLMSettings
from kapl_jax.methods.graph_answers import GraphAnswers
from kapl_jax.methods.graphs import describe_graph, load_graph
from kapl_jax.methods.models import ModelStore
from kapl_jax.methods.trained_on import DataSource, check_trained_on, settings_of
from kapl_jax.runs.run_directory import Run
from kapl_jax.search.compiling import jit_in_full_precision

# Bounds the memory that the scores of all entities take.
_QUERIES_AT_ONCE = 512


class AutoBLMAnswerer:
    """Answers queries with the best model of a run (`methods.answers.Answerer`)."""

    def __init__(self, graph: KnowledgeGraph, parameters: Any, description: dict[str, Any]) -> None:
        """Answer for `graph` with a model as `ModelStore.load_best` gives it."""
        self.graph = graph
        options = description["options"]
        self._model = BilinearModel(
            graph.num_entities,
            graph.num_relations,
            options["embedding_dim"],
            options["reciprocal"],
        )
        self._variables = {"params": parameters}
        self._signs = signed_one_hot(jnp.asarray(description["structure"], jnp.int8))
        self._answers = GraphAnswers(graph)
        self._score = jit_in_full_precision(self._model.apply)

    @classmethod
    def from_run(cls, run: Run, source: DataSource) -> AutoBLMAnswerer:
        """Load the best model of a run and the graph that it was trained on.

        Raises:
            UserError: The run is not finished, or the graph is not the one it was trained on.
        """
        store = ModelStore(Path(run.path) / "checkpoints")
        parameters, description = store.load_best()
        settings = settings_of(run, AutoBLMSettings, source)
        graph = load_graph(settings)
        check_trained_on(run, describe_graph(graph), "another graph")
        with store.understanding_best():
            return cls(graph, parameters, description)

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
