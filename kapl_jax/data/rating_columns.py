"""Files of ratings as they are published: what separates their columns, and which is which."""

from __future__ import annotations

import re
from collections.abc import Iterable, Sequence
from importlib.resources.abc import Traversable

import numpy as np

from kapl_jax.data.rating_cells import RatingCells
from kapl_jax.data.rating_files import (
    CsvTable,
    filled_columns,
    no_header,
    read_csv,
    read_member,
    split_at,
)
from kapl_jax.data.rating_range import NUMBER
from kapl_jax.data.text import TextFile, line_error, quote, split_columns

TABLE_ENDINGS = (".csv", ".tsv", ".inter")
LINES_ENDINGS = (".dat", ".data")
USER, ITEM, RATING, TIME = "user", "item", "rating", "timestamp"
# What columns are called; where several fit, the earlier word counts.
_WORDS = {
    USER: "user userid username uid u reviewerid reviewer customerid customer memberid member",
    ITEM: "item itemid itemname iid i movieid movie filmid film bookid book isbn artistid artist "
    "trackid track songid song albumid productid product parentasin asin businessid gameid animeid "
    "recipeid placeid venueid mid pid",
    RATING: "rating ratings rate score stars star overall bookrating userrating label value target "
    "weight playcount plays count",
    TIME: "timestamp time unixreviewtime ts datetime date",
}
_SEPARATORS = ("::", "\t", ";", ",", "|")


def read_rating_cells(path: Traversable) -> RatingCells:
    """Read a file of ratings: a table with a header, or lines without one, as its name says.

    Raises:
        UserError: It cannot be used, or the header does not say what is user, item and rating.
    """
    if path.name.lower().endswith(TABLE_ENDINGS):
        return _cells_of_table(read_csv(path, ",".join((USER, ITEM, RATING))))
    return _cells_of_lines(read_member(path))


def named_columns(table: CsvTable, wanted: Sequence[str]) -> list[list[str]]:
    """Return the columns for user, item or rating by whatever word the header calls them.

    Raises:
        UserError: The header lacks one, or a cell of theirs is empty.
    """
    indices = _indices(table.columns, wanted)
    missing = [word for word in wanted if word not in indices]
    if missing and any(map(NUMBER.fullmatch, table.columns)):
        raise no_header(table.path, table.columns, ",".join(wanted))
    if missing:
        found = f"the header {quote(','.join(table.columns))} without {', '.join(missing)}"
        raise line_error(table.path, 1, found, f"the columns {','.join(wanted)}")
    return filled_columns(table, [list(table.columns)[indices[word]] for word in wanted])


def column_if_there(table: CsvTable, meaning: str) -> list[str]:
    """Return the column for users or times by whatever word the header calls it, or nothing."""
    index = _indices(table.columns, (meaning,)).get(meaning)
    return [] if index is None else list(table.columns.values())[index]


def _indices(header: Iterable[str], wanted: Sequence[str]) -> dict[str, int]:
    """Return which column is which, as far as the words of a header tell."""
    # RecBole writes user_id:token.
    plain = [re.sub(r"[^a-z0-9]", "", name.casefold().partition(":")[0]) for name in header]
    found = {}
    for meaning in wanted:
        known = (word for word in _WORDS[meaning].split() if word in plain)
        word = next(known, None)
        if word is not None:
            found[meaning] = plain.index(word)
    return found


def _cells_of_table(table: CsvTable) -> RatingCells:
    users, items, ratings = named_columns(table, (USER, ITEM, RATING))
    times = column_if_there(table, TIME)
    return RatingCells(table.path, users, items, ratings, table.lines, times)


def _cells_of_lines(file: TextFile) -> RatingCells:
    """Read user, item, rating and maybe the time, in this order unless there is a header."""
    first = file.lines[0]
    separator = next((mark for mark in _SEPARATORS if mark in first), None)
    header = first.split(separator)
    indices = _indices(header, (USER, ITEM, RATING, TIME))
    has_header = {USER, ITEM, RATING} <= indices.keys()
    names = tuple(header) if has_header else (USER, ITEM, RATING, TIME)[: max(3, len(header))]
    columns = _split(file, separator, names)
    if not has_header:
        indices = {name: index for index, name in enumerate(names)}
    elif len(file.lines) == 1:
        raise file.error(0, "nothing after the header", "a line of user, item and rating")
    rows = slice(int(has_header), None)
    users, items, ratings = (columns[indices[word]][rows] for word in (USER, ITEM, RATING))
    times = columns[indices[TIME]][rows] if TIME in indices else []
    lines = np.arange(len(columns[0]))[rows] + file.first_line
    for name, column in ((USER, users), (ITEM, items), (RATING, ratings)):
        if "" in column:
            found = f"no {name}"
            raise line_error(
                file.path, int(lines[column.index("")]), found, "a cell in each column"
            )
    return RatingCells(file.path, users, items, ratings, lines, times)


def _split(file: TextFile, separator: str | None, names: tuple[str, ...]) -> list[list[str]]:
    if separator in (None, "\t"):
        return split_columns(file, names)
    return split_at(file, str(separator), names)
