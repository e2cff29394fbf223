"""Our own training as cases to time: populations of individuals."""

from __future__ import annotations

import time
from collections.abc import Callable
from typing import Any

import numpy as np

from experiments.benchmarking.measures import Case
from kapl_jax.search.individual import Individual
from kapl_jax.search.population import Chunk
from kapl_jax.search.trainer import PopulationTrainer


class PopulationTimer:
    """Makes cases of training populations of one problem.

    A unit of work is `1 / units` of one epoch of one individual.
    """

    def __init__(
        self,
        problem: Any,
        hyperparameters: dict[str, float],
        epochs: int,
        units: int = 1,
        make_trainer: Callable[[Any, int], PopulationTrainer[Any]] = PopulationTrainer,
    ) -> None:
        """Prepare to time `problem`.

        Args:
            problem: A `kapl_jax.search.problem.Problem`, or what `make_trainer` trains.
            hyperparameters: Of all individuals.
            epochs: Epochs per measurement.
            units: Units of work per epoch of an individual.
            make_trainer: `(problem, chunk size) -> trainer`.
        """
        self._make_trainer = make_trainer
        self._problem = problem
        self._hyperparameters = hyperparameters
        self._epochs = epochs
        self._units = units
        # Cases of one chunk size share their compiled programs.
        self._trainers: dict[int, PopulationTrainer[Any]] = {}

    def case(self, name: str, candidates: np.ndarray, chunk_size: int = 0) -> Case:
        """Return the case of training individuals side by side, further at each measurement."""
        individuals = self._individuals(candidates)
        trainer = self._trainer(chunk_size)
        chunks: list[Chunk] = []

        def measure() -> float:
            if not chunks:
                size, parts = trainer.layout(len(individuals), trainer.chunk_limit(individuals))
                chunks.extend(trainer.start(individuals[part], size) for part in parts)
            began = time.perf_counter()
            for chunk in chunks:
                trainer.train(chunk, self._epochs)
            work = self._epochs * len(individuals) * self._units
            return (time.perf_counter() - began) / work

        return Case(name, measure)

    def curve(
        self, candidates: np.ndarray, sizes: list[int], chunk_size: int = 0
    ) -> dict[int, Case]:
        """Return the cases of the first individuals, for each population size."""
        return {
            size: self.case(f"population of {size}", candidates[:size], chunk_size)
            for size in sizes
        }

    def one_epoch(self, candidates: np.ndarray, chunk_size: int = 0) -> Callable[[], object]:
        """Return a warmed-up function that trains one chunk of individuals for an epoch."""
        individuals = self._individuals(candidates)
        trainer = self._trainer(chunk_size)
        size, parts = trainer.layout(len(individuals), trainer.chunk_limit(individuals))
        chunk = trainer.start(individuals[parts[0]], size)
        trainer.train(chunk, 1)
        return lambda: trainer.train(chunk, 1)

    def _trainer(self, chunk_size: int) -> PopulationTrainer[Any]:
        if chunk_size not in self._trainers:
            self._trainers[chunk_size] = self._make_trainer(self._problem, chunk_size)
        return self._trainers[chunk_size]

    def _individuals(self, candidates: np.ndarray) -> list[Individual]:
        return [Individual(one, self._hyperparameters, 0) for one in candidates]
