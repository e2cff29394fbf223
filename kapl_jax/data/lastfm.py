"""Reader of Last.FM with the tasks that ColdNAS publishes (Wu et al., WWW 2023).

`ratings_final.txt` holds user, item and label; `SPLIT/evidence/supp_x_N_u_m_ids.txt` and
`query_x_N_u_m_ids.txt` name the ratings, user and item, that support task N and that it asks for.
The pickles beside them say the same and are not read.
"""

from __future__ import annotations

import re
from importlib.resources.abc import Traversable

import numpy as np

from kapl_jax.data.rating_cells import NumberedRatings, RatingCells, number_ratings
from kapl_jax.data.rating_features import ids_only
from kapl_jax.data.rating_files import listed, read_member
from kapl_jax.data.rating_range import ANY_RATING, AllowedRatings
from kapl_jax.data.ratings import RatingsTable, Splits, TaskRows
from kapl_jax.data.text import TextFile, quote, split_columns
from kapl_jax.errors import UserError

_LABELS = (0.0, 1.0)
_PAIR = ("user", "item")
_SPLITS = ("training", "validation", "testing")
_SUPPORT = re.compile(r"supp_x_([0-9]+)_u_m_ids\.txt")


def read_lastfm(root: Traversable, allowed: AllowedRatings = ANY_RATING) -> RatingsTable:
    """Read ratings and tasks below `root`, which holds `ratings_final.txt`.

    Raises:
        UserError: A file is missing or malformed, a task has ratings of two users, one that
            `ratings_final.txt` lacks or one twice, or a user has two tasks.
    """
    file = read_member(root / "ratings_final.txt")
    users, items, labels = split_columns(file, ("user", "item", "label"))
    lines = np.arange(1, len(labels) + 1)
    cells = RatingCells(file.path, users, items, labels, lines)
    numbered = number_ratings(cells, allowed, _LABELS)
    reader = _TaskReader(numbered)
    return RatingsTable(
        users=ids_only(numbered.users, "user"),
        items=ids_only(numbered.items, "item"),
        ratings=numbered.ratings,
        rating_range=numbered.rating_range,
        tasks=Splits(*(reader.read_split(root / split / "evidence") for split in _SPLITS)),
        warnings=numbered.warnings,
    )


class _TaskReader:
    """Reads tasks and remembers whose they are."""

    def __init__(self, numbered: NumberedRatings) -> None:
        users, items, ratings = numbered.users, numbered.items, numbered.ratings
        pairs = zip(ratings.users.tolist(), ratings.items.tolist(), strict=True)
        self._rows = {(users[user], items[item]): row for row, (user, item) in enumerate(pairs)}
        self._users = ratings.users
        self._tasks: dict[str, TextFile] = {}

    def read_split(self, folder: Traversable) -> list[TaskRows]:
        """Read the tasks of a folder in the order of their numbers."""
        matches = (_SUPPORT.fullmatch(entry.name) for entry in listed(folder))
        numbers = sorted(int(match[1]) for match in matches if match)
        if not numbers:
            raise UserError(f"{folder}: found no tasks, expected supp_x_0_u_m_ids.txt and so on")
        return [self._read_task(folder, number) for number in numbers]

    def _read_task(self, folder: Traversable, number: int) -> TaskRows:
        support = read_member(folder / f"supp_x_{number}_u_m_ids.txt")
        query = read_member(folder / f"query_x_{number}_u_m_ids.txt")
        name = split_columns(support, _PAIR)[0][0]
        other = self._tasks.setdefault(name, support)
        if other is not support:
            found = f"user {quote(name)}, whose task is in {other.path} already"
            raise support.error(0, found, "each user in one task")
        sources: dict[int, str] = {}
        support_rows = self._look_up(support, name, sources)
        query_rows = self._look_up(query, name, sources)
        return TaskRows(int(self._users[support_rows[0]]), support_rows, query_rows)

    def _look_up(self, file: TextFile, name: str, sources: dict[int, str]) -> np.ndarray:
        """Return the rows of the ratings that a file names, and add their sources to `sources`."""
        rows = []
        for line, pair in enumerate(zip(*split_columns(file, _PAIR), strict=True)):
            if pair[0] != name:
                expected = f"{quote(name)} as on the first line of the support"
                raise file.error(line, f"user {quote(pair[0])}", expected)
            row = self._rows.get(pair)
            if row is None:
                found = f"item {quote(pair[1])}"
                raise file.error(line, found, "one that the user rates in ratings_final.txt")
            if row in sources:
                found = f"item {quote(pair[1])}, which is at {sources[row]} already"
                raise file.error(line, found, "each item once")
            sources[row] = f"{file.path}:{line + 1}"
            rows.append(row)
        return np.array(rows, dtype=np.int64)
