"""A random graph of a dozen entities, what trains on it, and its mathematics once more, slow."""

from __future__ import annotations

import functools
from pathlib import Path

import numpy as np

from kapl_jax.data.knowledge_graph import KnowledgeGraph
from kapl_jax.methods.autoblm.problem import AutoBLMProblem, TrainingOptions
from kapl_jax.search.individual import Individual
from tests.data.graph_folders import Graph, write_plain
from tests.evaluation.slow import rank_bounds

ENTITIES, RELATIONS = 12, 3
HYPERPARAMETERS = {"learning_rate": 0.3, "regularisation": 0.02, "decay": 0.9, "dropout": 0.0}
STRUCTURE = np.array([[1, 0, -2, 0], [0, 2, 0, 3], [4, 0, -1, 0], [0, -3, 0, 1]], np.int8)
OPTIONS = TrainingOptions(embedding_dim=8, batch_size=16)


@functools.cache
def tiny_graph(train: int = 40, seed: int = 0) -> KnowledgeGraph:
    """Return a graph of distinct random triples, a dozen each for validation and test."""
    rng = np.random.default_rng(seed)
    drawn = rng.permutation(ENTITIES * RELATIONS * ENTITIES)[: train + 24]
    triples = np.stack(np.unravel_index(drawn, (ENTITIES, RELATIONS, ENTITIES)), 1).astype(np.int32)
    return KnowledgeGraph(
        "tiny",
        tuple(f"entity_{i}" for i in range(ENTITIES)),
        tuple(f"relation_{i}" for i in range(RELATIONS)),
        np.zeros((0, 3), np.int32),
        triples[24:],
        triples[:12],
        triples[12:24],
    )


def write_tiny_graph(folder: Path) -> Path:
    """Write the graph as a folder of `train.txt`, `valid.txt` and `test.txt`."""
    graph = tiny_graph()
    splits = {name: getattr(graph, name).tolist() for name in ("train", "valid", "test")}
    return write_plain(folder, Graph(list(graph.entities), list(graph.relations), splits))


@functools.cache
def problem(options: TrainingOptions = OPTIONS) -> AutoBLMProblem:
    return AutoBLMProblem(tiny_graph(), options)


def individuals(count: int, seeds: int = 1) -> list[Individual]:
    """Return different structures with different hyperparameters; they do not depend on `count`."""
    rng = np.random.default_rng(5)
    made = []
    for index in range(count):
        structure = rng.integers(-4, 5, (4, 4)).astype(np.int8)
        hyperparameters = {**HYPERPARAMETERS, "learning_rate": 0.1 + 0.01 * index}
        made.append(Individual(structure, hyperparameters, index % seeds))
    return made


def relation_matrix(structure: np.ndarray, relation: np.ndarray) -> np.ndarray:
    """Return G(r) float64[d, d], for which f(h, r, t) = h' G(r) t."""
    size = len(relation) // len(structure)
    matrix = np.zeros((len(relation), len(relation)))
    for i, j in np.ndindex(structure.shape):
        if structure[i, j]:
            k = abs(int(structure[i, j])) - 1
            block = np.sign(structure[i, j]) * relation[k * size : (k + 1) * size]
            matrix[i * size : (i + 1) * size, j * size : (j + 1) * size] = np.diag(block)
    return matrix


def slow_scores(structure, parameters, reciprocal=False):
    """Return a function of a triple that gives the scores of all entities as its tail and head."""
    entity = parameters["entity"]
    matrices = [relation_matrix(structure, relation) for relation in parameters["relation"]]

    def scores(head, relation, tail) -> tuple[np.ndarray, np.ndarray]:
        tails = entity[head] @ matrices[relation] @ entity.T
        if reciprocal:
            return tails, entity[tail] @ matrices[relation + RELATIONS] @ entity.T
        return tails, entity @ matrices[relation] @ entity[tail]

    return scores


def slow_loss(structure, parameters, triples, weights, options, regularisation) -> float:
    """Return the loss of a batch, summed triple by triple."""
    power = {"l2": 2, "n3": 3}[options.regulariser]
    scores = slow_scores(structure, parameters, options.reciprocal)
    total = 0.0
    for (head, relation, tail), weight in zip(triples, weights, strict=True):
        tails, heads = scores(head, relation, tail)
        total += weight * (np.log(np.exp(tails).sum()) - tails[tail])
        total += weight * (np.log(np.exp(heads).sum()) - heads[head])
        rows = [parameters["relation"][relation]]
        if options.reciprocal:
            rows.append(parameters["relation"][relation + RELATIONS])
        if options.penalised == "all":
            rows += [parameters["entity"][head], parameters["entity"][tail]]
        total += weight * regularisation * sum((np.abs(row) ** power).sum() for row in rows)
    return total


def slow_gradient(loss, parameters, step: float = 1e-5) -> dict[str, np.ndarray]:
    """Return the gradient of `loss(parameters)` by central differences."""
    gradient = {name: np.zeros_like(table) for name, table in parameters.items()}
    for name, table in parameters.items():
        for index in np.ndindex(table.shape):
            kept = table[index]
            table[index] = kept + step
            above = loss(parameters)
            table[index] = kept - step
            gradient[name][index] = (above - loss(parameters)) / (2 * step)
            table[index] = kept
    return gradient


class SlowOptimizer:
    """Adagrad and Adam as in the textbook."""

    def __init__(self, name: str) -> None:
        self.name = name
        self.steps = 0
        self.first: dict[str, np.ndarray] = {}
        self.second: dict[str, np.ndarray] = {}

    def direction(self, name: str, gradient: np.ndarray) -> np.ndarray:
        """Return what is subtracted, times the learning rate."""
        first = self.first.get(name, np.zeros_like(gradient))
        second = self.second.get(name, np.zeros_like(gradient))
        if self.name == "adagrad":
            self.second[name] = second + gradient**2
            return gradient / np.sqrt(np.where(gradient == 0, 1, self.second[name]))
        self.first[name] = 0.9 * first + 0.1 * gradient
        self.second[name] = 0.999 * second + 0.001 * gradient**2
        mean = self.first[name] / (1 - 0.9**self.steps)
        return mean / (np.sqrt(self.second[name] / (1 - 0.999**self.steps)) + 1e-8)


def slow_epoch(structure, parameters, batches, weights, options, hyperparameters, epoch):
    """Train for an epoch; return parameters and the loss by triple."""
    parameters = {name: np.array(table, np.float64) for name, table in parameters.items()}
    optimizer = SlowOptimizer(options.optimizer)
    rate = hyperparameters["learning_rate"] * hyperparameters["decay"] ** epoch
    total = 0.0
    for triples, weight in zip(batches, weights, strict=True):

        def loss(at, triples=triples, weight=weight):
            return slow_loss(
                structure, at, triples, weight, options, hyperparameters["regularisation"]
            )

        total += loss(parameters)
        gradient = slow_gradient(loss, parameters)
        optimizer.steps += 1
        for name in parameters:
            parameters[name] -= rate * optimizer.direction(name, gradient[name])
        if options.unit_ball:
            norms = np.sqrt((parameters["entity"] ** 2).sum(axis=1, keepdims=True))
            parameters["entity"] /= np.maximum(1.0, norms)
    return parameters, total / weights.sum()


def slow_rank_bounds(structure, parameters, triples, known, reciprocal=False):
    """Return the bounds of the filtered ranks of triples, in both directions."""
    known = set(map(tuple, np.asarray(known).tolist()))
    parameters = {name: np.asarray(table, np.float64) for name, table in parameters.items()}
    scores = slow_scores(structure, parameters, reciprocal)
    bounds = []
    for head, relation, tail in np.asarray(triples).tolist():
        tails, heads = scores(head, relation, tail)
        right = {n for n in range(ENTITIES) if (head, relation, n) in known}
        bounds.append(rank_bounds(tails, tail, right))
        right = {n for n in range(ENTITIES) if (n, relation, tail) in known}
        bounds.append(rank_bounds(heads, head, right))
    return bounds


def slow_metrics(ranks: np.ndarray) -> dict[str, float]:
    """Return the ranking metrics of ranks."""
    hits = {f"hits_at_{k}": float((ranks <= k).mean()) for k in (1, 3, 10)}
    return {"mrr": float((1 / ranks).mean()), **hits, "mean_rank": float(ranks.mean())}
