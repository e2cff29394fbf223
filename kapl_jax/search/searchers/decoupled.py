"""Decoupled search: weights are trained first, then candidates evolve under the trained weights."""

from __future__ import annotations

import dataclasses
from functools import cached_property

import numpy as np

from kapl_jax.search.archive import Archive
from kapl_jax.search.searchers.base import ArchiveSearcher, fill
from kapl_jax.search.searchers.context import Proxy
from kapl_jax.search.searchers.evolutionary import Evolutionary


@dataclasses.dataclass(frozen=True)
class Decoupled(ArchiveSearcher):
    """Asks the best candidates of an evolution whose scores are a supernet's.

    The two stages of ColdNAS+ (Wu et al., TPAMI 2026): weights that serve many candidates, then a
    stochastic search for the candidate, which needs no gradient and so allows any metric. The
    evolution goes on with the same weights for several generations, since a score costs next to
    nothing; the best of all generations are trained alone.

    Attributes:
        proxy: Scores a generation; must give the same scores when a search is continued.
        seed: Of the evolution.
        pool_size: Candidates of a generation.
        generations: How many.
    """

    proxy: Proxy
    seed: int
    pool_size: int = 256
    generations: int = 8

    def ask(self, state: Archive, rng: np.random.Generator, count: int) -> np.ndarray:
        """Propose up to `count` new candidates, `[m, ...]`; see `Searcher.ask`."""
        untried = self._ranked[~state.contains(self._ranked)]
        return fill(count, lambda wanted, _: untried[:wanted], self.sampled(state, rng))

    @cached_property
    def _ranked(self) -> np.ndarray:
        """All candidates of all generations, best proxy score first."""
        evolution = Evolutionary(self.space)
        state = evolution.init()
        for generation in range(self.generations):
            rng = np.random.default_rng([self.seed, generation])
            candidates = evolution.ask(state, rng, self.pool_size)
            if len(candidates) == 0:
                break
            state = evolution.tell(state, candidates, np.asarray(self.proxy(candidates)))
        found = self.space.sample(np.random.default_rng(0), 1)[:0]
        if state.candidates is None:
            return found
        return state.candidates[np.argsort(-state.scores, kind="stable")]
