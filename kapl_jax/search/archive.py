"""What a search has tried so far, and the one filter that all searchers share."""

from __future__ import annotations

import dataclasses
from collections.abc import Callable

import numpy as np

from kapl_jax.search.space import Space

Propose = Callable[[int], np.ndarray]
"""Draws about so many candidates, `[n, ...]`, without regard for what was tried."""

# Proposals are filtered in batches; a few large ones are much faster than many small ones.
_SMALLEST_BATCH = 64
_MOST_BATCHES = 16
_PATIENCE = 512


@dataclasses.dataclass(frozen=True, eq=False)
class Archive:
    """The history of a search. Immutable: `add` returns another.

    Attributes:
        space: The space searched.
        candidates: `[n, ...]` in the order they were told; None before the first.
        scores: `float64[n]`, higher is better, -inf for what diverged.
        seen: Bytes of the canonical form of every candidate.
    """

    space: Space
    candidates: np.ndarray | None = None
    scores: np.ndarray = dataclasses.field(default_factory=lambda: np.empty(0))
    seen: frozenset[bytes] = frozenset()

    def __len__(self) -> int:
        """Count the candidates told."""
        return len(self.scores)

    def add(self, candidates: np.ndarray, scores: np.ndarray) -> Archive:
        """Return the archive with these candidates in it.

        Args:
            candidates: `[m, ...]`.
            scores: `float[m]`; a score that is not a number is taken for -inf.

        Returns:
            The larger archive.

        Raises:
            ValueError: if there are not as many scores as candidates.
        """
        scores = np.asarray(scores, np.float64)
        if scores.shape != (len(candidates),):
            raise ValueError(f"scores of shape {scores.shape} for {len(candidates)} candidates")
        if len(candidates) == 0:
            return self
        told = [candidates] if self.candidates is None else [self.candidates, candidates]
        return dataclasses.replace(
            self,
            candidates=np.concatenate(told),
            scores=np.append(self.scores, np.where(np.isnan(scores), -np.inf, scores)),
            seen=self.seen.union(self._keys(candidates)),
        )

    def contains(self, candidates: np.ndarray) -> np.ndarray:
        """Tell for each of `[n, ...]` whether it or an equivalent was told, `bool[n]`."""
        return np.array([key in self.seen for key in self._keys(candidates)], bool)

    def best(self, count: int, among: np.ndarray | None = None) -> np.ndarray:
        """Return the `[m <= count, ...]` best candidates, best first, without diverged ones.

        Args:
            count: How many at most.
            among: `bool[n]`, which candidates may be taken; all by default.

        Returns:
            The candidates; of equal scores the earlier comes first. None told: an empty array.
        """
        if self.candidates is None:
            return np.empty(0)
        order = np.argsort(-self.scores, kind="stable")
        eligible = self.scores > -np.inf
        if among is not None:
            eligible = eligible & among
        return self.candidates[order[eligible[order]][:count]]

    def gather(self, propose: Propose, count: int, besides: np.ndarray | None = None) -> np.ndarray:
        """Propose until `count` new candidates are found, or it seems that there are no more.

        A candidate is new if it is valid and equivalent neither to one told, nor to one in
        `besides`, nor to another that is returned.

        Args:
            propose: Called with the number still missing (at least 64), at most 16 times, and no
                more after 512 proposals in a row without a new one.
            count: Candidates wanted.
            besides: `[k, ...]` chosen already, though not told.

        Returns:
            `[m <= count, ...]` in the order proposed.
        """
        taken = set() if besides is None else set(self._keys(besides))
        found: list[np.ndarray] = []
        missing, fruitless = count, 0
        for _ in range(_MOST_BATCHES):
            batch = max(missing, _SMALLEST_BATCH)
            found.append(self._take_new(propose(batch), taken)[:missing])
            missing -= len(found[-1])
            fruitless = 0 if len(found[-1]) else fruitless + batch
            if missing <= 0 or fruitless >= _PATIENCE:
                break
        return np.concatenate(found)

    def _take_new(self, candidates: np.ndarray, taken: set[bytes]) -> np.ndarray:
        """Return the new ones of `candidates`, and enter all that are left out into `taken`."""
        if len(candidates) == 0:
            return candidates
        candidates = candidates[self.space.is_valid(candidates)]
        new = []
        for index, key in enumerate(self._keys(candidates)):
            if key not in self.seen and key not in taken:
                taken.add(key)
                new.append(index)
        return candidates[new]

    def _keys(self, candidates: np.ndarray) -> list[bytes]:
        if len(candidates) == 0:
            return []
        return [form.tobytes() for form in self.space.canonical(candidates)]
