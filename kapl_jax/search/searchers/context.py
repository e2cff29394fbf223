"""What a method offers to the searchers it lets the user choose from."""

from __future__ import annotations

import dataclasses
from collections.abc import Callable
from typing import Any

import numpy as np

Proxy = Callable[[np.ndarray], np.ndarray]
"""Scores `[n, ...]` candidates cheaply, `float[n]`, as with the weights of a supernet."""

Start = Callable[[np.random.Generator, int], np.ndarray]
"""Draws what a search tries first, `(rng, count) -> [m <= count, ...]`."""

Relaxation = Callable[[], np.ndarray]
"""Trains a relaxed candidate and returns its discretisations, `[m, ...]`, best guess first."""


def _not_offered(*_: object) -> np.ndarray:
    raise NotImplementedError("this method offers no proxy or relaxation to its searchers")


@dataclasses.dataclass(frozen=True)
class SearchContext:
    """The space and what helps to search it; a searcher takes what it needs.

    Proxy and relaxation must give the same when a search is continued.

    Attributes:
        space: The space, a `kapl_jax.search.space.Space`.
        seed: Of what a searcher draws once per search, not once per round.
        proxy: Cheap scores.
        relaxation: Candidates by gradient descent over structures.
        start: What evolution begins with; None for samples of the space.
        pool_size: Candidates that one-shot searchers score by the proxy at a time.
    """

    space: Any
    seed: int
    proxy: Proxy = _not_offered
    relaxation: Relaxation = _not_offered
    start: Start | None = None
    pool_size: int = 1024
