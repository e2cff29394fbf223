"""A search space of independent choices: one index in a list for each of several axes."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any

import numpy as np


@dataclass(frozen=True)
class ChoiceSpace:
    """Candidates `int8[number of axes]`, most of a `kapl_jax.search.space.StructureSpace`.

    A method's space adds what people write, `presets` and `parse`.

    Attributes:
        names: Of the axes.
        axes: The alternatives of each, by which people know them.
    """

    names: tuple[str, ...]
    axes: tuple[tuple[str | int, ...], ...]

    @property
    def _sizes(self) -> np.ndarray:
        return np.array([len(axis) for axis in self.axes])

    def sample(self, rng: np.random.Generator, count: int) -> np.ndarray:
        """Draw each choice alike, `int8[count, axes]`."""
        return rng.integers(0, self._sizes, (count, len(self.axes))).astype(np.int8)

    def start(self, rng: np.random.Generator, count: int) -> np.ndarray:
        """Return what evolution starts from: any."""
        return self.sample(rng, count)

    def mutate(self, rng: np.random.Generator, candidate: np.ndarray) -> np.ndarray:
        """Draw one choice anew, another one where there is another."""
        several = np.flatnonzero(self._sizes > 1)
        mutated = candidate.copy()
        if several.size:
            axis = rng.choice(several)
            step = rng.integers(1, self._sizes[axis])
            mutated[axis] = (candidate[axis] + step) % self._sizes[axis]
        return mutated

    def cross_over(
        self, rng: np.random.Generator, first: np.ndarray, second: np.ndarray
    ) -> np.ndarray:
        """Take each choice from one of the two with equal chance."""
        return np.where(rng.random(first.shape) < 0.5, first, second)

    def canonical(self, candidates: np.ndarray) -> np.ndarray:
        """Return the candidates: no two are equivalent."""
        return candidates

    def is_valid(self, candidates: np.ndarray) -> np.ndarray:
        """Tell which choices are offered, `bool[n]`."""
        return np.all((candidates >= 0) & (candidates < self._sizes), axis=1)

    def features(self, candidates: np.ndarray) -> np.ndarray:
        """Return what is chosen as zeros and ones, `float32[n, alternatives]`."""
        parts = [np.eye(len(axis))[candidates[:, index]] for index, axis in enumerate(self.axes)]
        return np.concatenate(parts, axis=1).astype(np.float32)

    def describe(self, candidate: np.ndarray) -> str:
        """Return the choices, as in `activation=relu, num_layers=4`."""
        return ", ".join(f"{name}={value}" for name, value in self.values(candidate).items())

    def record(self, candidate: np.ndarray) -> dict[str, Any]:
        """Return the choices by name, and as one line."""
        return {"structure": self.values(candidate), "formula": self.describe(candidate)}

    def read(self, record: Mapping[str, Any]) -> np.ndarray:
        """Return the structure of such a record.

        Raises:
            LookupError: It lacks an axis.
            ValueError: It holds an alternative that is not offered.
        """
        return self.candidate(record["structure"])

    def values(self, candidate: np.ndarray) -> dict[str, str | int]:
        """Return what is chosen, by the name of the axis."""
        chosen = zip(self.names, self.axes, candidate, strict=True)
        return {name: axis[index] for name, axis, index in chosen}

    def candidate(self, values: dict[str, str | int]) -> np.ndarray:
        """Return the structure of values by name, `int8[axes]`."""
        indices = [
            axis.index(values[name]) for name, axis in zip(self.names, self.axes, strict=True)
        ]
        return np.array(indices, np.int8)
