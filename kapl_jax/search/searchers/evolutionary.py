"""Evolutionary search, the algorithm of AutoBLM+ (Zhang, Yao, Kwok, TPAMI 2022)."""

from __future__ import annotations

import dataclasses
from functools import partial

import numpy as np

from kapl_jax.search.archive import Archive
from kapl_jax.search.predictor import Predictor, RidgePredictor
from kapl_jax.search.searchers.base import ArchiveSearcher, Source, fill, most_promising
from kapl_jax.search.searchers.context import Start


@dataclasses.dataclass(frozen=True)
class Evolutionary(ArchiveSearcher):
    """Breeds many children of the best candidates and asks those the predictor favours.

    A child comes from one parent by mutation or from two by crossover, at times followed by
    mutation; parents are drawn uniformly from the best so far. The published figures are a
    population of 5 to 8, half crossover, 0.2 for the mutation after it, and about 100 children for
    8 that are trained.

    Attributes:
        start: Draws what is asked first, `(rng, count) -> [m <= count, ...]`, such as the smallest
            structures; the rest of the first round, or all of it without one, is sampled.
        population_size: Parents: the best so many candidates so far.
        crossover_rate: Chance that a child has two parents.
        mutation_after_crossover: Chance that a child of two is mutated as well.
        oversampling: Children bred for each candidate asked.
        predictor: Chooses among the children.
    """

    start: Start | None = None
    population_size: int = 8
    crossover_rate: float = 0.5
    mutation_after_crossover: float = 0.2
    oversampling: int = 12
    predictor: Predictor = dataclasses.field(default_factory=RidgePredictor)

    def ask(self, state: Archive, rng: np.random.Generator, count: int) -> np.ndarray:
        """Propose up to `count` new candidates, `[m, ...]`; see `Searcher.ask`."""
        parents = state.best(self.population_size)
        source = self._bred(state, rng, parents) if len(parents) else self._started(state, rng)
        return fill(count, source, self.sampled(state, rng))

    def _started(self, state: Archive, rng: np.random.Generator) -> Source:
        start = self.space.sample if self.start is None else self.start
        return lambda wanted, chosen: state.gather(partial(start, rng), wanted, chosen)

    def _bred(self, state: Archive, rng: np.random.Generator, parents: np.ndarray) -> Source:
        def source(wanted: int, chosen: np.ndarray) -> np.ndarray:
            breed = partial(self._breed, rng, parents)
            pool = state.gather(breed, self.oversampling * wanted, chosen)
            return most_promising(state, self.predictor, pool, wanted)

        return source

    def _breed(self, rng: np.random.Generator, parents: np.ndarray, count: int) -> np.ndarray:
        return np.stack([self._child(rng, parents) for _ in range(count)])

    def _child(self, rng: np.random.Generator, parents: np.ndarray) -> np.ndarray:
        if len(parents) < 2 or rng.random() >= self.crossover_rate:
            return self.space.mutate(rng, parents[rng.integers(len(parents))])
        first, second = parents[rng.choice(len(parents), 2, replace=False)]
        child = self.space.cross_over(rng, first, second)
        if rng.random() < self.mutation_after_crossover:
            child = self.space.mutate(rng, child)
        return child
