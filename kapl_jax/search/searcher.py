"""The contract of every searcher: ask for candidates, tell their scores."""

from __future__ import annotations

from typing import Protocol, TypeVar

import numpy as np

State = TypeVar("State")


class Searcher(Protocol[State]):
    """A search strategy as pure functions over a frozen state.

    It knows a space through `kapl_jax.search.space.Space` and nothing of what is trained. The same
    calls with the same generators give the same candidates, so that an interrupted search is
    continued by replaying its recorded scores.
    """

    def init(self) -> State:
        """Return the state before anything was tried."""
        ...

    def ask(self, state: State, rng: np.random.Generator, count: int) -> np.ndarray:
        """Propose `[m, ...]` new candidates, m <= count; m == 0 means that none is left.

        None is invalid, and none is equivalent to another or to one told before.
        """
        ...

    def tell(self, state: State, candidates: np.ndarray, scores: np.ndarray) -> State:
        """Take in the scores `float[m]` of `candidates` (higher is better, -inf: diverged)."""
        ...
