"""What a searcher may ask of the space it searches, and nothing more."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any, Protocol

import numpy as np


class Space(Protocol):
    """A set of candidates, each one array of the same shape and dtype; batches lead with an axis n.

    All randomness comes from the generator that is passed in, so that a search can be replayed.
    """

    def sample(self, rng: np.random.Generator, count: int) -> np.ndarray:
        """Draw valid candidates, `[count, ...]`, not necessarily distinct."""
        ...

    def mutate(self, rng: np.random.Generator, candidate: np.ndarray) -> np.ndarray:
        """Return a random neighbour of `candidate`; it may be invalid or equal to it."""
        ...

    def cross_over(
        self, rng: np.random.Generator, first: np.ndarray, second: np.ndarray
    ) -> np.ndarray:
        """Return a random mixture of two candidates; it may be invalid."""
        ...

    def canonical(self, candidates: np.ndarray) -> np.ndarray:
        """Return for each of `[n, ...]` the representative of its equivalence class, `[n, ...]`."""
        ...

    def is_valid(self, candidates: np.ndarray) -> np.ndarray:
        """Tell for each of `[n, ...]` whether it is worth training, `bool[n]`."""
        ...

    def features(self, candidates: np.ndarray) -> np.ndarray:
        """Return what the performance predictor sees of `[n, ...]`, `float32[n, F]`.

        Equivalent candidates have equal features.
        """
        ...

    def describe(self, candidate: np.ndarray) -> str:
        """Return one line for people."""
        ...


class StructureSpace(Space, Protocol):
    """A space whose candidates people write and read, as every method's is."""

    def start(self, rng: np.random.Generator, count: int) -> np.ndarray:
        """Return up to `count` candidates that evolution starts from, `[m, ...]`, the simplest."""
        ...

    def presets(self) -> dict[str, np.ndarray]:
        """Return the candidates of the literature by name."""
        ...

    def parse(self, text: str, source: str) -> np.ndarray:
        """Return the candidate that `text` describes; it is none of the presets' names.

        Args:
            text: As people write it.
            source: Where it is from, for the error.

        Raises:
            UserError: It describes none.
        """
        ...

    def record(self, candidate: np.ndarray) -> dict[str, Any]:
        """Return what results.json says of a candidate: `structure`, `formula` and the like."""
        ...

    def read(self, record: Mapping[str, Any]) -> np.ndarray:
        """Return the structure of such a record.

        Raises:
            LookupError: It lacks something.
            ValueError: It says what this version does not know.
        """
        ...


class GrowingSpace(Space, Protocol):
    """A space whose candidates have a size and can be grown, as progressive search needs."""

    def seeds(self, rng: np.random.Generator, count: int) -> np.ndarray:
        """Return up to `count` distinct candidates of the smallest size, `[m, ...]`."""
        ...

    def grow(self, rng: np.random.Generator, candidate: np.ndarray) -> np.ndarray:
        """Return `candidate` enlarged by one stage at random; it may be invalid."""
        ...

    def size(self, candidates: np.ndarray) -> np.ndarray:
        """Return the size of each of `[n, ...]`, `int[n]`."""
        ...
