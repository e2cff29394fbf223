"""The search loop: ask, train, tell, until the budget is spent."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

import numpy as np

from kapl_jax.search.searcher import Searcher

TrainRound = Callable[[int, np.ndarray], np.ndarray]


def run_search(
    searcher: Searcher[Any], train_round: TrainRound, budget: int, round_size: int, seed: int
) -> int:
    """Search until at least `budget` candidates were trained or the space is exhausted.

    The rounds have the same size, so that the programs of the first serve all others. The
    randomness of a round comes from `seed` and its number: a search whose recorded scores are
    replayed goes on as if it had not been interrupted.

    Args:
        searcher: Proposes candidates.
        train_round: `(round, candidates [m, ...]) -> scores float[m]`.
        budget: Candidates to train.
        round_size: Candidates asked for at a time.
        seed: Seed of the search.

    Returns:
        The number of candidates trained.
    """
    state = searcher.init()
    trained, number = 0, 0
    while trained < budget:
        candidates = searcher.ask(state, np.random.default_rng([seed, number]), round_size)
        if len(candidates) == 0:
            break
        scores = train_round(number, candidates)
        state = searcher.tell(state, candidates, scores)
        trained += len(candidates)
        number += 1
    return trained
