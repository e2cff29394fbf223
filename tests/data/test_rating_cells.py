from pathlib import Path

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from kapl_jax.data.rating_cells import (
    RatingCells,
    distinct_ratings,
    number_ratings,
)
from tests.data.rating_folders import error_of

PATH = Path("ratings.txt")


def lines(count):
    return np.arange(1, count + 1)


def cells(*rows):
    users, items, ratings = map(list, zip(*rows, strict=True))
    return RatingCells(PATH, users, items, ratings, lines(len(rows)))


@given(
    st.lists(
        st.tuples(st.sampled_from("abc"), st.sampled_from("pqrs"), st.just("1")),
        min_size=1,
        max_size=20,
    )
)
def test_numbers_stand_for_the_names_of_first_use(rows):
    found = number_ratings(cells(*rows), usual=(0, 5))
    expected = list(dict.fromkeys((user, item) for user, item, _ in rows))
    ratings = found.ratings
    named = [
        (found.users[user], found.items[item])
        for user, item in zip(ratings.users, ratings.items, strict=True)
    ]
    assert named == expected
    assert found.users == tuple(dict.fromkeys(user for user, _, _ in rows))
    assert ratings.lines.tolist() == [rows.index((user, item, "1")) + 1 for user, item in expected]
    assert (len(found.warnings) == 1) == (len(expected) < len(rows))


def test_types():
    ratings = number_ratings(cells(("a", "p", "0.5"), ("b", "p", "-2e1"))).ratings
    assert (ratings.users.dtype, ratings.items.dtype) == (np.int32, np.int32)
    np.testing.assert_array_equal(ratings.values, np.array([0.5, -20], dtype=np.float32))
    assert ratings.values.dtype == np.float32


def test_identical_repetition_is_dropped_and_counted():
    rows = [("a", "p", "1"), ("a", "q", "1"), ("a", "p", "1.0"), ("a", "q", "1"), ("a", "q", "1")]
    found = number_ratings(cells(*rows), usual=(0, 5))
    assert len(found.ratings) == 2
    (warning,) = found.warnings
    expected = "ratings.txt:3: 3 ratings stand there already, dropped; the first is of 'p' by 'a'"
    assert warning == expected


def rated_again(times=()):
    rows = [("a", "p", "1"), ("a", "q", "1"), ("a", "p", "2"), ("b", "p", "4"), ("a", "p", "3")]
    users, items, ratings = map(list, zip(*rows, strict=True))
    return number_ratings(RatingCells(PATH, users, items, ratings, lines(5), list(times)))


def test_of_items_rated_again_the_later_line_counts():
    found = rated_again()
    assert found.ratings.values.tolist() == [1, 4, 3]
    assert found.ratings.lines.tolist() == [2, 4, 5]
    assert found.warnings == (
        "ratings.txt:1: 2 items were rated again by the same user, the later rating counts; the "
        "first is 'p' by 'a', 3 on line 5 for 1",
    )


@pytest.mark.parametrize(
    "times",
    [
        ["10", "1", "9", "1", "8"],
        ["978300760.5", "1", "1", "1", "978300760"],
        ["2001-01-02", "x", "2001-01-01", "y", "1999-12-31"],
        ["2001-01-02 10:00:00", "", "2001-01-02 09:59:59", "", "2001-01-01T23:00:00Z"],
    ],
)
def test_time_decides_where_it_is_told(times):
    found = rated_again(times)
    assert found.ratings.lines.tolist() == [1, 2, 4]
    assert "2 items were rated again" in found.warnings[0]
    assert "the first is 'p' by 'a', 1 on line 1 for 2" in found.warnings[0]


def test_line_decides_between_equal_times():
    assert rated_again(["7", "0", "7", "0", "7"]).ratings.lines.tolist() == [2, 4, 5]


def test_a_time_that_is_none():
    message = error_of(rated_again, ["7", "soon", "soon", "soon", "7"])
    assert message == (
        "ratings.txt:3: found the time 'soon' of a rating that was made again, expected a number "
        "or a date like 2024-12-31"
    )


def test_single_repetition_is_singular():
    kept, (warning,) = distinct_ratings(
        PATH, np.array([7, 7]), np.array([1.0, 1.0]), lines(2), lambda row: "it"
    )
    assert kept.tolist() == [True, False]
    assert warning == "ratings.txt:2: 1 rating stands there already, dropped; the first is of it"
