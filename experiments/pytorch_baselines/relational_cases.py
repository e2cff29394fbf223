"""RED-GNN's PyTorch programs as cases to time, on the work that ours does."""

from __future__ import annotations

from collections.abc import Mapping, Sequence

import jax
import numpy as np

from experiments.benchmarking.measures import Case
from experiments.pytorch_baselines.relational_dense import DenseTrainer
from experiments.pytorch_baselines.relational_frontier import FrontierTrainer
from experiments.pytorch_baselines.relational_published import rank_as_published, train_as_published
from experiments.pytorch_baselines.relational_work import RankingWork, RelationalWork
from kapl_jax.methods.red_gnn.problem import RedGNNProblem
from kapl_jax.methods.red_gnn.tasks import Asked
from kapl_jax.relational.graph import RelationalGraph
from kapl_jax.relational.regimes import DenseRegime

_PUBLISHED = "torch as published"


def training_cases(
    problem: RedGNNProblem,
    graph: RelationalGraph,
    batches: np.ndarray,
    hyperparameters: Mapping[str, float],
) -> list[Case]:
    """Return the cases of training on batches int32[3, S, B], timed per batch."""
    work = relational_work(problem, graph, batches, hyperparameters)
    trainer, name = _best(problem, work)
    return [
        Case(_PUBLISHED, lambda: train_as_published(work).seconds_per_step),
        Case(name, lambda: trainer.train().seconds_per_step),
    ]


def ranking_cases(
    problem: RedGNNProblem, asked: Asked, hyperparameters: Mapping[str, float]
) -> list[Case]:
    """Return the cases of ranking answers, timed per batch."""
    heads, relations = asked.queries.heads, asked.queries.relations
    batches = np.stack([heads, relations, heads])
    work = relational_work(problem, asked.graph, batches, hyperparameters)
    queries = ranking_works(asked)
    trainer, name = _best(problem, work)
    return [
        Case(_PUBLISHED, lambda: _mean([rank_as_published(work, q).seconds for q in queries])),
        Case(name, lambda: _mean([trainer.rank(one).seconds for one in queries])),
    ]


def relational_work(
    problem: RedGNNProblem,
    graph: RelationalGraph,
    batches: np.ndarray,
    hyperparameters: Mapping[str, float],
) -> RelationalWork:
    """Return the same training for PyTorch, from parameters as ours begin."""
    (activation,) = problem.options.offered.activations
    parameters = problem.model.init(jax.random.key(0))["params"]
    return RelationalWork(
        num_entities=graph.num_entities,
        num_relations=graph.num_relations,
        edges=np.stack([graph.sources, graph.relations, graph.targets], axis=1),
        heads=batches[0],
        relations=batches[1],
        tails=batches[2],
        # Copies: torch.compile refuses arrays that lie in memory of JAX.
        parameters={name: np.array(value) for name, value in parameters.items()},
        activation=activation,
        learning_rate=hyperparameters["learning_rate"],
        weight_decay=hyperparameters["weight_decay"],
    )


def ranking_works(asked: Asked) -> list[RankingWork]:
    """Return the batches of queries with their answers as lists."""
    queries, answers = asked.queries, asked.queries.answers
    works = []
    for number, heads in enumerate(queries.heads):
        real = np.asarray(answers.position[number]) >= 0
        pairs = np.asarray(answers.query[number])[real], np.asarray(answers.entity[number])[real]
        known = np.asarray(answers.known_query[number]), np.asarray(answers.known_entity[number])
        works.append(
            RankingWork(
                heads,
                queries.relations[number],
                _lists(*pairs, len(heads)),
                _lists(*known, len(heads)),
            )
        )
    return works


def _lists(queries: np.ndarray, entities: np.ndarray, count: int) -> tuple[np.ndarray, ...]:
    return tuple(entities[queries == query] for query in range(count))


def _best(
    problem: RedGNNProblem, work: RelationalWork
) -> tuple[DenseTrainer | FrontierTrainer, str]:
    if isinstance(problem.training_regime, DenseRegime):
        return DenseTrainer(work), "torch.compile, dense matrices"
    return FrontierTrainer(work), "torch.compile, frontiers, backward by hand"


def _mean(seconds: Sequence[float]) -> float:
    return float(np.mean(seconds))
