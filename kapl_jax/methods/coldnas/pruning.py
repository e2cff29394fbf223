"""Which operations of a structure matter: the smallest structure that keeps what it gains.

Structures that a search finds best hold operations that only happened to do no harm. Two rounds of
training tell them apart: each operation is left out once, which gives its importance; then the
operations are taken away one after the other, the least important first.
"""

from __future__ import annotations

import dataclasses
from collections.abc import Callable, Sequence

import numpy as np

TrainMeans = Callable[[int, Sequence[np.ndarray]], np.ndarray]
"""`(round, structures) -> float[n]`: mean scores over seeds, higher is better."""


@dataclasses.dataclass(frozen=True)
class Pruning:
    """What became of a structure.

    Attributes:
        structure: bool[C, 4], the smallest that keeps the gain.
        importance: float[C, 4], by how much the score falls without each operation; 0 for those
            that are not there.
        chain: bool[n + 1, C, 4], from the whole structure to none of its operations.
        scores: float[n + 1] of the chain.
    """

    structure: np.ndarray
    importance: np.ndarray
    chain: np.ndarray
    scores: np.ndarray


def prune(structure: np.ndarray, train: TrainMeans, keep: float) -> Pruning:
    """Find the smallest structure of a chain that keeps a share of the gain.

    The gain is of the whole structure's score over that of no operation at all.

    Args:
        structure: bool[C, 4].
        train: Trains structures; called for two rounds, 0 and 1.
        keep: Share of the gain to keep, 0 to 1.
    """
    cells = np.argwhere(structure)
    removals = [without(structure, cells[place : place + 1]) for place in range(len(cells))]
    first = train(0, [structure, *removals])
    with np.errstate(invalid="ignore"):
        falls = first[0] - first[1:]
    importance = np.zeros(structure.shape)
    importance[tuple(cells.T)] = falls
    order = np.argsort(falls, kind="stable")
    chain = np.stack([without(structure, cells[order[:count]]) for count in range(len(cells) + 1)])
    scores = train(1, list(chain))
    if not np.isfinite(scores[[0, -1]]).all():
        # Something diverged: there is no gain to speak of.
        return Pruning(structure, importance, chain, scores)
    gains = scores - scores[-1]
    # The last one, of no operation, has gained nothing: where the whole gains nothing, it is taken.
    enough = np.flatnonzero(gains >= keep * gains[0])
    return Pruning(chain[enough[-1]], importance, chain, scores)


def without(structure: np.ndarray, cells: np.ndarray) -> np.ndarray:
    """Return `structure` bool[C, 4] without the operations at `cells` int[n, 2]."""
    smaller = structure.copy()
    smaller[tuple(cells.T)] = False
    return smaller
