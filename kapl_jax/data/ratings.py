"""What every reader of ratings returns: ratings by number, and features as they stand in files."""

from __future__ import annotations

from dataclasses import dataclass
from pathlib import Path
from typing import NamedTuple

import numpy as np


@dataclass(frozen=True, eq=False)
class Ratings:
    """Ratings in the order of their file, no user and item twice.

    Attributes:
        path: The file.
        users: `int32[R]`, numbers of users.
        items: `int32[R]`, numbers of items.
        values: `float32[R]`, the ratings.
        lines: `int64[R]`, the line of each rating.
    """

    path: Path
    users: np.ndarray
    items: np.ndarray
    values: np.ndarray
    lines: np.ndarray

    def __len__(self) -> int:
        """Return the number of ratings."""
        return len(self.values)


@dataclass(frozen=True, eq=False)
class Field:
    """A feature: for each user or item its values by name, none where it is not known."""

    name: str
    values: list[tuple[str, ...]]


@dataclass(frozen=True, eq=False)
class Entities:
    """Users or items; the position is the number.

    Attributes:
        names: Distinct names.
        fields: At least one feature.
        titles: What people call each; empty where files do not say.
        years: `int32[N]`, 0 where unknown; None where files tell of no year at all.
    """

    names: tuple[str, ...]
    fields: tuple[Field, ...]
    titles: tuple[str, ...] = ()
    years: np.ndarray | None = None


class TaskRows(NamedTuple):
    """A task as `int64[.]` rows of the ratings of one user."""

    user: int
    support: np.ndarray
    query: np.ndarray


class Splits(NamedTuple):
    """The tasks of each split."""

    train: list[TaskRows]
    valid: list[TaskRows]
    test: list[TaskRows]


@dataclass(frozen=True, eq=False)
class RatingsTable:
    """All that a data set's files say; `tasks` is None where they leave the tasks to a protocol."""

    users: Entities
    items: Entities
    ratings: Ratings
    rating_range: tuple[float, float]
    tasks: Splits | None = None
    warnings: tuple[str, ...] = ()
