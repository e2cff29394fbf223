"""Random search: new candidates as the space samples them."""

from __future__ import annotations

import dataclasses

import numpy as np

from kapl_jax.search.archive import Archive
from kapl_jax.search.searchers.base import ArchiveSearcher, fill


@dataclasses.dataclass(frozen=True)
class Random(ArchiveSearcher):
    """The baseline that every other searcher has to beat."""

    def ask(self, state: Archive, rng: np.random.Generator, count: int) -> np.ndarray:
        """Propose up to `count` new candidates, `[m, ...]`; see `Searcher.ask`."""
        return fill(count, self.sampled(state, rng))
