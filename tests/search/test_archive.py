"""The archive: what counts as new, and what is best."""

from __future__ import annotations

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from kapl_jax.search.archive import Archive
from tests.search.toy_space import BitStrings

SPACE = BitStrings(length=6)


def bits(*strings):
    return np.array([[int(bit) for bit in string] for string in strings], np.int8)


def slow_class(candidate):
    return min(tuple(np.roll(candidate, shift).tolist()) for shift in range(len(candidate)))


def test_contains_equivalents_of_what_was_told_and_nothing_else():
    archive = Archive(SPACE).add(bits("110000", "101010"), np.array([0.5, 0.1]))
    known = archive.contains(bits("000011", "100001", "010101", "111000", "101000"))
    assert known.tolist() == [True, True, True, False, False]
    assert len(archive) == 2


def test_adding_leaves_the_former_archive_alone():
    before = Archive(SPACE).add(bits("110000"), np.array([0.5]))
    before.add(bits("111000"), np.array([0.7]))
    assert len(before) == 1
    assert not before.contains(bits("111000")).any()


def test_best_come_in_order_without_diverged_ones():
    archive = Archive(SPACE)
    archive = archive.add(bits("110000", "111000"), np.array([0.3, -np.inf]))
    archive = archive.add(bits("111100", "111110"), np.array([np.nan, 0.9]))
    archive = archive.add(bits("101010"), np.array([0.3]))
    expected = bits("111110", "110000", "101010")
    np.testing.assert_array_equal(archive.best(10), expected)
    np.testing.assert_array_equal(archive.best(1), expected[:1])
    few = archive.best(10, among=archive.candidates.sum(axis=1) < 4)
    np.testing.assert_array_equal(few, expected[1:])


def test_an_empty_archive_knows_and_offers_nothing():
    archive = Archive(SPACE)
    assert len(archive.best(3)) == 0
    assert archive.contains(bits("110000")).tolist() == [False]
    assert archive.add(bits()[:0], np.empty(0)) is archive


def test_scores_must_match_candidates():
    with pytest.raises(ValueError, match="for 2 candidates"):
        Archive(SPACE).add(bits("110000", "101010"), np.array([0.5]))


STRINGS = st.lists(st.lists(st.integers(0, 1), min_size=6, max_size=6), max_size=40)


@settings(max_examples=60, deadline=None)
@given(told=STRINGS, chosen=STRINGS, proposed=STRINGS, count=st.integers(1, 20))
def test_gathers_the_first_new_ones_in_order(told, chosen, proposed, count):
    arrays = [np.array(rows, np.int8).reshape(-1, 6) for rows in (told, chosen, proposed)]
    told, chosen, proposed = arrays
    archive = Archive(SPACE).add(told, np.zeros(len(told)))
    found = archive.gather(lambda _: proposed, count, chosen)

    excluded = {slow_class(row) for row in (*told, *chosen)}
    expected = []
    for row in proposed:
        if row.sum() >= 2 and slow_class(row) not in excluded:
            excluded.add(slow_class(row))
            expected.append(row.tolist())
    assert found.tolist() == expected[:count]
    assert found.shape[1:] == (6,)
    assert found.dtype == np.int8


def test_gathering_asks_again_for_what_is_missing():
    strings = iter([bits("110000", "110000"), bits("000011", "111000"), bits("101010")])
    found = Archive(SPACE).gather(lambda _: next(strings), 3)
    assert found.tolist() == bits("110000", "111000", "101010").tolist()


def test_gathering_gives_up_on_an_exhausted_space():
    everything = SPACE.all_classes()
    archive = Archive(SPACE).add(everything, np.zeros(len(everything)))
    rng = np.random.default_rng(0)
    assert archive.gather(lambda n: SPACE.sample(rng, n), 5).shape == (0, 6)
