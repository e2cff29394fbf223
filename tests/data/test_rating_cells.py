from pathlib import Path

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from kapl_jax.data.rating_cells import (
    RatingCells,
    distinct_ratings,
    number_ratings,
    parse_ratings,
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
    found = number_ratings(cells(*rows))
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
    found = number_ratings(cells(*rows))
    assert len(found.ratings) == 2
    (warning,) = found.warnings
    expected = "ratings.txt:3: 3 ratings stand there already, dropped; the first is of 'p' by 'a'"
    assert warning == expected


def test_contradiction_names_both_lines():
    rows = [("a", "p", "1"), ("a", "q", "1"), ("a", "p", "2")]
    message = error_of(number_ratings, cells(*rows))
    assert message.startswith("ratings.txt:3: found the rating 2 of 'p' by 'a', expected 1 as on ")
    assert "line 1" in message


@pytest.mark.parametrize("cell", ["", "good", "nan", "inf", "1_0", "1,5", "--1", "1 2", "1e999"])
def test_what_is_no_number(cell):
    message = error_of(parse_ratings, PATH, ["1", cell], lines(2), None)
    assert message == f"ratings.txt:2: found the rating {cell!r}, expected a number"


@pytest.mark.parametrize("cell", ["0", "5.5", "-1", "six"])
def test_rating_outside_of_the_range(cell):
    message = error_of(parse_ratings, PATH, ["1", "5", cell], lines(3), (1.0, 5.0))
    assert message == f"ratings.txt:3: found the rating {cell!r}, expected 1 to 5"


def test_single_repetition_is_singular():
    kept, (warning,) = distinct_ratings(
        PATH, np.array([7, 7]), np.array([1.0, 1.0]), lines(2), lambda row: "it"
    )
    assert kept.tolist() == [True, False]
    assert warning == "ratings.txt:2: 1 rating stands there already, dropped; the first is of it"
