"""Which triples are messages' ways and which are queries: in training, validation and test."""

from __future__ import annotations

import dataclasses
from dataclasses import dataclass
from typing import Any

import jax
import numpy as np

from kapl_jax.data.knowledge_graph import KnowledgeGraph
from kapl_jax.data.reasoning import ReasoningData
from kapl_jax.errors import UserError
from kapl_jax.evaluation.answer_ranking import AskedQueries, asked_queries
from kapl_jax.relational.graph import RelationalGraph, relational_graph, with_inverses


@dataclass(frozen=True, eq=False)
class Asked:
    """Queries in both directions over a graph.

    Attributes:
        graph: Where messages travel.
        triples: int32[Q, 3], asked both ways: the tails first, then the heads.
        queries: The same in batches of distinct queries.
    """

    graph: RelationalGraph
    triples: np.ndarray
    queries: AskedQueries


@dataclass(frozen=True, eq=False)
class Tasks:
    """The tasks of a run, its `methods.method.Data`.

    Attributes:
        source: The graph or pair that they are made of.
        pool: int32[T, 3]; each epoch a part of them are edges and the others queries.
        num_entities: Of the graph that is trained on.
        num_relations: R.
        valid: What is selected on.
        test: What is reported.
        test_files: Which triples of `test` come from which file, by its name: bool[Q].
    """

    source: ReasoningData
    pool: np.ndarray
    num_entities: int
    num_relations: int
    valid: Asked
    test: Asked
    test_files: dict[str, np.ndarray]

    @property
    def name(self) -> str:
        """Of the data set."""
        return self.source.name

    @property
    def warnings(self) -> tuple[str, ...]:
        """What was odd in the files, a line each."""
        return self.source.warnings

    def describe(self) -> dict[str, Any]:
        """Return name, counts and a digest; see `ReasoningData.describe`."""
        return self.source.describe()

    @property
    def most_entities(self) -> int:
        """Entities of the largest graph."""
        return max(self.valid.graph.num_entities, self.test.graph.num_entities)

    @property
    def most_edges(self) -> int:
        """Edges of the largest graph."""
        return max(self.valid.graph.num_edges, self.test.graph.num_edges)


def make_tasks(data: ReasoningData, batch_size: int) -> Tasks:
    """Return the tasks of a graph, or of an inductive pair.

    A graph's facts and training triples are edges in validation and test. Of an inductive pair, all
    triples of the first graph serve to train and to select (as in the published program: train and
    valid to learn from, test to select on), and validation and test triples of the second are
    reported, together as published and by file; its training triples are edges.

    Args:
        data: The graph or pair.
        batch_size: Distinct queries in a batch of evaluation.

    Raises:
        UserError: There are too few triples to be split.
    """
    first = data.graph
    if data.inductive is None:
        pool = first.training_triples
        valid, test, tested = first.valid, {"test": first.test}, first
        edges = pool
    else:
        pool = np.concatenate([first.training_triples, first.valid])
        tested = data.inductive
        valid, test = first.test, {"valid": tested.valid, "test": tested.test}
        edges = tested.training_triples
    names = np.repeat(list(test), [len(part) for part in test.values()])
    if len(pool) < 2:
        raise UserError(f"{data.name}: found one training triple, expected at least two")
    return Tasks(
        source=data,
        pool=pool,
        num_entities=first.num_entities,
        num_relations=first.num_relations,
        valid=_asked(first, pool, valid, batch_size),
        test=_asked(tested, edges, np.concatenate(list(test.values())), batch_size),
        test_files={name: names == name for name in test},
    )


def first_of(asked: Asked, count: int) -> Asked:
    """Return the first batches of queries only; `triples` stays what it was."""
    queries = asked.queries
    few = AskedQueries(
        queries.heads[:count],
        queries.relations[:count],
        jax.tree.map(lambda leaf: leaf[:count], queries.answers),
        queries.count,
    )
    return dataclasses.replace(asked, queries=few)


def split_pool(
    tasks: Tasks, fact_share: float, seed: int, epoch: int
) -> tuple[RelationalGraph, np.ndarray]:
    """Split the pool anew: return the graph of an epoch and its queries int[Q, 3] in random order.

    Args:
        tasks: The tasks.
        fact_share: The share that becomes edges.
        seed: Of the run.
        epoch: From 0.
    """
    rng = np.random.default_rng([seed, epoch])
    triples = rng.permutation(tasks.pool)
    # At least one of each: a graph of a few triples is a graph, too.
    count = int(np.clip(int(len(triples) * fact_share), 1, len(triples) - 1))
    graph = relational_graph(triples[:count], tasks.num_entities, tasks.num_relations)
    return graph, rng.permutation(with_inverses(triples[count:], tasks.num_relations))


def _asked(graph: KnowledgeGraph, edges: np.ndarray, triples: np.ndarray, batch_size: int) -> Asked:
    known = np.concatenate([graph.training_triples, graph.valid, graph.test])
    size, relations = graph.num_entities, graph.num_relations
    queries = asked_queries(
        with_inverses(triples, relations), with_inverses(known, relations), size, batch_size
    )
    return Asked(relational_graph(edges, size, relations), triples, queries)
