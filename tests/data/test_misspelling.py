"""Names that were meant: found by how they look, and told so that the difference is seen."""

from __future__ import annotations

import unicodedata

import pytest

from kapl_jax.data.misspelling import quote_unknown, similar_to
from kapl_jax.data.text import LONGEST_QUOTE

E_ACUTE = "caf\u00e9"


@pytest.mark.parametrize(
    ("given", "meant", "told"),
    [
        ("Berlin\xa0", "Berlin", r"'Berlin\xa0' (did you mean 'Berlin'"),
        ("New York", "New\xa0York", r"'New York' (did you mean 'New\xa0York'"),
        ("ann\u200b", "ann", r"'ann\u200b' (did you mean 'ann'"),
        ("ann\ufe0f", "ann", r"'ann\ufe0f' (did you mean 'ann'"),
        ("ann\t", "ann", r"'ann\t' (did you mean 'ann'"),
        (E_ACUTE, unicodedata.normalize("NFD", E_ACUTE), r"'caf\xe9' (did you mean 'cafe\u0301'"),
        ("\u0430nn", "ann", r"'\u0430nn' (did you mean 'ann'"),
        ("it\u2019s", "it's", r"'it\u2019s' (did you mean 'it's'"),
        ("brazil", "Brazil", "'brazil' (did you mean 'Brazil'"),
        ("United States", "united_states", "'United States' (did you mean 'united_states'"),
        ("北京\u3000", "北京", r"'北京\u3000' (did you mean '北京'"),
    ],
)
def test_what_differs_unseen_comes_first_and_is_seen(given, meant, told):
    # The others have more letters in common with what was given.
    others = [f"{given}{letter}" for letter in "xyz"]
    assert similar_to(given, [*others, meant])[0] == meant
    assert quote_unknown(given, [*others, meant]).startswith(told)


def test_names_of_few_other_letters():
    known = ["antibiotic", "bacterium", "virus"]
    assert quote_unknown("antibiotics", known) == "'antibiotics' (did you mean 'antibiotic'?)"
    assert quote_unknown("virsu", known) == "'virsu' (did you mean 'virus'?)"
    assert quote_unknown("xyz", known) == "'xyz'"
    assert quote_unknown("xyz", []) == "'xyz'"
    assert similar_to("xyz", ["", "abc"]) == []


def test_long_names_are_cut_around_their_difference():
    given, meant = "x" * 200 + "a" + "y" * 100, "x" * 200 + "b" + "y" * 100
    told = quote_unknown(given, [meant])
    assert "xa" in told
    assert "xb" in told
    assert len(told) < 3 * LONGEST_QUOTE


def test_all_is_on_one_line():
    assert "\n" not in quote_unknown("two\nlines", ["two lines", "two\u2028lines"])


def test_of_many_names_it_takes_no_time_worth_telling():
    """A comparison of every pair of letters would take a minute; this one is not noticed."""
    names = [f"{number:08d}" for number in range(40_000)]
    for number in range(200):
        assert quote_unknown(f"0000{number:05d}", names)
