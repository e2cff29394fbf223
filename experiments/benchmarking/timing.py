"""Timing several programs in turn, so that what disturbs one disturbs the others, too."""

from __future__ import annotations

import dataclasses
from collections.abc import Callable, Sequence

import numpy as np


@dataclasses.dataclass(frozen=True)
class Case:
    """A program to time.

    Attributes:
        name: Its name in tables.
        measure: Runs it once, warmed up, and returns the seconds that a unit of work took.
    """

    name: str
    measure: Callable[[], float]


@dataclasses.dataclass(frozen=True)
class Timing:
    """The seconds that a unit of work took, over the rounds.

    Attributes:
        median: The median.
        low: The fastest.
        high: The slowest.
    """

    median: float
    low: float
    high: float

    @property
    def rate(self) -> float:
        """Units of work a second, by the median."""
        return 1.0 / self.median


def alternate(cases: Sequence[Case], rounds: int) -> dict[str, Timing]:
    """Time the cases one after the other, `rounds` times over.

    Each case is run once before the clock counts, so that compilation is left out.
    """
    for case in cases:
        case.measure()
    seconds: dict[str, list[float]] = {case.name: [] for case in cases}
    for _ in range(rounds):
        for case in cases:
            seconds[case.name].append(case.measure())
    return {
        name: Timing(float(np.median(values)), min(values), max(values))
        for name, values in seconds.items()
    }
