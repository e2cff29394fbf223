"""Our own training as cases to time: populations of structures on one graph."""

from __future__ import annotations

import time
from collections.abc import Callable, Sequence
from typing import Any

import jax
import numpy as np

from kapl_jax.benchmarking.timing import Case
from kapl_jax.bilinear.scoring import contract
from kapl_jax.methods.autoblm.problem import AutoBLMProblem
from kapl_jax.search.individual import Individual
from kapl_jax.search.population import Chunk, PopulationTrainer


def population_case(
    name: str,
    problem: AutoBLMProblem,
    structures: np.ndarray,
    hyperparameters: dict[str, float],
    epochs: int,
    chunk_size: int = 0,
) -> Case:
    """Return the case of training structures int8[P, K, K] side by side.

    A unit of work is one epoch of one structure.
    """
    individuals = [Individual(one, hyperparameters, 0) for one in structures]
    return _training_case(name, PopulationTrainer(problem, chunk_size), individuals, epochs)


def _training_case(
    name: str, trainer: PopulationTrainer[Any], individuals: Sequence[Individual], epochs: int
) -> Case:
    """Return the case of training all individuals for `epochs`, further at each measurement."""
    chunks: list[Chunk] = []

    def measure() -> float:
        if not chunks:
            size, parts = trainer.layout(len(individuals), trainer.chunk_limit(individuals))
            chunks.extend(trainer.start(individuals[part], size) for part in parts)
        began = time.perf_counter()
        for chunk in chunks:
            trainer.train(chunk, epochs)
        return (time.perf_counter() - began) / (epochs * len(individuals))

    return Case(name, measure)


def one_epoch(
    problem: AutoBLMProblem, structures: np.ndarray, hyperparameters: dict[str, float]
) -> Callable[[], object]:
    """Return a warmed-up function that trains one chunk of structures for an epoch."""
    individuals = [Individual(one, hyperparameters, 0) for one in structures]
    trainer = PopulationTrainer(problem)
    size, parts = trainer.layout(len(individuals), trainer.chunk_limit(individuals))
    chunk = trainer.start(individuals[parts[0]], size)
    trainer.train(chunk, 1)
    return lambda: trainer.train(chunk, 1)


def matrix_products_case(
    name: str, problem: AutoBLMProblem, count: int, epochs: int, chunk_size: int
) -> Case:
    """Return the case of the matrix products alone that an epoch of training cannot do without.

    Scores, and their gradients in queries and entities: three products of [2 B, d] and [N, d] for
    each batch, of `count` structures in chunks of `chunk_size` over all devices.
    """
    individuals = [Individual(np.zeros(1, np.int8), {}, 0)] * count
    trainer = PopulationTrainer(_ProductsOnly(problem), chunk_size)
    return _training_case(name, trainer, individuals, epochs)


class _ProductsOnly:
    """A problem of nothing but the matrix products of `AutoBLMProblem`'s training."""

    objective = "none"

    def __init__(self, problem: AutoBLMProblem) -> None:
        options, graph = problem.options, problem.graph
        self.data = ()
        self._steps = -(-len(graph.training_triples) // options.batch_size)
        self._queries = (2 * options.batch_size, options.embedding_dim)
        self._entities = (graph.num_entities, options.embedding_dim)
        self._dtype = problem.model.dtype

    def init(
        self, key: jax.Array, candidate: jax.Array, hyperparameters: dict[str, jax.Array]
    ) -> tuple[jax.Array, jax.Array]:
        """Return random queries and entities."""
        del candidate, hyperparameters
        return jax.random.normal(key, self._queries), jax.random.normal(key, self._entities)

    def train_epoch(
        self,
        state: tuple[jax.Array, jax.Array],
        candidate: jax.Array,
        hyperparameters: dict[str, jax.Array],
        epoch: jax.Array,
        keys: object,
        data: object,
    ) -> tuple[tuple[jax.Array, jax.Array], jax.Array]:
        """Multiply as often as an epoch does; each step's operands depend on the step before."""
        del candidate, hyperparameters, epoch, keys, data

        def step(
            state: tuple[jax.Array, jax.Array], _: None
        ) -> tuple[tuple[jax.Array, jax.Array], None]:
            queries, entities = state
            scores = contract("qd,nd->qn", queries, entities, self._dtype)
            return (
                contract("qn,nd->qd", scores, entities, self._dtype),
                contract("qn,qd->nd", scores, queries, self._dtype),
            ), None

        state, _ = jax.lax.scan(step, state, None, length=self._steps)
        return state, state[0][0, 0]

    def evaluate(self, state: object, candidate: jax.Array, data: object) -> dict[str, jax.Array]:
        """Return nothing of worth; see `Problem.evaluate`."""
        del state, candidate, data
        return {"none": jax.numpy.zeros(())}
