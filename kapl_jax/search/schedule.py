"""How long to train whom: all to the end, or successive halving over epochs."""

from __future__ import annotations

import dataclasses
import math

import numpy as np


@dataclasses.dataclass(frozen=True)
class Schedule:
    """Epochs at which candidates are compared, and the share that goes on from each.

    Attributes:
        rungs: Numbers of epochs, increasing; the last one is the full training.
        keep: Share of the candidates that goes on after each rung, 0 < keep <= 1.
    """

    rungs: tuple[int, ...]
    keep: float = 1.0

    @property
    def epochs(self) -> int:
        """Epochs of a candidate that is never dropped."""
        return self.rungs[-1]

    def survivors(self, rung: int, scores: np.ndarray) -> np.ndarray:
        """Return which of the candidates with `scores` float[n] go on, as sorted indices.

        At least one goes on; of equal scores the earlier one. After the last rung nobody does.
        """
        if rung == len(self.rungs) - 1:
            return np.arange(0)
        count = max(1, math.ceil(len(scores) * self.keep))
        return np.sort(np.argsort(-scores, kind="stable")[:count])

    def cost(self, count: int) -> int:
        """Return the candidate-epochs that `count` candidates take."""
        total, trained = 0, 0
        for rung in self.rungs:
            total += count * (rung - trained)
            trained = rung
            count = max(1, math.ceil(count * self.keep))
        return total


def full_training(epochs: int) -> Schedule:
    """Return the schedule that trains everybody for `epochs`."""
    return Schedule((epochs,))


def successive_halving(epochs: int, factor: int, rungs: int) -> Schedule:
    """Return successive halving: `rungs` rungs, epochs times and candidates over `factor` at each.

    Source: Jamieson and Talwalkar, "Non-stochastic Best Arm Identification and Hyperparameter
    Optimization" (AISTATS 2016).
    """
    steps = sorted({max(1, round(epochs / factor**i)) for i in range(rungs)})
    return Schedule(tuple(steps), 1.0 / factor)
