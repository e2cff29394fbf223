"""Every searcher on a space that has nothing to do with graphs."""

from __future__ import annotations

import dataclasses
import itertools

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from kapl_jax.search.searchers import (
    REGISTRY,
    Decoupled,
    Differentiable,
    Evolutionary,
    OneShot,
    Progressive,
    Random,
    SearchContext,
)
from tests.search.toy_space import BitStrings, planted_objective


def count_ones(candidates):
    return candidates.sum(axis=1).astype(float)


def make(name, space, **settings):
    context = SearchContext(
        space,
        seed=5,
        proxy=count_ones,
        relaxation=lambda: np.triu(np.ones((space.length, space.length), np.int8)),
    )
    return dataclasses.replace(REGISTRY[name](context), **settings)


def search(searcher, objective, rounds, count, seed=0):
    """Run some rounds; return all candidates asked, by round."""
    state, asked = searcher.init(), []
    for number in range(rounds):
        candidates = searcher.ask(state, np.random.default_rng([seed, number]), count)
        asked.append(candidates)
        scores = objective(candidates) if len(candidates) else np.empty(0)
        state = searcher.tell(state, candidates, scores)
    return asked


@settings(max_examples=30, deadline=None)
@given(
    name=st.sampled_from(sorted(REGISTRY)),
    seed=st.integers(0, 1000),
    counts=st.lists(st.integers(1, 24), min_size=1, max_size=6),
    diverging=st.sampled_from([0.0, 0.5, 1.0]),
)
def test_nothing_is_asked_twice_nor_an_equivalent_nor_anything_invalid(
    name, seed, counts, diverging
):
    space = BitStrings(length=8, fewest=3)  # seeds have two ones: all of them invalid
    searcher = make(name, space)
    rng = np.random.default_rng(seed)
    state, seen = searcher.init(), []
    for count in counts:
        candidates = searcher.ask(state, rng, count)
        assert candidates.shape[1:] == (8,)
        assert len(candidates) <= count
        assert space.is_valid(candidates).all()
        seen.extend(space.canonical(candidates).tolist())
        scores = np.where(rng.random(len(candidates)) < diverging, -np.inf, count_ones(candidates))
        state = searcher.tell(state, candidates, scores)
    assert len(seen) == len({tuple(form) for form in seen})


@pytest.mark.parametrize("name", sorted(REGISTRY))
def test_an_exhausted_space_ends_the_search(name):
    space = BitStrings(length=6)
    asked = search(make(name, space), count_ones, rounds=12, count=4)
    assert len(asked[-1]) == 0
    found = space.canonical(np.concatenate(asked))
    np.testing.assert_array_equal(np.unique(found, axis=0), space.all_classes())


@pytest.mark.parametrize("name", sorted(REGISTRY))
def test_asks_the_same_again_when_replayed_by_another_searcher(name):
    space = BitStrings()
    objective = planted_objective(space, 1, ones=5)
    first = search(make(name, space), objective, rounds=4, count=8)
    again = search(make(name, space), objective, rounds=4, count=8)
    np.testing.assert_array_equal(np.concatenate(first), np.concatenate(again))
    if name not in ("one_shot", "decoupled"):  # whose order does not depend on the generator
        other = search(make(name, space), objective, rounds=4, count=8, seed=1)
        assert not np.array_equal(np.concatenate(first), np.concatenate(other))


@pytest.mark.parametrize("name", sorted(REGISTRY))
def test_asking_changes_no_state_and_every_round_is_full(name):
    searcher = make(name, BitStrings())
    state = searcher.init()
    for number in range(4):
        twice = [searcher.ask(state, np.random.default_rng(number), 16) for _ in range(2)]
        np.testing.assert_array_equal(*twice)
        assert len(twice[0]) == 16
        state = searcher.tell(state, twice[0], count_ones(twice[0]))


@pytest.mark.parametrize(
    "make_searcher",
    [
        lambda space: Evolutionary(space, population_size=5),
        lambda space: Evolutionary(space, start=space.seeds),
        lambda space: Progressive(space, candidates_per_stage=16),
    ],
    ids=["evolutionary", "evolutionary from seeds", "progressive"],
)
def test_beats_random_search_on_a_planted_objective(make_searcher):
    space = BitStrings(length=16)
    gained = []
    for seed in range(8):
        objective = planted_objective(space, seed, ones=5)
        best = [
            objective(np.concatenate(search(searcher, objective, 10, 8, seed))).max()
            for searcher in (make_searcher(space), Random(space))
        ]
        gained.append(best[0] - best[1])
    # The mean gain lies well above its own uncertainty.
    assert np.mean(gained) > 2 * np.std(gained) / np.sqrt(len(gained)) > 0


def test_progressive_goes_up_in_size_and_grows_the_best():
    space = BitStrings(length=12)
    searcher = Progressive(space, num_parents=1, candidates_per_stage=5)

    def first_two_adjacent(candidates):
        return space.features(candidates)[:, 1].astype(float)

    asked = search(searcher, first_two_adjacent, rounds=4, count=5)
    # Five of the six seeds, then stages of one more bit.
    assert [sorted(set(space.size(batch).tolist())) for batch in asked] == [[2], [3], [4], [5]]
    for parents, children in itertools.pairwise(asked):
        best = parents[first_two_adjacent(parents).argmax()]
        # A child holds its parent's ones and one more.
        assert ((children & best) == best).all()


def test_progressive_fills_a_round_larger_than_all_seeds():
    space = BitStrings(length=12)
    batch = Progressive(space).ask(Progressive(space).init(), np.random.default_rng(0), 20)
    assert sorted(space.size(batch).tolist()) == [2] * 6 + [3] * 14


def test_evolutionary_starts_as_told_and_breeds_from_the_best():
    space = BitStrings(length=12)
    searcher = Evolutionary(space, start=space.seeds, population_size=2, crossover_rate=1.0)
    searcher = dataclasses.replace(searcher, mutation_after_crossover=0.0, oversampling=1)
    state = searcher.init()
    first = searcher.ask(state, np.random.default_rng(0), 8)
    assert space.size(first[:6]).tolist() == [2] * 6
    told = np.array([[1] * 8 + [0] * 4, [0] * 2 + [1] * 10, [1, 1] + [0] * 10], np.int8)
    state = searcher.tell(state, told, np.array([0.9, 0.8, 0.1]))
    children = searcher.ask(state, np.random.default_rng(1), 16)
    assert (children[:, 2:8] == 1).all()  # what the two best have in common


def test_one_shot_asks_its_pool_in_order_and_scores_it_once():
    calls = []

    def proxy(candidates):
        calls.append(len(candidates))
        scores = count_ones(candidates)
        scores[scores == 5] = np.nan
        return scores

    space = BitStrings(length=12)
    searcher = OneShot(space, proxy, seed=3, pool_size=40)
    batches = search(searcher, lambda batch: np.zeros(len(batch)), rounds=6, count=8)
    assert calls == [40]
    ones = count_ones(np.concatenate(batches[:5]))
    ones[ones == 5] = -1.0  # not a number: last
    assert (np.diff(ones) <= 0).all()
    assert ones[-1] == -1.0
    assert len(batches[5]) == 8  # beyond the pool: sampled


def test_one_shot_goes_on_after_a_resume_that_only_told():
    space = BitStrings(length=12)
    whole = search(OneShot(space, count_ones, seed=3), count_ones, rounds=3, count=8)
    resumed = OneShot(space, count_ones, seed=3)
    state = resumed.init()
    for batch in whole[:2]:
        state = resumed.tell(state, batch, count_ones(batch))
    np.testing.assert_array_equal(resumed.ask(state, np.random.default_rng(9), 8), whole[2])


def test_decoupled_asks_the_best_of_all_generations():
    calls = []

    def proxy(candidates):
        calls.append(np.array(candidates))
        return count_ones(candidates)

    space = BitStrings(length=12)
    searcher = Decoupled(space, proxy, seed=3, pool_size=10, generations=4)
    batches = search(searcher, lambda batch: np.zeros(len(batch)), rounds=6, count=8)
    assert [len(call) for call in calls] == [10] * 4
    scored = np.concatenate(calls)
    # No candidate is scored twice, and the best of all come first whatever their true score.
    assert len(np.unique(space.canonical(scored), axis=0)) == 40
    expected = np.sort(count_ones(scored))[::-1]
    np.testing.assert_array_equal(count_ones(np.concatenate(batches[:5])), expected)
    assert len(batches[5]) == 8  # beyond what was scored: sampled


def test_decoupled_evolves_under_the_proxy():
    """Later generations score better than the first, which was drawn blindly."""
    space = BitStrings(length=16)
    gained = []
    for seed in range(6):
        objective = planted_objective(space, seed, ones=5)
        means = []

        def proxy(candidates, objective=objective, means=means):
            means.append(objective(candidates).mean())
            return objective(candidates)

        searcher = Decoupled(space, proxy, seed=seed, pool_size=16, generations=6)
        searcher.ask(searcher.init(), np.random.default_rng(0), 4)
        gained.append(means[-1] - means[0])
    assert np.mean(gained) > 2 * np.std(gained) / np.sqrt(len(gained)) > 0


def test_decoupled_puts_what_diverged_last():
    def proxy(candidates):
        return np.where(candidates[:, 0] == 1, -np.inf, count_ones(candidates))

    searcher = Decoupled(BitStrings(length=10), proxy, seed=0, pool_size=12, generations=2)
    asked = searcher.ask(searcher.init(), np.random.default_rng(0), 24)
    diverged = asked[:, 0] == 1
    assert 0 < diverged.sum() < 24
    assert (np.diff(diverged.astype(int)) >= 0).all()


def test_differentiable_asks_discretisations_in_order_then_others():
    space, calls = BitStrings(length=12), []
    found = np.triu(np.ones((12, 12), np.int8))[::-1]

    def relaxation():
        calls.append(1)
        return found

    searcher = Differentiable(space, relaxation)
    first, second, third = search(searcher, count_ones, rounds=3, count=8)
    assert calls == [1]
    # One of them has a single one and is invalid; none is equivalent to another.
    np.testing.assert_array_equal(np.concatenate([first, second])[:11], found[1:])
    assert len(second) == len(third) == 8
    again = Differentiable(space, relaxation)
    state = again.tell(again.init(), first, count_ones(first))
    np.testing.assert_array_equal(again.ask(state, np.random.default_rng([0, 1]), 8), second)


@pytest.mark.parametrize("name", ["one_shot", "decoupled", "differentiable", "evolutionary"])
def test_nothing_is_trained_before_it_is_needed(name):
    def refuse(*_):
        raise AssertionError("too early")

    context = SearchContext(BitStrings(), 0, proxy=refuse, relaxation=refuse, start=refuse)
    searcher = REGISTRY[name](context)
    with pytest.raises(AssertionError, match="too early"):
        searcher.ask(searcher.init(), np.random.default_rng(0), 4)


@pytest.mark.parametrize("name", ["one_shot", "decoupled", "differentiable"])
def test_a_method_that_offers_nothing_cannot_be_searched_so(name):
    searcher = REGISTRY[name](SearchContext(BitStrings(), 0))
    with pytest.raises(NotImplementedError, match="no proxy or relaxation"):
        searcher.ask(searcher.init(), np.random.default_rng(0), 4)
