"""The range of ratings: given by the user, usual for the format, or found, outliers being told."""

from __future__ import annotations

import re
from dataclasses import dataclass
from pathlib import Path

import numpy as np

from kapl_jax.data.text import line_error, quote
from kapl_jax.errors import UserError

OUT_OF_RANGE = ("refuse", "clip")
NUMBER = re.compile(r"[+-]?([0-9]{1,40}\.?[0-9]{0,40}|\.[0-9]{1,40})([eE][+-]?[0-9]{1,2})?")
# Beyond it neither a rating nor its square is held well by float32.
_LARGEST = 1e9
# So much of the ratings may be outliers where the others form no even scale.
_RARE = 0.02
# Most scales reach so far: up to there no rating is far from the others.
_USUAL_END = 5.0
_MOST_STEPS = 20
# In seconds since 1970 that is 1985; no scale begins so far out.
_LIKE_TIMES = 5e8


@dataclass(frozen=True)
class AllowedRatings:
    """Which ratings are allowed.

    Attributes:
        limits: The least and the largest rating; None leaves them to the format and the data.
        clip: Whether a rating out of range is taken for the nearest limit, and not refused.
    """

    limits: tuple[float, float] | None = None
    clip: bool = False


ANY_RATING = AllowedRatings()


def parse_allowed_ratings(limits: str, out_of_range: str) -> AllowedRatings:
    """Read the flags --rating_range, `1,5` or empty, and --out_of_range.

    Raises:
        UserError: The range is not two numbers, the smaller first.
    """
    clip = out_of_range == "clip"
    if not limits.strip():
        return AllowedRatings(None, clip)
    cells = [cell.strip() for cell in limits.split(",")]
    numbers = [float(cell) for cell in cells if NUMBER.fullmatch(cell)]
    if len(cells) != 2 or len(numbers) != 2 or not -_LARGEST <= numbers[0] < numbers[1] <= _LARGEST:
        expected = "the least and the largest rating, such as 1,5"
        raise UserError(f"--rating_range: found {quote(limits)}, expected {expected}")
    return AllowedRatings((numbers[0], numbers[1]), clip)


def parse_ratings(
    path: Path, cells: list[str], lines: np.ndarray, allowed: AllowedRatings
) -> tuple[np.ndarray, tuple[str, ...]]:
    """Read written ratings.

    Args:
        path: Their file.
        cells: The ratings as written.
        lines: `int64[R]`, their lines.
        allowed: Which are allowed.

    Returns:
        `float32[R]`, and a warning if there were any to clip.

    Raises:
        UserError: A cell is no number, or is out of range and not to be clipped.
    """
    low, high = allowed.limits or (-_LARGEST, _LARGEST)
    # There are few different ratings however long the file is.
    values = {cell: float(cell) for cell in set(cells) if NUMBER.fullmatch(cell)}
    inside = {cell: value for cell, value in values.items() if low <= value <= high}
    usable = values if allowed.clip and allowed.limits else inside
    if len(usable) < len(set(cells)):
        row, cell = next((row, cell) for row, cell in enumerate(cells) if cell not in usable)
        raise line_error(path, int(lines[row]), *_unusable(cell, int(lines[row]), low, high))
    ratings = np.fromiter(map(usable.__getitem__, cells), np.float64, len(cells))
    clipped = np.clip(ratings, low, high).astype(np.float32)
    outside = (
        [row for row, cell in enumerate(cells) if cell not in inside] if inside != usable else []
    )
    if not outside:
        return clipped, ()
    noun = "rating" if len(outside) == 1 else "ratings"
    first = outside[0]
    what = f"{len(outside)} {noun} out of {low:g} to {high:g}, clipped; the first is"
    return clipped, (f"{path}:{lines[first]}: {what} {quote(cells[first])}",)


def _unusable(cell: str, line: int, low: float, high: float) -> tuple[str, str]:
    """Say what was found and what expected."""
    is_number = NUMBER.fullmatch(cell) is not None
    expected = "a number" if high == _LARGEST and not is_number else f"{low:g} to {high:g}"
    if line == 1 and cell[:1].isalpha():
        return f"the rating {quote(cell)}", f"{expected}; if this is a header, remove it"
    return f"the rating {quote(cell)}", expected


def range_of(
    path: Path, values: np.ndarray, lines: np.ndarray
) -> tuple[tuple[float, float], tuple[str, ...]]:
    """Find the range of ratings that nothing else tells the range of.

    Args:
        path: Their file.
        values: `float32[R]`, the ratings.
        lines: `int64[R]`, their lines.

    Returns:
        The least and the largest rating, and a warning for each end that is far from the others.

    Raises:
        UserError: All ratings are the same, or all are so large that they are times.
    """
    low, high = float(values.min()), float(values.max())
    if low >= _LIKE_TIMES:
        found = f"the rating {values[0]:.0f}, which like all others reads like a time"
        raise line_error(path, int(lines[0]), found, "ratings in this column")
    if low == high:
        found = f"the rating {low:g} and no other"
        raise line_error(path, int(lines[0]), found, "different ratings")
    distinct, counts = np.unique(values.astype(np.float64), return_counts=True)
    warnings = []
    below = _far_above(-distinct[::-1], counts[::-1])[::-1] | _below_zero(distinct)
    for is_far in (_far_above(distinct, counts), below):
        if is_far.any():
            outliers = np.isin(values, distinct[is_far].astype(np.float32))
            row = int(np.flatnonzero(outliers)[np.argmax(np.abs(values[outliers]))])
            rest = distinct[~is_far]
            others = f"{rest[0]:g} to {rest[-1]:g}"
            warnings.append(
                f"{path}:{lines[row]}: the rating {values[row]:g}, far from the others, which are "
                f"{others}, makes the range {low:g} to {high:g} ({int(outliers.sum())} of "
                f"{len(values)} ratings are that far); --rating_range sets the range, and "
                "--out_of_range=clip keeps such ratings"
            )
    return (low, high), tuple(warnings)


def _far_above(distinct: np.ndarray, counts: np.ndarray) -> np.ndarray:
    """Mark the values, which ascend, beyond a gap that is wider than all that lies below it.

    They must be rare, or the others an even scale. Where the others are no scale, but counts, whose
    sizes differ by factors, there must be such a gap between the logarithms, too.
    """
    gaps, spans = np.diff(distinct), distinct[:-1] - distinct[0]
    wide = np.flatnonzero((gaps > spans) & (spans > 0) & (distinct[1:] > _USUAL_END))
    for last in wide:
        rest, tail = distinct[: last + 1], counts[last + 1 :]
        is_rare = tail.sum() <= max(1, _RARE * counts.sum())
        is_scale = _is_scale(rest)
        far = is_scale or _is_far_as_a_count(rest, distinct[last + 1])
        # One value for "not rated", as Jester's 99 among -10 to 10, is more frequent than others.
        is_mark = len(tail) == 1 and tail[0] > counts[: last + 1].max() and len(rest) >= 4 and far
        if (is_rare and far) or (is_scale and len(rest) >= 4) or is_mark:
            return np.arange(len(distinct)) > last
    return np.zeros(len(distinct), dtype=bool)


def _is_scale(values: np.ndarray) -> bool:
    """Tell whether values are some of a few even steps."""
    steps = (values - values[0]) / np.diff(values).min()
    return bool(steps[-1] <= _MOST_STEPS and np.allclose(steps, np.rint(steps), atol=1e-3))


def _is_far_as_a_count(rest: np.ndarray, value: float) -> bool:
    if rest[0] < 0:
        return True
    least, most, beyond = np.log1p([rest[0], rest[-1], value])
    return bool(beyond - most > most - least)


def _below_zero(distinct: np.ndarray) -> np.ndarray:
    """Mark a value that alone is negative, and no mirror of the others: -1 for "not rated"."""
    is_negative = distinct < 0
    alone = is_negative.sum() == 1 and len(distinct) > 2 and distinct[-1] > -distinct[0]
    return is_negative if alone else np.zeros(len(distinct), dtype=bool)
