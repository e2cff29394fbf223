"""From the cells of a ratings file to numbers, each user and item rated once."""

from __future__ import annotations

import re
from collections.abc import Callable
from dataclasses import dataclass
from pathlib import Path

import numpy as np

from kapl_jax.data.ratings import Ratings
from kapl_jax.data.text import line_error, quote

_NUMBER = re.compile(r"[+-]?([0-9]+\.?[0-9]*|\.[0-9]+)([eE][+-]?[0-9]{1,2})?")


@dataclass(frozen=True, eq=False)
class RatingCells:
    """Columns of a ratings file as written, with the line of each row."""

    path: Path
    users: list[str]
    items: list[str]
    ratings: list[str]
    lines: np.ndarray


@dataclass(frozen=True, eq=False)
class NumberedRatings:
    """Ratings with the names that their numbers stand for, in the order of first use."""

    users: tuple[str, ...]
    items: tuple[str, ...]
    ratings: Ratings
    warnings: tuple[str, ...]


def number_ratings(
    cells: RatingCells, rating_range: tuple[float, float] | None = None
) -> NumberedRatings:
    """Number users and items, read the ratings and drop those that stand there again.

    Args:
        cells: At least one row.
        rating_range: The least and the largest rating allowed; None allows any number.

    Raises:
        UserError: A rating is no number or out of range, or a user rates an item twice and
            differently.
    """
    users, user_names = _number(cells.users)
    items, item_names = _number(cells.items)
    values = parse_ratings(cells.path, cells.ratings, cells.lines, rating_range)
    kept, warnings = distinct_ratings(
        cells.path,
        users.astype(np.int64) * len(item_names) + items,
        values,
        cells.lines,
        lambda row: f"{quote(cells.items[row])} by {quote(cells.users[row])}",
    )
    ratings = Ratings(cells.path, users[kept], items[kept], values[kept], cells.lines[kept])
    return NumberedRatings(user_names, item_names, ratings, warnings)


def parse_ratings(
    path: Path, cells: list[str], lines: np.ndarray, rating_range: tuple[float, float] | None
) -> np.ndarray:
    """Read written ratings as `float32[R]`.

    Raises:
        UserError: A cell is no number, or a number out of `rating_range`.
    """
    low, high = rating_range or (-np.inf, np.inf)
    # There are few different ratings however long the file is.
    values = {cell: float(cell) for cell in set(cells) if _NUMBER.fullmatch(cell)}
    usable = {cell: value for cell, value in values.items() if low <= value <= high}
    if len(usable) < len(set(cells)):
        row, cell = next((row, cell) for row, cell in enumerate(cells) if cell not in usable)
        expected = f"{low:g} to {high:g}" if rating_range else "a number"
        raise line_error(path, int(lines[row]), f"the rating {quote(cell)}", expected)
    return np.fromiter(map(usable.__getitem__, cells), np.float32, len(cells))


def distinct_ratings(
    path: Path,
    keys: np.ndarray,
    values: np.ndarray,
    lines: np.ndarray,
    describe: Callable[[int], str],
) -> tuple[np.ndarray, tuple[str, ...]]:
    """Find ratings that stand there more than once.

    Args:
        path: Their file.
        keys: `int64[R]`, equal for ratings of the same item by the same user.
        values: `float32[R]`, the ratings.
        lines: `int64[R]`, their lines.
        describe: Says for a row who rates what.

    Returns:
        `bool[R]`, True for the first of each key, and a warning if there are others.

    Raises:
        UserError: Two of a key differ.
    """
    _, first_of_key, key_of_row = np.unique(keys, return_index=True, return_inverse=True)
    first = first_of_key[key_of_row]
    differing = values != values[first]
    if differing.any():
        row = int(np.argmax(differing))
        found = f"the rating {values[row]:g} of {describe(row)}"
        before = f"{values[first[row]]:g} as on line {lines[first[row]]}, or one of the two lines"
        raise line_error(path, int(lines[row]), found, before)
    kept = first == np.arange(len(keys))
    if kept.all():
        return kept, ()
    row, count = int(np.argmin(kept)), int((~kept).sum())
    noun = "rating stands" if count == 1 else "ratings stand"
    warning = f"{count} {noun} there already, dropped; the first is of {describe(row)}"
    return kept, (f"{path}:{lines[row]}: {warning}",)


def _number(cells: list[str]) -> tuple[np.ndarray, tuple[str, ...]]:
    """Number names in the order of first use: `int32[R]` and the names."""
    numbers = {name: number for number, name in enumerate(dict.fromkeys(cells))}
    return np.fromiter(map(numbers.__getitem__, cells), np.int32, len(cells)), tuple(numbers)
