"""Differentiable search: a relaxed candidate is trained, its discretisations are trained alone."""

from __future__ import annotations

import dataclasses
from functools import cached_property

import numpy as np

from kapl_jax.search.archive import Archive
from kapl_jax.search.searchers.base import ArchiveSearcher, fill
from kapl_jax.search.searchers.context import Relaxation


@dataclasses.dataclass(frozen=True)
class Differentiable(ArchiveSearcher):
    """Asks the discretisations of a relaxed candidate, and when all were asked samples others.

    ColdNAS (Wu et al., WWW 2023) is the case in point: how many operations to keep is left to the
    validation of the structures trained alone.

    Attributes:
        relaxation: Trains the relaxed candidate, once, when first needed.
    """

    relaxation: Relaxation

    def ask(self, state: Archive, rng: np.random.Generator, count: int) -> np.ndarray:
        """Propose up to `count` new candidates, `[m, ...]`; see `Searcher.ask`."""
        found = self._discretisations

        def discrete(wanted: int, chosen: np.ndarray) -> np.ndarray:
            return state.gather(lambda _: found, wanted, chosen)

        return fill(count, discrete, self.sampled(state, rng))

    @cached_property
    def _discretisations(self) -> np.ndarray:
        return self.relaxation()
