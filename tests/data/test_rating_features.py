from pathlib import Path

import numpy as np

from kapl_jax.data.rating_features import FeatureRows, ids_only, join_features
from kapl_jax.data.ratings import Field
from tests.data.rating_folders import error_of


def rows_of(*names, titles=(), years=()):
    fields = (Field("colour", [(f"colour of {name}",) for name in names]),)
    lines = np.arange(2, len(names) + 2)
    return FeatureRows(Path("items.csv"), list(names), lines, fields, titles, years)


def values(entities):
    return {field.name: field.values for field in entities.fields}


def test_rated_come_first_and_keep_their_numbers():
    rows = rows_of("c", "a", "b", titles=("C", "A", "B"), years=(3, 1, 2))
    entities, warnings = join_features(("b", "c"), rows, "item", with_name=True)
    assert entities.names == ("b", "c", "a")
    assert values(entities) == {
        "colour": [("colour of b",), ("colour of c",), ("colour of a",)],
        "item": [("b",), ("c",), ("a",)],
    }
    assert entities.titles == ("B", "C", "A")
    assert entities.years.tolist() == [2, 3, 1]
    assert warnings == ("items.csv:3: 1 of 3 items have no ratings; the first is 'a'",)


def test_missing_features_are_no_values():
    rows = rows_of("a", titles=("A",), years=(1990,))
    entities, warnings = join_features(("x", "a", "y"), rows, "user", with_name=False)
    assert values(entities) == {"colour": [(), ("colour of a",), ()]}
    assert entities.titles == ("x", "A", "y")
    assert entities.years.tolist() == [0, 1990, 0]
    assert warnings == (
        "items.csv: 2 of 3 rated users are missing, taken as unseen; the first is 'x'",
    )


def test_no_titles_and_no_years():
    entities, warnings = join_features(("a",), rows_of("a"), "item", with_name=False)
    assert (entities.titles, entities.years, warnings) == ((), None, ())


def test_features_twice():
    message = error_of(join_features, ("a",), rows_of("a", "b", "a"), "item", with_name=True)
    expected = "items.csv:4: found item 'a', which is on line 2 already, expected every item once"
    assert message == expected


def test_ids_only():
    assert values(ids_only(("a", "b"), "user")) == {"user": [("a",), ("b",)]}
