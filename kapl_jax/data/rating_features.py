"""Features of users and items joined to the names that ratings use."""

from __future__ import annotations

from dataclasses import dataclass
from pathlib import Path

import numpy as np

from kapl_jax.data.ratings import Entities, Field
from kapl_jax.data.text import line_error, quote


@dataclass(frozen=True, eq=False)
class FeatureRows:
    """A features file: one row for each user or item.

    Attributes:
        path: The file.
        names: The user or item of each row.
        lines: `int64[N]`, the line of each row.
        fields: The features, for each row its values.
        titles: What people call each; empty where the file does not say.
        years: The year of each, 0 where unknown; empty where the file tells of no year.
    """

    path: Path
    names: list[str]
    lines: np.ndarray
    fields: tuple[Field, ...]
    titles: tuple[str, ...] = ()
    years: tuple[int, ...] = ()


def ids_only(names: tuple[str, ...], noun: str) -> Entities:
    """Return users or items of which nothing is known: the name is the only field."""
    return Entities(names, (name_field(names, noun),))


def name_field(names: tuple[str, ...], noun: str) -> Field:
    """Return the field that holds the name itself."""
    return Field(noun, [(name,) for name in names])


def join_features(
    rated: tuple[str, ...], rows: FeatureRows, noun: str, *, with_name: bool
) -> tuple[Entities, tuple[str, ...]]:
    """Look up the features of all that ratings name, and add those that only the features name.

    Args:
        rated: The names in the ratings; they keep their numbers.
        rows: The features.
        noun: "user" or "item".
        with_name: Whether the name is a field beside those of the file.

    Returns:
        The entities, and warnings: how many have no ratings, how many no features.

    Raises:
        UserError: The features name one twice.
    """
    row_of = _distinct_names(rows, noun)
    known = set(rated)
    unrated = [row for name, row in row_of.items() if name not in known]
    names = (*rated, *(rows.names[row] for row in unrated))
    rows_of_names = [row_of.get(name, -1) for name in names]
    fields = tuple(
        Field(field.name, [field.values[row] if row >= 0 else () for row in rows_of_names])
        for field in rows.fields
    )
    entities = Entities(
        names=names,
        fields=(*fields, name_field(names, noun)) if with_name else fields,
        titles=tuple(
            rows.titles[row] if row >= 0 else name
            for name, row in zip(names, rows_of_names, strict=True)
            if rows.titles
        ),
        years=np.array(
            [rows.years[row] if row >= 0 else 0 for row in rows_of_names], dtype=np.int32
        )
        if rows.years
        else None,
    )
    return entities, _warnings(rows, noun, names, unrated, rows_of_names)


def _distinct_names(rows: FeatureRows, noun: str) -> dict[str, int]:
    row_of: dict[str, int] = {}
    for row, name in enumerate(rows.names):
        first = row_of.setdefault(name, row)
        if first != row:
            found = f"{noun} {quote(name)}, which is on line {rows.lines[first]} already"
            raise line_error(rows.path, int(rows.lines[row]), found, f"every {noun} once")
    return row_of


def _warnings(
    rows: FeatureRows,
    noun: str,
    names: tuple[str, ...],
    unrated: list[int],
    rows_of_names: list[int],
) -> tuple[str, ...]:
    warnings = []
    if unrated:
        count, first = f"{len(unrated)} of {len(rows.names)} {noun}s", quote(rows.names[unrated[0]])
        line = rows.lines[unrated[0]]
        warnings.append(f"{rows.path}:{line}: {count} have no ratings; the first is {first}")
    if -1 in rows_of_names:
        count = f"{rows_of_names.count(-1)} of {len(rows_of_names) - len(unrated)} rated {noun}s"
        first = quote(names[rows_of_names.index(-1)])
        warnings.append(f"{rows.path}: {count} are missing, taken as unseen; the first is {first}")
    return tuple(warnings)
