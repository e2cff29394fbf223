"""Reader of ratings in CSV: `user,item,rating`, maybe with tables of users' and items' features.

The first column of `users.csv` and `items.csv` is the name, the others are categorical; values
separated by `|` are multi-hot. A column `title` of items is what people call them, and a column
`year` tells the scenarios that divide items by year which are new. Any of the files may be `.tsv`.
"""

from __future__ import annotations

from importlib.resources.abc import Traversable

from kapl_jax.data.rating_cells import NumberedRatings, RatingCells, number_ratings
from kapl_jax.data.rating_features import FeatureRows, ids_only, join_features
from kapl_jax.data.rating_files import read_csv, required_columns
from kapl_jax.data.ratings import Entities, Field, RatingsTable
from kapl_jax.data.text import line_error, quote

_COLUMNS = ("user", "item", "rating")
_VALUE_SEPARATOR = "|"


def read_csv_folder(root: Traversable) -> RatingsTable:
    """Read `ratings.csv`, and `users.csv` and `items.csv` where they are there.

    Raises:
        UserError: A file cannot be used.
    """
    ratings, users, items = (_table_named(root, name) for name in ("ratings", "users", "items"))
    assert ratings is not None  # The folder was found by it.
    return _read(ratings, users, items)


def read_csv_file(path: Traversable) -> RatingsTable:
    """Read one file of ratings; the names of users and items are their only features.

    Raises:
        UserError: The file cannot be used.
    """
    return _read(path, None, None)


def _table_named(root: Traversable, name: str) -> Traversable | None:
    files = (root / f"{name}{ending}" for ending in (".csv", ".tsv"))
    return next((file for file in files if file.is_file()), None)


def _read(
    ratings: Traversable, users: Traversable | None, items: Traversable | None
) -> RatingsTable:
    table = read_csv(ratings, ",".join(_COLUMNS))
    names, rated, values = required_columns(table, _COLUMNS)
    numbered = number_ratings(RatingCells(table.path, names, rated, values, table.lines))
    user_entities, user_warnings = _entities(numbered.users, users, "user")
    item_entities, item_warnings = _entities(numbered.items, items, "item")
    return RatingsTable(
        users=user_entities,
        items=item_entities,
        ratings=numbered.ratings,
        rating_range=_range(numbered),
        warnings=(*numbered.warnings, *user_warnings, *item_warnings),
    )


def _range(numbered: NumberedRatings) -> tuple[float, float]:
    ratings = numbered.ratings
    low, high = float(ratings.values.min()), float(ratings.values.max())
    if low == high:
        found = f"the rating {low:g} and no other"
        raise line_error(ratings.path, int(ratings.lines[0]), found, "different ratings")
    return low, high


def _entities(
    rated: tuple[str, ...], path: Traversable | None, noun: str
) -> tuple[Entities, tuple[str, ...]]:
    if path is None:
        return ids_only(rated, noun), ()
    # Items stay items with what is known of them; of users MeLU takes what is known alone.
    return join_features(rated, _feature_rows(path, noun), noun, with_name=noun == "item")


def _feature_rows(path: Traversable, noun: str) -> FeatureRows:
    table = read_csv(path, f"{noun}, then its features")
    name_column, *columns = table.columns
    names = required_columns(table, (name_column,))[0]
    has_titles = noun == "item" and "title" in columns
    features = [column for column in columns if not (has_titles and column == "title")]
    if not columns:
        expected = f"at least one feature after the {noun}"
        raise line_error(table.path, 1, f"the header {quote(','.join(table.columns))}", expected)
    if noun in features:
        raise line_error(table.path, 1, f"a feature called {noun}", f"{noun} as first column only")
    years = tuple(map(_year, table.columns.get("year", ())))
    return FeatureRows(
        path=table.path,
        names=names,
        lines=table.lines,
        fields=tuple(Field(name, list(map(_values, table.columns[name]))) for name in features),
        titles=tuple(table.columns["title"]) if has_titles else (),
        years=years if any(years) else (),
    )


def _values(cell: str) -> tuple[str, ...]:
    stripped = (value.strip() for value in cell.split(_VALUE_SEPARATOR))
    return tuple(dict.fromkeys(filter(None, stripped)))


def _year(cell: str) -> int:
    return int(cell) if cell.isascii() and cell.isdecimal() and len(cell) == 4 else 0
