"""What all searchers have in common: the archive is their whole state."""

from __future__ import annotations

import dataclasses
from collections.abc import Callable
from functools import partial

import numpy as np

from kapl_jax.search.archive import Archive
from kapl_jax.search.predictor import Predictor
from kapl_jax.search.space import Space

Source = Callable[[int, np.ndarray], np.ndarray]
"""`(wanted, chosen [k, ...]) -> [m <= wanted, ...]`: new candidates beside those chosen already."""


@dataclasses.dataclass(frozen=True)
class ArchiveSearcher:
    """A searcher whose proposals follow from the archive and the generator alone.

    Attributes:
        space: The space to search.
    """

    space: Space

    def init(self) -> Archive:
        """Return the empty archive."""
        return Archive(self.space)

    def tell(self, state: Archive, candidates: np.ndarray, scores: np.ndarray) -> Archive:
        """Return the archive with these candidates and their scores `float[m]` in it."""
        return state.add(candidates, scores)

    def sampled(self, state: Archive, rng: np.random.Generator) -> Source:
        """Return the source of what the space samples, the last resort of every searcher."""
        return lambda wanted, chosen: state.gather(partial(self.space.sample, rng), wanted, chosen)


def fill(count: int, *sources: Source) -> np.ndarray:
    """Take candidates from the first source, and from each next one those still missing.

    Args:
        count: Candidates wanted.
        *sources: At least one.

    Returns:
        `[m <= count, ...]`, m < count when the sources have no more.
    """
    chosen = sources[0](count, np.empty(0))
    for source in sources[1:]:
        missing = count - len(chosen)
        if missing <= 0:
            break
        more = source(missing, chosen)
        chosen = np.concatenate([chosen, more]) if len(chosen) else more
    return chosen


def most_promising(
    archive: Archive, predictor: Predictor, pool: np.ndarray, count: int
) -> np.ndarray:
    """Return the `count` candidates of `pool` with the highest predicted scores, best first.

    Nothing can be predicted before something was scored: then they are the first of the pool.
    """
    if archive.candidates is None or len(pool) == 0 or not np.isfinite(archive.scores).any():
        return pool[:count]
    features = archive.space.features
    predicted = predictor.predict(features(archive.candidates), archive.scores, features(pool))
    return pool[np.argsort(-predicted.mean, kind="stable")[:count]]
