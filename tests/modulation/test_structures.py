import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st
from hypothesis.extra import numpy as hnp

from kapl_jax.errors import UserError
from kapl_jax.modulation.structures import parse_structure, preset, preset_names, structure_text


@given(hnp.arrays(bool, st.tuples(st.integers(1, 6), st.just(4))))
def test_text_and_back(structure):
    text = structure_text(structure)
    found = parse_structure(text, "here")
    assert found.dtype == bool
    np.testing.assert_array_equal(found, structure)
    assert structure_text(found) == text


@pytest.mark.parametrize(
    ("text", "rows"),
    [
        ("-", [[0, 0, 0, 0]]),
        ("max shift; -; scale", [[1, 0, 0, 1], [0, 0, 0, 0], [0, 0, 1, 0]]),
        # The order in which they are named is not the order in which they are applied.
        (" shift  min ;max max", [[0, 1, 0, 1], [1, 0, 0, 0]]),
    ],
)
def test_what_is_written(text, rows):
    np.testing.assert_array_equal(parse_structure(text, "here"), np.array(rows, bool))


@pytest.mark.parametrize(
    ("text", "found"),
    [
        ("max; plus", "'plus' at position 1"),
        ("Max", "'Max' at position 0"),
        ("max;;min", "nothing at position 1"),
        ("", "nothing at position 0"),
    ],
)
def test_what_is_not_understood(text, found):
    with pytest.raises(UserError) as error:
        parse_structure(text, "--structure")
    message = str(error.value)
    assert (
        message == f"--structure: found {found}, expected a dash or some of max, min, scale, shift"
    )


@pytest.mark.parametrize(
    ("name", "row"),
    [
        ("film", [0, 0, 1, 1]),
        ("scale", [0, 0, 1, 0]),
        ("shift", [0, 0, 0, 1]),
        ("none", [0, 0, 0, 0]),
    ],
)
@pytest.mark.parametrize("positions", [1, 3, 4])
def test_presets_are_the_same_everywhere(name, row, positions):
    found = preset(name, positions)
    assert found.dtype == bool
    np.testing.assert_array_equal(found, np.tile(np.array(row, bool), (positions, 1)))


def test_the_published_structure_is_there_for_its_four_positions_only():
    assert preset_names(4) == ("film", "scale", "shift", "none", "coldnas_lastfm")
    assert preset_names(3) == ("film", "scale", "shift", "none")
    expected = [[0, 0, 0, 1], [0, 0, 0, 1], [1, 0, 0, 1], [0, 0, 0, 0]]
    np.testing.assert_array_equal(preset("coldnas_lastfm", 4), np.array(expected, bool))
    with pytest.raises(UserError, match="'coldnas_lastfm' is unknown, expected one of film, scale"):
        preset("coldnas_lastfm", 3)


def test_a_preset_may_be_changed():
    preset("film", 2)[0] = False
    assert preset("film", 2).sum() == 4
