from pathlib import Path

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from kapl_jax.data.ids import look_up_triples, parse_ids
from kapl_jax.data.parsed_graph import Names
from kapl_jax.data.text import TextFile
from kapl_jax.errors import UserError

PATH = Path("file.txt")
KINDS = ("entity", "relation")


def parse(columns, counts=(10, 5)):
    # The lines are not read again, so only their number matters; the first is line 2.
    return parse_ids(TextFile(PATH, ["?"] * len(columns[0]), 2), columns, KINDS, counts)


@given(st.lists(st.tuples(st.integers(0, 9), st.integers(0, 4)), min_size=1))
def test_ids_are_parsed(rows):
    columns = [[str(row[column]) for row in rows] for column in range(2)]
    np.testing.assert_array_equal(parse(columns), rows)


def test_leading_zeros():
    np.testing.assert_array_equal(parse([["007"], ["04"]]), [[7, 4]])


@pytest.mark.parametrize(
    ("columns", "rest"),
    [
        ([["1", "x"], ["0", "0"]], "found entity id 'x', expected an integer"),
        ([["1", "1.0"], ["0", "0"]], "found entity id '1.0', expected an integer"),
        ([["1", "1_0"], ["0", "0"]], "found entity id '1_0', expected an integer"),
        ([["1", "\u0663"], ["0", "0"]], "found entity id '\u0663', expected an integer"),
        ([["1", "1"], ["0", "r"]], "found relation id 'r', expected an integer"),
        ([["1", "10"], ["0", "0"]], "found entity id 10, expected 0 to 9, as there are 10 of them"),
        ([["1", "1"], ["0", "5"]], "found relation id 5, expected 0 to 4, as there are 5 of them"),
        ([["1", "-1"], ["0", "0"]], "found entity id '-1', expected 0 to 9, as"),
        ([["1", "9" * 40], ["0", "0"]], f"found entity id '{'9' * 40}', expected 0 to 9, as"),
    ],
)
def test_unusable_ids(columns, rest):
    with pytest.raises(UserError) as caught:
        parse(columns)
    assert str(caught.value).startswith(f"file.txt:3: {rest}")


def test_the_first_line_is_reported_whatever_the_column():
    with pytest.raises(UserError, match=r"file.txt:2: found relation id 7"):
        parse([["1", "99"], ["7", "0"]])
    with pytest.raises(UserError, match=r"file.txt:2: found relation id 'x'"):
        parse([["1", "y"], ["x", "0"]])


def names(*words):
    return Names(words, Path(f"{words[0]}.txt"), np.arange(len(words)) + 1)


def test_names_are_looked_up():
    file = TextFile(PATH, ["?"] * 2, 2)
    split = look_up_triples(
        file, [["b", "a"], ["r", "s"], ["a", "a"]], names("a", "b"), names("r", "s")
    )
    np.testing.assert_array_equal(split.triples, [[1, 0, 0], [0, 1, 0]])
    np.testing.assert_array_equal(split.lines, [2, 3])
    assert split.triples.dtype == np.int32


@pytest.mark.parametrize(
    ("row", "rest"),
    [
        (("x", "r", "a"), "unknown entity 'x', expected one of the 2 in a.txt"),
        (("a", "x", "a"), "unknown relation 'x', expected one of the 1 in r.txt"),
        (("a", "r", "x"), "unknown entity 'x', expected one of the 2 in a.txt"),
    ],
)
def test_unknown_names(row, rest):
    columns = [[good, bad] for good, bad in zip(("a", "r", "b"), row, strict=True)]
    with pytest.raises(UserError) as caught:
        look_up_triples(TextFile(PATH, ["?"] * 2), columns, names("a", "b"), names("r"))
    assert str(caught.value) == f"file.txt:2: found {rest}"
