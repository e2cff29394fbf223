from pathlib import Path

import pytest

from kapl_jax.data.names import listed_names, names_of_first_use, numbered_names
from kapl_jax.data.text import TextFile
from kapl_jax.errors import UserError


def file_of(*lines):
    return TextFile(Path("names.txt"), list(lines))


def test_listed_names_may_hold_spaces():
    names = listed_names(file_of("new york", " oslo "))
    assert names.names == ("new york", "oslo")
    assert names.ids == {"new york": 0, "oslo": 1}
    assert names.lines.tolist() == [1, 2]


def test_numbered_names_are_put_in_the_order_of_their_ids():
    names = numbered_names(file_of("c 2", "new york\t0", "b  1"), "entity")
    assert names.names == ("new york", "b", "c")
    assert names.lines.tolist() == [2, 3, 1]


def test_names_of_first_use():
    names = names_of_first_use(file_of("?", "?"), ["b", "c"], ["a", "b"])
    assert names.names == ("b", "a", "c")
    assert names.lines.tolist() == [1, 1, 2]


@pytest.mark.parametrize(
    ("lines", "rest"),
    [
        (["a", "b", "a"], "3: found 'a', which is on line 1 already, expected every name once"),
        (["a", "", "b"], "2: found a blank line, expected one name and no more"),
        (["a", "b\t1"], r"2: found 'b\t1', expected one name and no more"),
    ],
)
def test_unusable_lists(lines, rest):
    with pytest.raises(UserError) as caught:
        listed_names(file_of(*lines))
    assert str(caught.value) == f"names.txt:{rest}"


@pytest.mark.parametrize(
    ("lines", "rest"),
    [
        (["a 0", "a 1"], "2: found 'a', which is on line 1 already, expected every name once"),
        (["a 0", "b 0"], "2: found entity id 0 for the second time, expected every id once"),
        (["a 0", "b 2"], "2: found entity id 2, expected 0 to 1, as there are 2 of them"),
        (["a 0", "b x"], "2: found entity id 'x', expected an integer"),
        (["a 0", "b"], "2: found 'b', expected two columns: entity and its id"),
        (["a 0", "", "b 1"], "2: found a blank line, expected two columns: entity and its id"),
    ],
)
def test_unusable_numbered_lists(lines, rest):
    with pytest.raises(UserError) as caught:
        numbered_names(file_of(*lines), "entity")
    assert str(caught.value) == f"names.txt:{rest}"
