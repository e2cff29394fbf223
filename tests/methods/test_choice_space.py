"""A space of independent choices."""

from __future__ import annotations

import numpy as np
import pytest

from kapl_jax.methods.choice_space import ChoiceSpace

SPACE = ChoiceSpace(("colour", "one", "size"), (("red", "green", "blue"), ("only",), (3, 5)))


def candidates():
    return np.array([[a, 0, b] for a in range(3) for b in range(2)], np.int8)


def test_samples_are_valid_and_all_come():
    drawn = SPACE.sample(np.random.default_rng(0), 200)
    assert drawn.shape == (200, 3)
    assert drawn.dtype == np.int8
    assert SPACE.is_valid(drawn).all()
    found, counts = np.unique(drawn, axis=0, return_counts=True)
    np.testing.assert_array_equal(found, candidates())
    assert counts.min() > 15


def test_a_mutation_changes_exactly_one_choice_that_can_change():
    rng, seen = np.random.default_rng(0), set()
    for one in candidates():
        for _ in range(30):
            before = one.copy()
            mutated = SPACE.mutate(rng, one)
            np.testing.assert_array_equal(one, before)
            assert SPACE.is_valid(mutated[None])[0]
            assert mutated.dtype == np.int8
            (changed,) = np.flatnonzero(mutated != one)
            seen.add((int(changed), int(one[changed]), int(mutated[changed])))
    # Each step of each axis is taken: 3 * 2 of colours and 2 * 1 of sizes.
    assert len(seen) == 8


def test_a_space_of_one_candidate_has_no_mutation():
    space = ChoiceSpace(("one", "two"), (("a",), (1,)))
    only = np.zeros(2, np.int8)
    np.testing.assert_array_equal(space.mutate(np.random.default_rng(0), only), only)


def test_a_child_has_each_choice_of_a_parent():
    rng = np.random.default_rng(0)
    first, second = np.array([0, 0, 0], np.int8), np.array([2, 0, 1], np.int8)
    children = {tuple(SPACE.cross_over(rng, first, second).tolist()) for _ in range(60)}
    assert children == {(0, 0, 0), (0, 0, 1), (2, 0, 0), (2, 0, 1)}


def test_what_is_not_offered_is_not_valid():
    given = np.array([[0, 0, 0], [3, 0, 0], [0, 1, 0], [0, 0, 2], [-1, 0, 0], [2, 0, 1]], np.int8)
    assert SPACE.is_valid(given).tolist() == [True, False, False, False, False, True]


def test_no_two_candidates_are_equivalent():
    np.testing.assert_array_equal(SPACE.canonical(candidates()), candidates())
    assert len({SPACE.describe(one) for one in candidates()}) == len(candidates())


def test_features_tell_what_is_chosen():
    found = SPACE.features(np.array([[2, 0, 1], [0, 0, 0]], np.int8))
    assert found.dtype == np.float32
    assert found.tolist() == [[0, 0, 1, 1, 0, 1], [1, 0, 0, 1, 1, 0]]


def test_values_and_back():
    for one in candidates():
        np.testing.assert_array_equal(SPACE.candidate(SPACE.values(one)), one)
    assert SPACE.values(np.array([1, 0, 1])) == {"colour": "green", "one": "only", "size": 5}
    assert SPACE.describe(np.array([1, 0, 1])) == "colour=green, one=only, size=5"
    assert SPACE.candidate(SPACE.values(candidates()[0])).dtype == np.int8


def test_values_that_are_not_offered_have_no_candidate():
    with pytest.raises(ValueError, match="not in tuple"):
        SPACE.candidate({"colour": "pink", "one": "only", "size": 3})
