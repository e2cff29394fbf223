"""Readers of tables of ratings, maybe with tables of users' and items' features.

The columns of ratings are found by the usual words, see `rating_columns`. The first column of
`users.csv` and `items.csv` is the name, the others are categorical; values separated by `|` are
multi-hot. A column `title` of items is what people call them, and a column `year` tells the
scenarios that divide items by year which are new. Any of the files may be `.tsv`. MovieLens has
`movies.csv` in place of `items.csv`; RecBole has `NAME.inter`, `NAME.user` and `NAME.item`.
"""

from __future__ import annotations

from collections.abc import Set
from importlib.resources.abc import Traversable

from kapl_jax.data.movielens import film_rows, is_film_table
from kapl_jax.data.rating_cells import number_ratings
from kapl_jax.data.rating_columns import read_rating_cells
from kapl_jax.data.rating_features import FeatureRows, ids_only, join_features
from kapl_jax.data.rating_files import CsvTable, files_like, filled_columns, no_header, read_csv
from kapl_jax.data.rating_range import ANY_RATING, NUMBER, AllowedRatings
from kapl_jax.data.ratings import Entities, Field, RatingsTable
from kapl_jax.data.text import line_error, quote
from kapl_jax.errors import UserError

# Of RecBole, written behind the name of a column.
_KINDS = ("token", "token_seq", "float", "float_seq")
_VALUE_SEPARATOR = "|"


def read_csv_folder(root: Traversable, allowed: AllowedRatings = ANY_RATING) -> RatingsTable:
    """Read `ratings.csv`, and `users.csv` and `items.csv` or `movies.csv` where they are there.

    Raises:
        UserError: A file cannot be used.
    """
    ratings, users, items = (_table_named(root, name) for name in ("ratings", "users", "items"))
    assert ratings is not None  # The folder was found by it.
    films = root / "movies.csv"
    return _read(ratings, users, items or (films if films.is_file() else None), allowed)


def read_inter_folder(root: Traversable, allowed: AllowedRatings = ANY_RATING) -> RatingsTable:
    """Read RecBole's `NAME.inter`, and `NAME.user` and `NAME.item` where they are there.

    Raises:
        UserError: A file cannot be used, or there are several of ratings.
    """
    ratings, *others = files_like(root, "*.inter")
    if others:
        found = f"{ratings.name} and {others[0].name}"
        raise UserError(f"{root}: found {found}, expected all ratings in one .inter file")
    name = ratings.name.removesuffix(".inter")
    users, items = (root / f"{name}.{noun}" for noun in ("user", "item"))
    return _read(
        ratings, users if users.is_file() else None, items if items.is_file() else None, allowed
    )


def read_ratings_file(path: Traversable, allowed: AllowedRatings = ANY_RATING) -> RatingsTable:
    """Read one file of ratings; the names of users and items are their only features.

    Raises:
        UserError: The file cannot be used.
    """
    return _read(path, None, None, allowed)


def _table_named(root: Traversable, name: str) -> Traversable | None:
    files = (root / f"{name}{ending}" for ending in (".csv", ".tsv"))
    return next((file for file in files if file.is_file()), None)


def _read(
    ratings: Traversable,
    users: Traversable | None,
    items: Traversable | None,
    allowed: AllowedRatings,
) -> RatingsTable:
    numbered = number_ratings(read_rating_cells(ratings), allowed)
    user_entities, user_warnings = _entities(numbered.users, users, "user")
    item_entities, item_warnings = _entities(numbered.items, items, "item")
    return RatingsTable(
        users=user_entities,
        items=item_entities,
        ratings=numbered.ratings,
        rating_range=numbered.rating_range,
        warnings=(*numbered.warnings, *user_warnings, *item_warnings),
    )


def _entities(
    rated: tuple[str, ...], path: Traversable | None, noun: str
) -> tuple[Entities, tuple[str, ...]]:
    if path is None:
        return ids_only(rated, noun), ()
    table = read_csv(path, f"{noun}, then its features")
    is_films = noun == "item" and is_film_table(table)
    rows = film_rows(table) if is_films else _feature_rows(table, noun, frozenset(rated))
    # Items stay items with what is known of them; of users MeLU takes what is known alone.
    return join_features(rated, rows, noun, with_name=noun == "item")


def _feature_rows(table: CsvTable, noun: str, rated: Set[str]) -> FeatureRows:
    name_column, *columns = table.columns
    if name_column in rated or NUMBER.fullmatch(name_column):
        raise no_header(table.path, table.columns, f"{noun}, then its features")
    if not columns:
        expected = f"at least one feature after the {noun}"
        raise line_error(table.path, 1, f"the header {quote(name_column)}", expected)
    (names,) = filled_columns(table, [name_column])
    fields = [_feature(name, cells) for name, cells in list(table.columns.items())[1:]]
    titles = next((name for name in columns if noun == "item" and _is_title(name)), None)
    features = [field for name, field in zip(columns, fields, strict=True) if name != titles]
    if noun in (field.name for field in features):
        raise line_error(table.path, 1, f"a feature called {noun}", f"{noun} as first column only")
    years = tuple(map(_year, next((table.columns[name] for name in columns if _is_year(name)), ())))
    return FeatureRows(
        path=table.path,
        names=names,
        lines=table.lines,
        fields=tuple(features),
        titles=tuple(table.columns[titles]) if titles is not None else (),
        years=years if any(years) else (),
    )


def _feature(column: str, cells: list[str]) -> Field:
    """Return a feature; RecBole writes `genres:token_seq`, with blanks between the values."""
    name, _, kind = column.partition(":")
    separated = (
        cell.replace(" ", _VALUE_SEPARATOR) if kind.endswith("_seq") else cell for cell in cells
    )
    return Field(name if kind in _KINDS else column, list(map(_values, separated)))


def _is_title(column: str) -> bool:
    return column == "title" or column in ("title:token_seq", "movie_title:token_seq")


def _is_year(column: str) -> bool:
    return column in (
        "year",
        "year:token",
        "release_year:token",
        "year:float",
        "release_year:float",
    )


def _values(cell: str) -> tuple[str, ...]:
    stripped = (value.strip() for value in cell.split(_VALUE_SEPARATOR))
    return tuple(dict.fromkeys(filter(None, stripped)))


def _year(cell: str) -> int:
    return int(cell) if cell.isascii() and cell.isdecimal() and len(cell) == 4 else 0
