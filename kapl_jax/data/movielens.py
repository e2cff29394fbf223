"""Readers of MovieLens (Harper and Konstan, TiiS 2015) as GroupLens publishes it.

100K (`u.data`), 1M and 10M (`ratings.dat`); later ones are CSV, see `rating_csv`, and share the
films' file with it. Fields of films: year, in decades, genre, and the film itself. Fields of users,
where they are told: gender, age group, occupation and the first three digits of the zip code, but
not the user, as in MeLU.
"""

from __future__ import annotations

import re
from collections.abc import Callable
from importlib.resources.abc import Traversable
from pathlib import Path

import numpy as np

from kapl_jax.data.rating_cells import NumberedRatings, number_ratings
from kapl_jax.data.rating_columns import read_rating_cells
from kapl_jax.data.rating_features import FeatureRows, ids_only, join_features
from kapl_jax.data.rating_files import CsvTable, filled_columns, read_member, split_at
from kapl_jax.data.rating_range import ANY_RATING, AllowedRatings
from kapl_jax.data.ratings import Entities, Field, RatingsTable
from kapl_jax.data.text import TextFile, quote

_HALF_STARS = frozenset(("0.5", "1.5", "2.5", "3.5", "4.5"))
_YEAR_IN_TITLE = re.compile(r"\(([0-9]{4})\)")
_NO_GENRE = ("unknown", "(no genres listed)")
# The order of the flags in u.item.
_GENRES = (
    *("unknown", "Action", "Adventure", "Animation", "Children's", "Comedy", "Crime"),
    *("Documentary", "Drama", "Fantasy", "Film-Noir", "Horror", "Musical", "Mystery", "Romance"),
    *("Sci-Fi", "Thriller", "War", "Western"),
)
# MovieLens 1M calls an age group by its least age, and the youngest "1".
_AGE_GROUPS = (1, 18, 25, 35, 45, 50, 56)
_ZIP_DIGITS = 3
_MOST_DIGITS = 3


def read_movielens_100k(root: Traversable, allowed: AllowedRatings = ANY_RATING) -> RatingsTable:
    """Read `u.data`, and `u.item` and `u.user` where they are there.

    Raises:
        UserError: A file cannot be used.
    """
    numbered = _number(root / "u.data", allowed)
    return _table(numbered, root, ("u.item", _films_100k), ("u.user", _users_100k))


def read_movielens_dat(root: Traversable, allowed: AllowedRatings = ANY_RATING) -> RatingsTable:
    """Read `ratings.dat`, and `movies.dat` and `users.dat` where they are there (1M and 10M).

    Raises:
        UserError: A file cannot be used.
    """
    numbered = _number(root / "ratings.dat", allowed)
    return _table(numbered, root, ("movies.dat", _films_dat), ("users.dat", _users_1m))


def _number(path: Traversable, allowed: AllowedRatings) -> NumberedRatings:
    """Number the ratings; 100K and 1M have whole stars only, 10M and later ones half stars."""
    cells = read_rating_cells(path)
    has_halves = not _HALF_STARS.isdisjoint(cells.ratings)
    return number_ratings(cells, allowed, (0.5, 5.0) if has_halves else (1.0, 5.0))


def _table(
    numbered: NumberedRatings,
    root: Traversable,
    films: tuple[str, Callable[[Traversable], FeatureRows]],
    users: tuple[str, Callable[[Traversable], FeatureRows]],
) -> RatingsTable:
    """Join the ratings to films and users: the name of the file of either, and its reader."""
    item_entities, item_warnings = _entities(numbered.items, root, "item", *films)
    user_entities, user_warnings = _entities(numbered.users, root, "user", *users)
    return RatingsTable(
        users=user_entities,
        items=item_entities,
        ratings=numbered.ratings,
        rating_range=numbered.rating_range,
        warnings=(*numbered.warnings, *user_warnings, *item_warnings),
    )


def _entities(
    rated: tuple[str, ...],
    root: Traversable,
    noun: str,
    file: str,
    read: Callable[[Traversable], FeatureRows],
) -> tuple[Entities, tuple[str, ...]]:
    if not (root / file).is_file():
        return ids_only(rated, noun), ()
    return join_features(rated, read(root / file), noun, with_name=noun == "item")


def is_film_table(table: CsvTable) -> bool:
    """Tell whether a table is MovieLens's of films: movieId, title and genres."""
    header = (name.casefold().replace("_", "") for name in table.columns)
    return tuple(header) == ("movieid", "title", "genres")


def film_rows(table: CsvTable) -> FeatureRows:
    """Return the films of such a table.

    Raises:
        UserError: A film has no id or no title.
    """
    movie, title, genre = table.columns
    names, titles = filled_columns(table, [movie, title])
    genres = list(map(_split_genres, table.columns[genre]))
    return _film_rows(table.path, table.lines, names, titles, list(map(_year, titles)), genres)


def _films_100k(path: Traversable) -> FeatureRows:
    file = read_member(path, or_latin_1=True)
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
        tuple(
            genre
            for genre, flag in zip(_GENRES, row, strict=True)
            if flag == "1" and genre not in _NO_GENRE
        )
        for row in zip(*flags, strict=True)
    ]
    return _film_rows(file.path, _lines(file), names, titles, years, genres)


def _films_dat(path: Traversable) -> FeatureRows:
    file = read_member(path, or_latin_1=True)
    names, titles, genres = split_at(file, "::", ("item", "title", "genres"))
    years, split = list(map(_year, titles)), list(map(_split_genres, genres))
    return _film_rows(file.path, _lines(file), names, titles, years, split)


def _split_genres(cell: str) -> tuple[str, ...]:
    return tuple(genre for genre in cell.split("|") if genre and genre not in _NO_GENRE)


def _lines(file: TextFile) -> np.ndarray:
    return file.first_line + np.arange(len(file.lines))


def _film_rows(
    path: Path,
    lines: np.ndarray,
    names: list[str],
    titles: list[str],
    years: list[int],
    genres: list[tuple[str, ...]],
) -> FeatureRows:
    decades: list[tuple[str, ...]] = [(f"{year // 10}0s",) if year else () for year in years]
    return FeatureRows(
        path=path,
        names=names,
        lines=lines,
        fields=(Field("year", decades), Field("genre", genres)),
        titles=tuple(titles),
        years=tuple(years),
    )


def _year(title: str) -> int:
    """Return the last year in brackets in a title, 0 where there is none."""
    years = _YEAR_IN_TITLE.findall(title)
    return int(years[-1]) if years else 0


def _users_100k(path: Traversable) -> FeatureRows:
    file = read_member(path, or_latin_1=True)
    columns = ("user", "age", "gender", "occupation", "zip code")
    names, ages, genders, occupations, zip_codes = split_at(file, "|", columns)
    return _user_rows(file, names, genders, ages, occupations, zip_codes)


def _users_1m(path: Traversable) -> FeatureRows:
    file = read_member(path, or_latin_1=True)
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
    return FeatureRows(file.path, names, _lines(file), fields)


def _single(cells: list[str]) -> list[tuple[str, ...]]:
    return [(cell,) if cell else () for cell in cells]


def _age_group(file: TextFile, row: int, age: str) -> str:
    is_age = age.isascii() and age.isdecimal() and len(age) <= _MOST_DIGITS
    if not (is_age and int(age) >= _AGE_GROUPS[0]):
        raise file.error(row, f"the age {quote(age)}", "a number of years")
    return str(max(group for group in _AGE_GROUPS if group <= int(age)))
