"""Progressive search, the algorithm of AutoSF and AutoBLM (Zhang, Yao, Kwok, TPAMI 2022)."""

from __future__ import annotations

import dataclasses
from functools import partial

import numpy as np

from kapl_jax.search.archive import Archive
from kapl_jax.search.predictor import Predictor, RidgePredictor
from kapl_jax.search.searchers.base import ArchiveSearcher, Source, fill, most_promising
from kapl_jax.search.space import GrowingSpace


@dataclasses.dataclass(frozen=True)
class Progressive(ArchiveSearcher):
    """Starts with the smallest candidates and grows the best of each stage into the next.

    A stage is a size. It is done when enough of its candidates were told, or when growing the best
    of the size before finds no new ones; a round that a stage cannot fill is filled from the next.
    Of many grown candidates, those the predictor favours are asked. When nothing can be grown any
    more, candidates are sampled from all sizes. The published figures are 8 parents, 256 grown for
    8 that are trained, and 256 trained per stage (which a budget of some hundred candidates would
    spend on the second of the stages: here it is less).

    Attributes:
        space: The space to search; it must be able to grow its candidates.
        num_parents: The best so many of a size are grown.
        candidates_per_stage: A stage with so many candidates told is done.
        oversampling: Candidates grown for each candidate asked.
        predictor: Chooses among the grown.
    """

    space: GrowingSpace
    num_parents: int = 8
    candidates_per_stage: int = 32
    oversampling: int = 32
    predictor: Predictor = dataclasses.field(default_factory=RidgePredictor)

    def ask(self, state: Archive, rng: np.random.Generator, count: int) -> np.ndarray:
        """Propose up to `count` new candidates, `[m, ...]`; see `Searcher.ask`."""
        return fill(
            count,
            self._seeds(state, rng),
            *[self._grown(state, rng, parents) for parents in self._parents(state)],
            self._grown_from_chosen(state, rng),
            self.sampled(state, rng),
        )

    def _parents(self, state: Archive) -> list[np.ndarray]:
        """Return the best candidates of each size whose next size is not done, smallest first."""
        if state.candidates is None:
            return []
        sizes = self.space.size(state.candidates)
        stages, told = np.unique(sizes, return_counts=True)
        told_next = np.append(told[1:], 0)
        open_stages = stages[told_next < self.candidates_per_stage]
        return [state.best(self.num_parents, sizes == size) for size in open_stages]

    def _seeds(self, state: Archive, rng: np.random.Generator) -> Source:
        """Return the source of the smallest candidates: all, or as many as a stage may have."""
        allowed = max(0, self.candidates_per_stage - len(state))
        seeds = partial(self.space.seeds, rng)
        return lambda wanted, chosen: state.gather(seeds, min(wanted, allowed), chosen)

    def _grown(self, state: Archive, rng: np.random.Generator, parents: np.ndarray) -> Source:
        def source(wanted: int, chosen: np.ndarray) -> np.ndarray:
            if len(parents) == 0:
                return parents
            grow = partial(self._grow, rng, parents)
            pool = state.gather(grow, self.oversampling * wanted, chosen)
            return most_promising(state, self.predictor, pool, wanted)

        return source

    def _grown_from_chosen(self, state: Archive, rng: np.random.Generator) -> Source:
        """Return the source that grows what this round holds so far: it fills the first round."""
        return lambda wanted, chosen: self._grown(state, rng, chosen)(wanted, chosen)

    def _grow(self, rng: np.random.Generator, parents: np.ndarray, count: int) -> np.ndarray:
        return np.stack(
            [self.space.grow(rng, parents[rng.integers(len(parents))]) for _ in range(count)]
        )
