"""One-shot search: shared weights rank many candidates, the best are then trained alone."""

from __future__ import annotations

import dataclasses
from functools import cached_property, partial

import numpy as np

from kapl_jax.search.archive import Archive
from kapl_jax.search.searchers.base import ArchiveSearcher, fill
from kapl_jax.search.searchers.context import Proxy


@dataclasses.dataclass(frozen=True)
class OneShot(ArchiveSearcher):
    """Asks the candidates of a random pool in the order of their proxy scores.

    The pool follows from `seed`, not from the generator of the round that happens to ask first, so
    that it is the same whenever and however often it is made; it is scored once, when first needed.

    Attributes:
        proxy: Scores the pool; must give the same scores when a search is continued.
        seed: Of the pool.
        pool_size: Candidates in the pool. When all of them were asked, others are sampled.
    """

    proxy: Proxy
    seed: int
    pool_size: int = 1024

    def ask(self, state: Archive, rng: np.random.Generator, count: int) -> np.ndarray:
        """Propose up to `count` new candidates, `[m, ...]`; see `Searcher.ask`."""
        untried = self._ranked_pool[~state.contains(self._ranked_pool)]
        return fill(count, lambda wanted, _: untried[:wanted], self.sampled(state, rng))

    @cached_property
    def _ranked_pool(self) -> np.ndarray:
        """Distinct valid candidates, best proxy score first."""
        sample = partial(self.space.sample, np.random.default_rng(self.seed))
        pool = Archive(self.space).gather(sample, self.pool_size)
        # Sorting puts scores that are not numbers last.
        return pool[np.argsort(-np.asarray(self.proxy(pool)), kind="stable")]
