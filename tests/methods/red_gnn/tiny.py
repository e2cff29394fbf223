"""A random graph of a dozen entities, a second one with the same relations, and models of them."""

from __future__ import annotations

import functools
from typing import Any

import jax
import numpy as np

from kapl_jax.data.knowledge_graph import KnowledgeGraph
from kapl_jax.data.reasoning import ReasoningData
from kapl_jax.evaluation.ranking import mean_rank_metrics
from kapl_jax.methods.red_gnn.method import RED_GNN
from kapl_jax.methods.red_gnn.problem import RedGNNOptions, RedGNNProblem
from kapl_jax.methods.red_gnn.settings import RedGNNSettings
from kapl_jax.methods.red_gnn.tasks import Tasks, make_tasks
from kapl_jax.methods.trained import TrainedModel
from kapl_jax.relational.choices import Offered
from kapl_jax.search.individual import Individual
from kapl_jax.search.trainer import PopulationTrainer
from tests.evaluation.slow import rank_bounds
from tests.relational.slow import MadeOf, slow_edges, slow_pass

ENTITIES, RELATIONS, BATCH, ASKED = 12, 2, 5, 5
OFFERED = Offered(("relu", "tanh"), ("sum",), ("sum", "mean"), ("on", "off"), (2, 3))
OPTIONS = RedGNNOptions(
    num_layers=2, hidden_dim=4, offered=OFFERED, batch_size=BATCH, dropout=False, data_seed=3
)
STRUCTURE: dict[str, Any] = {
    "activation": "tanh",
    "message": "sum",
    "aggregation": "mean",
    "gate": "on",
    "attention_dim": 2,
    "num_layers": 2,
    "hidden_dim": 4,
}
# What the flags give where none is given.
PUBLISHED: dict[str, Any] = {
    "activation": "relu",
    "message": "sum",
    "aggregation": "sum",
    "gate": "on",
    "attention_dim": 5,
    "num_layers": 4,
    "hidden_dim": 48,
}
# What a reasoner is made by.
DESCRIPTION: dict[str, Any] = {"structure": STRUCTURE, "top_k": 0, "most_edges": 1}
# A run that trains `STRUCTURE` alone.
SETTINGS = RedGNNSettings(
    structure=", ".join(f"{name}={value}" for name, value in STRUCTURE.items()),
    presets="none",
    evaluation_batch_size=ASKED,
)
HYPERPARAMETERS = {"learning_rate": 0.02, "decay": 0.9, "weight_decay": 0.01, "dropout": 0.0}


def random_graph(name: str, entities: int, seed: int, first: str = "entity") -> KnowledgeGraph:
    """Return a graph of distinct triples: 8 facts, 14 to train on, 6 each to ask.

    Relation 0 is random, and relation 1 its inverse, so that there is something to learn.
    """
    rng = np.random.default_rng(seed)
    heads, tails = np.divmod(rng.permutation(entities**2)[:17], entities)
    forth = np.stack([heads, np.zeros(17), tails], axis=1)
    back = np.stack([tails, np.ones(17), heads], axis=1)
    triples = rng.permutation(np.concatenate([forth, back])).astype(np.int32)
    return KnowledgeGraph(
        name,
        tuple(f"{first}_{i}" for i in range(entities)),
        tuple(f"relation_{i}" for i in range(RELATIONS)),
        triples[:8],
        triples[8:22],
        triples[22:28],
        triples[28:],
    )


@functools.cache
def tiny_data(inductive: bool = False) -> ReasoningData:
    """Return a graph, or an inductive pair of one of 12 and one of 9 entities."""
    second = random_graph("tiny_ind", 9, 1, first="other") if inductive else None
    return ReasoningData("tiny", random_graph("tiny", ENTITIES, 0), second, ())


@functools.cache
def tiny_tasks(inductive: bool = False) -> Tasks:
    return make_tasks(tiny_data(inductive), ASKED)


def trained_model(tasks: Tasks, parameters: dict[str, Any]) -> TrainedModel:
    """Return a model of `STRUCTURE` on some tasks."""
    candidate = SETTINGS.space().candidate(STRUCTURE)
    return TrainedModel(RED_GNN, SETTINGS, tasks, candidate, {"params": parameters})


@functools.cache
def trainer(options: RedGNNOptions = OPTIONS) -> PopulationTrainer[RedGNNProblem]:
    """Return a trainer that keeps what it compiled: compiling is what takes time here."""
    return PopulationTrainer(RedGNNProblem(tiny_tasks(), options), devices=jax.devices()[:1])


def individuals(count: int) -> list[Individual]:
    """Return different candidates with different hyperparameters; they do not depend on `count`."""
    sizes = [len(axis) for axis in OFFERED.axes]
    drawn = np.random.default_rng(5).permutation(int(np.prod(sizes)))[:count]
    made = []
    for index, chosen in enumerate(np.stack(np.unravel_index(drawn, sizes), axis=1)):
        hyperparameters = {**HYPERPARAMETERS, "learning_rate": 0.01 * (1 + index)}
        made.append(Individual(np.array([*chosen, 0, 0], np.int8), hyperparameters, 0))
    return made


def made_of(candidate: np.ndarray) -> MadeOf:
    """Return what a candidate's layers are made of."""
    return MadeOf(*(axis[at] for axis, at in zip(OFFERED.axes, candidate, strict=False)))


def structure_made_of(structure: dict[str, Any] = STRUCTURE) -> MadeOf:
    names = ("activation", "message", "aggregation", "gate", "attention_dim")
    return MadeOf(**{name: structure[name] for name in names})


@functools.cache
def random_parameters(attention_dim: int = 2, seed: int = 0) -> dict[str, np.ndarray]:
    """Return parameters of `STRUCTURE`, normal, for an attention of this width."""
    problem = RedGNNProblem(tiny_tasks(), OPTIONS)
    shapes = jax.eval_shape(problem.model.init, jax.random.key(0))["params"]
    rng = np.random.default_rng(seed)
    made = {
        name: rng.normal(0, 0.7, leaf.shape).astype(np.float32) for name, leaf in shapes.items()
    }
    return {
        name: table[..., :attention_dim]
        if name.startswith("attention_") and name != "attention_out_bias"
        else table
        for name, table in made.items()
    }


def slow_scores(
    parameters: dict[str, np.ndarray],
    made: MadeOf,
    triples: np.ndarray,
    entities: int,
    heads: np.ndarray,
    relations: np.ndarray,
) -> np.ndarray:
    """Return the scores float64[B, N] of queries over the graph of `triples`."""
    tables = {name: np.asarray(table, np.float64) for name, table in parameters.items()}
    edges = slow_edges(triples, entities, RELATIONS)
    queries = zip(np.asarray(heads).tolist(), np.asarray(relations).tolist(), strict=True)
    return np.stack([slow_pass(tables, made, edges, entities, query).scores for query in queries])


def slow_rank_bounds(
    graph: KnowledgeGraph, split: str, parameters: dict[str, np.ndarray], made: MadeOf
) -> np.ndarray:
    """Return the bounds float64[2, Q, 2] of the ranks of a split's triples: of tails, of heads."""
    triples, bounds = getattr(graph, split), []
    known = np.concatenate([graph.training_triples, graph.valid, graph.test])
    for way, back in ((0, 2), (2, 0)):
        asked = slow_scores(
            parameters,
            made,
            graph.training_triples,
            graph.num_entities,
            triples[:, way],
            triples[:, 1] + RELATIONS * (way == 2),
        )
        for scores, triple in zip(asked, triples, strict=True):
            same = (known[:, 1] == triple[1]) & (known[:, way] == triple[way])
            bounds.append(rank_bounds(scores, triple[back], set(known[same, back].tolist())))
    return np.reshape(np.array(bounds, float), (2, len(triples), 2))


def metrics_of_ranks(ranks: np.ndarray) -> dict[str, float]:
    """Return the metrics of ranks float[...] of one model."""
    return {name: value for name, (value,) in mean_rank_metrics(ranks[None]).items()}
