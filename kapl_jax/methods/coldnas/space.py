"""ColdNAS's search space: which operations modulate at which position."""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np

from kapl_jax.modulation.structures import OPERATIONS, structure_text


@dataclass(frozen=True)
class ModulationSpace:
    """Structures bool[C, 4], a `kapl_jax.search.space.GrowingSpace`; all are valid and distinct.

    Attributes:
        positions: C.
    """

    positions: int = 4

    def sample(self, rng: np.random.Generator, count: int) -> np.ndarray:
        """Draw structures; every number of operations is equally likely."""
        cells = self.positions * len(OPERATIONS)
        sizes = rng.integers(0, cells + 1, count)
        places = np.argsort(rng.random((count, cells)), axis=1)
        return (places < sizes[:, None]).reshape(count, self.positions, len(OPERATIONS))

    def mutate(self, rng: np.random.Generator, candidate: np.ndarray) -> np.ndarray:
        """Switch operations on or off, one or two on average."""
        flips = rng.random(candidate.shape) < 1.5 / candidate.size
        return candidate ^ flips

    def cross_over(
        self, rng: np.random.Generator, first: np.ndarray, second: np.ndarray
    ) -> np.ndarray:
        """Take each position from one of two structures."""
        return np.where(rng.random((len(first), 1)) < 0.5, first, second)

    def canonical(self, candidates: np.ndarray) -> np.ndarray:
        """Return the candidates: no two are equivalent."""
        return candidates

    def is_valid(self, candidates: np.ndarray) -> np.ndarray:
        """Tell that all are valid."""
        return np.ones(len(candidates), bool)

    def features(self, candidates: np.ndarray) -> np.ndarray:
        """Return each operation's presence, and the numbers by position and by operation."""
        cells = candidates.astype(np.float32)
        return np.concatenate(
            [cells.reshape(len(cells), -1), cells.sum(axis=1), cells.sum(axis=2)], axis=1
        )

    def describe(self, candidate: np.ndarray) -> str:
        """Return one line, such as `max shift; -; scale; -`."""
        return structure_text(candidate)

    def seeds(self, rng: np.random.Generator, count: int) -> np.ndarray:
        """Return the structures of one operation, in random order."""
        cells = self.positions * len(OPERATIONS)
        single = np.eye(cells, dtype=bool).reshape(cells, self.positions, len(OPERATIONS))
        return rng.permutation(single)[:count]

    def grow(self, rng: np.random.Generator, candidate: np.ndarray) -> np.ndarray:
        """Switch on one operation more."""
        free = np.flatnonzero(~candidate)
        grown = candidate.copy()
        if len(free):
            grown.flat[rng.choice(free)] = True
        return grown

    def size(self, candidates: np.ndarray) -> np.ndarray:
        """Count the operations."""
        return candidates.reshape(len(candidates), -1).sum(axis=1)
