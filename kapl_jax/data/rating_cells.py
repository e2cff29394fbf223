"""From the cells of a ratings file to numbers, each user and item rated once."""

from __future__ import annotations

import re
from collections.abc import Callable, Sequence
from dataclasses import dataclass, field, replace
from pathlib import Path

import numpy as np

from kapl_jax.data.rating_range import ANY_RATING, AllowedRatings, parse_ratings, range_of
from kapl_jax.data.ratings import Ratings
from kapl_jax.data.text import line_error, quote

_NUMBER_OF_TIME = re.compile(r"[+-]?[0-9]{1,30}(\.[0-9]{0,30})?")
_DATE = re.compile(r"[0-9]{4}-[0-9]{2}-[0-9]{2}([T ][0-9:.]{1,30}Z?)?")


@dataclass(frozen=True, eq=False)
class RatingCells:
    """Columns of a ratings file as written, with the line of each row.

    `times` is empty where the file does not say when the ratings were made.
    """

    path: Path
    users: list[str]
    items: list[str]
    ratings: list[str]
    lines: np.ndarray
    times: list[str] = field(default_factory=list)


@dataclass(frozen=True, eq=False)
class NumberedRatings:
    """Ratings with the names that their numbers stand for, in the order of first use."""

    users: tuple[str, ...]
    items: tuple[str, ...]
    ratings: Ratings
    rating_range: tuple[float, float]
    warnings: tuple[str, ...]


def number_ratings(
    cells: RatingCells,
    allowed: AllowedRatings = ANY_RATING,
    usual: tuple[float, float] | None = None,
) -> NumberedRatings:
    """Number users and items, read the ratings and drop those that stand there again.

    Args:
        cells: At least one row.
        allowed: The ratings that the user allows.
        usual: The range of the format; None if it has none, so that the data tell.

    Raises:
        UserError: A rating is no number or out of range, or all are the same.
    """
    users, user_names = _number(cells.users)
    items, item_names = _number(cells.items)
    limits = allowed.limits or usual
    values, clipped = parse_ratings(
        cells.path, cells.ratings, cells.lines, replace(allowed, limits=limits)
    )
    kept, repeated = distinct_ratings(
        cells.path,
        users.astype(np.int64) * len(item_names) + items,
        values,
        cells.lines,
        lambda row: f"{quote(cells.items[row])} by {quote(cells.users[row])}",
        cells.times,
    )
    ratings = Ratings(cells.path, users[kept], items[kept], values[kept], cells.lines[kept])
    found, far = (
        range_of(cells.path, ratings.values, ratings.lines) if limits is None else (limits, ())
    )
    return NumberedRatings(user_names, item_names, ratings, found, (*clipped, *repeated, *far))


def distinct_ratings(
    path: Path,
    keys: np.ndarray,
    values: np.ndarray,
    lines: np.ndarray,
    describe: Callable[[int], str],
    times: Sequence[str] = (),
) -> tuple[np.ndarray, tuple[str, ...]]:
    """Find ratings that stand there more than once: the later one counts.

    Args:
        path: Their file.
        keys: `int64[R]`, equal for ratings of the same item by the same user.
        values: `float32[R]`, the ratings.
        lines: `int64[R]`, their lines.
        describe: Says for a row who rates what.
        times: When each was made, as written; empty if the order of lines tells.

    Returns:
        `bool[R]`, True for one of each key, and warnings: how many were the same, how many differ.

    Raises:
        UserError: What tells the order of two of a key is no time.
    """
    _, first_of_key, key_of_row, counts = np.unique(
        keys, return_index=True, return_inverse=True, return_counts=True
    )
    if counts.max() == 1:
        return np.ones(len(keys), dtype=bool), ()
    differs = np.zeros(len(counts), dtype=bool)
    differs[key_of_row[values != values[first_of_key[key_of_row]]]] = True
    # Of equal ratings the first is kept, of others the latest.
    chosen = first_of_key.copy()
    again = np.flatnonzero(differs[key_of_row])
    in_order = again[np.argsort(_moments(path, again, lines, times), kind="stable")]
    chosen[key_of_row[in_order]] = in_order
    kept = np.zeros(len(keys), dtype=bool)
    kept[chosen] = True
    same = np.flatnonzero(~kept & ~differs[key_of_row])
    earlier = np.flatnonzero(~kept & differs[key_of_row])
    warnings = []
    if same.size:
        noun = "rating stands" if same.size == 1 else "ratings stand"
        what = f"{same.size} {noun} there already, dropped; the first is of {describe(same[0])}"
        warnings.append(f"{path}:{lines[same[0]]}: {what}")
    if earlier.size:
        noun = "item was rated" if earlier.size == 1 else "items were rated"
        row, later = earlier[0], chosen[key_of_row[earlier[0]]]
        what = (
            f"{earlier.size} {noun} again by the same user, the later rating counts; the first is"
        )
        change = f"{values[later]:g} on line {lines[later]} for {values[row]:g}"
        warnings.append(f"{path}:{lines[row]}: {what} {describe(row)}, {change}")
    return kept, tuple(warnings)


def _moments(
    path: Path, rows: np.ndarray, lines: np.ndarray, times: Sequence[str]
) -> Sequence[float] | np.ndarray:
    """Return what sorts the given rows by time, numbers or dates; rows themselves without times."""
    if not times:
        return rows
    written = [times[row] for row in rows]
    if all(map(_DATE.fullmatch, written)):
        return np.array(written)
    wrong = next(
        (index for index, time in enumerate(written) if not _NUMBER_OF_TIME.fullmatch(time)), None
    )
    if wrong is not None:
        found = f"the time {quote(written[wrong])} of a rating that was made again"
        raise line_error(path, int(lines[rows[wrong]]), found, "a number or a date like 2024-12-31")
    return np.array(list(map(float, written)))


def _number(cells: list[str]) -> tuple[np.ndarray, tuple[str, ...]]:
    """Number names in the order of first use: `int32[R]` and the names."""
    numbers = {name: number for number, name in enumerate(dict.fromkeys(cells))}
    return np.fromiter(map(numbers.__getitem__, cells), np.int32, len(cells)), tuple(numbers)
