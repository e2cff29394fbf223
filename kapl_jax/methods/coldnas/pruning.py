"""Which operations of a structure matter: the smallest structure that keeps what it gains.

Structures that a search finds best hold operations that only happened to do no harm. To tell them
apart each operation is left out once; those that are not missed are taken away one after the other,
the least missed first, as long as the gain is kept; and so on with what is left, since an operation
that disturbs the training hides what the others are worth.
"""

from __future__ import annotations

import dataclasses
from collections.abc import Callable, Sequence

import numpy as np

Train = Callable[[int, Sequence[np.ndarray]], np.ndarray]
"""`(round, structures) -> float[n]`: scores, of the best of some seeds; higher is better."""


@dataclasses.dataclass(frozen=True)
class Pruning:
    """What became of a structure.

    Attributes:
        structure: bool[C, 4], the smallest that keeps the gain.
        importance: float[C, 4], by how much the score falls without each operation, when it was
            last left out alone; 0 for those that are not there.
        chain: bool[n, C, 4], the whole structure, what was left after each pass, and none at all.
        scores: float[n] of the chain.
    """

    structure: np.ndarray
    importance: np.ndarray
    chain: np.ndarray
    scores: np.ndarray


def prune(structure: np.ndarray, train: Train, keep: float) -> Pruning:
    """Find a small part of a structure that keeps a share of the gain.

    The gain is that of the best part seen over no operation at all; where there is none, nothing is
    kept. Where no operation at all diverges, nothing is taken away.

    Args:
        structure: bool[C, 4].
        train: Trains structures, round after round.
        keep: Share of the gain to keep, 0 to 1.
    """
    nothing = np.zeros_like(structure)
    importance = np.zeros(structure.shape)
    current, chain, scores = structure, list[np.ndarray](), list[float]()
    floor, best, number = np.nan, -np.inf, 0
    while current.any():
        cells = np.argwhere(current)
        removals = [without(current, cells[index : index + 1]) for index in range(len(cells))]
        found = train(number, [current, *removals, *([] if chain else [nothing])])
        floor = floor if chain else float(found[-1])
        own, left = float(found[0]), found[1 : 1 + len(cells)]
        chain.append(current)
        scores.append(own)
        best = max(best, own, *left)
        if np.isfinite(floor) and best <= floor:
            # No part is better than nothing.
            return _pruning(nothing, importance, chain, scores, floor)
        with np.errstate(invalid="ignore"):
            importance[tuple(cells.T)] = own - left
            enough = floor + keep * (best - floor)
        # The least missed first; comparisons with what is not a number find nothing to take away.
        order = np.argsort(-left, kind="stable")
        order = order[left[order] >= enough]
        if len(order) == 0:
            break
        smaller = [without(current, cells[order[:count]]) for count in range(2, len(order) + 1)]
        kept = train(number + 1, smaller) >= enough if smaller else np.zeros(0, bool)
        taken = 1 if not kept.any() else 2 + int(np.flatnonzero(kept)[-1])
        current = without(current, cells[order[:taken]])
        number += 2
    return _pruning(current, importance, chain, scores, floor)


def without(structure: np.ndarray, cells: np.ndarray) -> np.ndarray:
    """Return `structure` bool[C, 4] without the operations at `cells` int[n, 2]."""
    smaller = structure.copy()
    smaller[tuple(cells.T)] = False
    return smaller


def _pruning(
    structure: np.ndarray,
    importance: np.ndarray,
    chain: Sequence[np.ndarray],
    scores: Sequence[float],
    floor: float,
) -> Pruning:
    # A structure without operations was never trained: it is its own chain.
    whole = [*chain, np.zeros_like(structure)]
    return Pruning(structure, importance, np.stack(whole), np.array([*scores, floor]))
