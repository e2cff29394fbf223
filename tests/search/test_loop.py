from __future__ import annotations

import numpy as np
import pytest

from kapl_jax.search.loop import run_search
from kapl_jax.search.searchers import Evolutionary, Progressive, Random
from tests.search.toy_space import BitStrings, planted_objective


class Counting:
    """Asks 0, 1, 2, ... up to a limit, and keeps what it was told."""

    def __init__(self, limit: int) -> None:
        self.limit = limit
        self.told = []

    def init(self):
        return 0

    def ask(self, state, rng, count):
        return np.arange(state, min(state + count, self.limit))

    def tell(self, state, candidates, scores):
        self.told += list(zip(candidates.tolist(), scores.tolist(), strict=True))
        return state + len(candidates)


@pytest.mark.parametrize(("budget", "trained"), [(8, 8), (9, 12), (1, 4), (0, 0), (100, 22)])
def test_rounds_are_equal_until_budget_or_space_is_spent(budget, trained):
    rounds = []

    def train_round(number, candidates):
        rounds.append((number, len(candidates)))
        return candidates * 0.5

    searcher = Counting(22)
    assert run_search(searcher, train_round, budget, 4, 0) == trained
    assert searcher.told == [(i, i * 0.5) for i in range(trained)]
    assert [number for number, _ in rounds] == list(range(len(rounds)))
    assert {size for _, size in rounds[:-1]} <= {4}


def test_every_round_has_its_own_randomness():
    drawn = []

    class Drawing(Counting):
        def ask(self, state, rng, count):
            drawn.append(rng.random())
            return super().ask(state, rng, count)

    for seed in (0, 0, 1):
        run_search(Drawing(100), lambda number, candidates: candidates * 0.5, 12, 4, seed)
    assert drawn[:3] == drawn[3:6]
    assert len(set(drawn)) == 6


def search(searcher, seed, rounds=None, upto=10**9):
    """Search; rounds before `upto` are replayed from `rounds`, the others computed."""
    score = planted_objective(searcher.space, 5, 4)
    asked = []

    def train_round(number, candidates):
        asked.append(candidates)
        if rounds is not None and number < upto:
            np.testing.assert_array_equal(candidates, rounds[number])
        return score(candidates)

    run_search(searcher, train_round, 40, 8, seed)
    return asked


@pytest.mark.parametrize("make", [Random, Evolutionary, Progressive])
def test_a_replayed_search_goes_on_as_the_undisturbed_one(make):
    """A search has no hidden state: another process asks the same, round by round."""
    undisturbed = search(make(BitStrings()), 3)
    again = search(make(BitStrings()), 3, undisturbed)
    np.testing.assert_array_equal(np.concatenate(undisturbed), np.concatenate(again))
    other = search(make(BitStrings()), 4)
    assert not np.array_equal(np.concatenate(undisturbed), np.concatenate(other))


@pytest.mark.parametrize("make", [Random, Evolutionary, Progressive])
def test_a_small_space_is_exhausted(make):
    space = BitStrings(5)
    asked = search(make(space), 0)
    assert len(np.concatenate(asked)) == len(space.all_classes())
