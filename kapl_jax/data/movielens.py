"""Readers of MovieLens 100K and 1M (Harper and Konstan, TiiS 2015) as GroupLens publishes them.

Fields of films: year, in decades, genre, and the film itself. Fields of users: gender, age group,
occupation and the first three digits of the zip code, but not the user, as in MeLU.
"""

from __future__ import annotations

import re
from importlib.resources.abc import Traversable

import numpy as np

from kapl_jax.data.rating_cells import NumberedRatings, RatingCells, number_ratings
from kapl_jax.data.rating_features import FeatureRows, join_features
from kapl_jax.data.rating_files import read_member, split_at
from kapl_jax.data.ratings import Field, RatingsTable
from kapl_jax.data.text import TextFile, quote, split_columns

_STARS = (1.0, 5.0)
_RATING_COLUMNS = ("user", "item", "rating", "timestamp")
_YEAR_IN_TITLE = re.compile(r"\(([0-9]{4})\)")
_UNKNOWN = "unknown"
# The order of the flags in u.item.
_GENRES = (
    *(_UNKNOWN, "Action", "Adventure", "Animation", "Children's", "Comedy", "Crime"),
    *("Documentary", "Drama", "Fantasy", "Film-Noir", "Horror", "Musical", "Mystery", "Romance"),
    *("Sci-Fi", "Thriller", "War", "Western"),
)
# MovieLens 1M calls an age group by its least age, and the youngest "1".
_AGE_GROUPS = (1, 18, 25, 35, 45, 50, 56)
_ZIP_DIGITS = 3


def read_movielens_100k(root: Traversable) -> RatingsTable:
    """Read `u.data`, `u.item` and `u.user`.

    Raises:
        UserError: A file cannot be used.
    """
    file = read_member(root / "u.data")
    numbered = _number(file, split_columns(file, _RATING_COLUMNS))
    return _table(numbered, _films_100k(root / "u.item"), _users_100k(root / "u.user"))


def read_movielens_1m(root: Traversable) -> RatingsTable:
    """Read `ratings.dat`, `movies.dat` and `users.dat`.

    Raises:
        UserError: A file cannot be used.
    """
    file = read_member(root / "ratings.dat")
    numbered = _number(file, split_at(file, "::", _RATING_COLUMNS))
    return _table(numbered, _films_1m(root / "movies.dat"), _users_1m(root / "users.dat"))


def _number(file: TextFile, columns: list[list[str]]) -> NumberedRatings:
    users, items, ratings, _ = columns
    lines = np.arange(1, len(ratings) + 1)
    return number_ratings(RatingCells(file.path, users, items, ratings, lines), _STARS)


def _table(numbered: NumberedRatings, films: FeatureRows, users: FeatureRows) -> RatingsTable:
    item_entities, item_warnings = join_features(numbered.items, films, "item", with_name=True)
    user_entities, user_warnings = join_features(numbered.users, users, "user", with_name=False)
    return RatingsTable(
        users=user_entities,
        items=item_entities,
        ratings=numbered.ratings,
        rating_range=_STARS,
        warnings=(*numbered.warnings, *user_warnings, *item_warnings),
    )


def _films_100k(path: Traversable) -> FeatureRows:
    file = read_member(path, "latin-1")
    before = ("item", "title", "release", "video", "address")
    names, titles, releases, _, _, *flags = split_at(file, "|", before + _GENRES, len(before))
    for genre, column in zip(_GENRES, flags, strict=True):
        bad = next((row for row, flag in enumerate(column) if flag not in ("0", "1")), None)
        if bad is not None:
            raise file.error(bad, f"{quote(column[bad])} for the genre {genre}", "0 or 1")
    # Where a title tells no year, the end of the date does: 01-Jan-1995.
    years = [
        _year(title) or (int(release[-4:]) if release[-4:].isdecimal() else 0)
        for title, release in zip(titles, releases, strict=True)
    ]
    genres = [
        tuple(genre for genre, flag in zip(_GENRES, row, strict=True) if flag == "1")
        for row in zip(*flags, strict=True)
    ]
    return _film_rows(file, names, titles, years, genres)


def _films_1m(path: Traversable) -> FeatureRows:
    file = read_member(path, "latin-1")
    names, titles, genres = split_at(file, "::", ("item", "title", "genres"))
    split = [tuple(filter(None, cell.split("|"))) for cell in genres]
    return _film_rows(file, names, titles, list(map(_year, titles)), split)


def _film_rows(
    file: TextFile,
    names: list[str],
    titles: list[str],
    years: list[int],
    genres: list[tuple[str, ...]],
) -> FeatureRows:
    decades: list[tuple[str, ...]] = [(f"{year // 10}0s",) if year else () for year in years]
    known = [tuple(genre for genre in row if genre != _UNKNOWN) for row in genres]
    return FeatureRows(
        path=file.path,
        names=names,
        lines=np.arange(1, len(names) + 1),
        fields=(Field("year", decades), Field("genre", known)),
        titles=tuple(titles),
        years=tuple(years),
    )


def _year(title: str) -> int:
    """Return the last year in brackets in a title, 0 where there is none."""
    years = _YEAR_IN_TITLE.findall(title)
    return int(years[-1]) if years else 0


def _users_100k(path: Traversable) -> FeatureRows:
    file = read_member(path, "latin-1")
    columns = ("user", "age", "gender", "occupation", "zip code")
    names, ages, genders, occupations, zip_codes = split_at(file, "|", columns)
    return _user_rows(file, names, genders, ages, occupations, zip_codes)


def _users_1m(path: Traversable) -> FeatureRows:
    file = read_member(path, "latin-1")
    columns = ("user", "gender", "age", "occupation", "zip code")
    return _user_rows(file, *split_at(file, "::", columns))


def _user_rows(
    file: TextFile,
    names: list[str],
    genders: list[str],
    ages: list[str],
    occupations: list[str],
    zip_codes: list[str],
) -> FeatureRows:
    fields = (
        Field("gender", _single(genders)),
        Field("age", [(_age_group(file, row, age),) for row, age in enumerate(ages)]),
        Field("occupation", _single(occupations)),
        Field("zip", _single([code[:_ZIP_DIGITS] for code in zip_codes])),
    )
    return FeatureRows(file.path, names, np.arange(1, len(names) + 1), fields)


def _single(cells: list[str]) -> list[tuple[str, ...]]:
    return [(cell,) if cell else () for cell in cells]


def _age_group(file: TextFile, row: int, age: str) -> str:
    if not (age.isascii() and age.isdecimal() and int(age) >= _AGE_GROUPS[0]):
        raise file.error(row, f"the age {quote(age)}", "a number of years")
    return str(max(group for group in _AGE_GROUPS if group <= int(age)))
