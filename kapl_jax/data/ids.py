"""From strings to ids: written numbers, and names looked up in a list."""

from __future__ import annotations

import re

import numpy as np

from kapl_jax.data.headers import header_error, is_header
from kapl_jax.data.misspelling import quote_unknown
from kapl_jax.data.parsed_graph import Names, Split
from kapl_jax.data.text import TextFile, quote
from kapl_jax.errors import UserError

# Longer numbers do not fit int64, and no graph has as many entities.
_MOST_DIGITS = 18
_INTEGER = re.compile(r"[+-]?[0-9]+")
_ID = re.compile(rf"[0-9]{{1,{_MOST_DIGITS}}}")


def parse_ids(
    file: TextFile, columns: list[list[str]], kinds: tuple[str, ...], counts: tuple[int, ...]
) -> np.ndarray:
    """Turn written ids into numbers.

    Args:
        file: The file that the columns come from.
        columns: C lists of strings, one string for each line of `file`.
        kinds: What each column numbers, for messages: "entity" or "relation".
        counts: For each column the number of ids; valid are 0 to count - 1.

    Returns:
        `int64[T, C]`.

    Raises:
        UserError: A string is no integer, or the id is out of range.
    """
    if not all(map(_are_ids, columns)):
        raise _malformed_id(file, columns, kinds, counts)
    ids = np.array([list(map(int, column)) for column in columns], dtype=np.int64).T
    outside = np.argwhere(ids >= np.array(counts))
    if outside.size:
        row, column = outside[0]
        raise _out_of_range(file, row, kinds[column], str(ids[row, column]), counts[column])
    return ids


def _are_ids(column: list[str]) -> bool:
    """Tell whether `_ID` fits all, by three passes in C; int() would take "1_000" and the like."""
    joined = "".join(column)
    return joined.isascii() and joined.isdecimal() and max(map(len, column)) <= _MOST_DIGITS


def _malformed_id(
    file: TextFile, columns: list[list[str]], kinds: tuple[str, ...], counts: tuple[int, ...]
) -> UserError:
    row, column = next(
        (row, column)
        for row, cells in enumerate(zip(*columns, strict=True))
        for column, cell in enumerate(cells)
        if not _ID.fullmatch(cell)
    )
    cell, kind = columns[column][row], kinds[column]
    if row == 0 and len(columns) == 3 and is_header([column[0] for column in columns]):
        return header_error(file, quote(file.lines[0].strip()), "ids; remove the line")
    if _INTEGER.fullmatch(cell):
        return _out_of_range(file, row, kind, quote(cell), counts[column])
    return file.error(row, f"{kind} id {quote(cell)}", "an integer")


def _out_of_range(file: TextFile, row: int, kind: str, cell: str, count: int) -> UserError:
    return file.error(row, f"{kind} id {cell}", f"0 to {count - 1}, as there are {count} of them")


def look_up_triples(
    file: TextFile, columns: list[list[str]], entities: Names, relations: Names
) -> Split:
    """Turn the columns head, relation and tail, all of them names, into triples.

    Raises:
        UserError: A name is not among `entities` or `relations`.
    """
    sources = (entities, relations, entities)
    triples = np.array(
        [
            [source.ids.get(name, -1) for name in column]
            for source, column in zip(sources, columns, strict=True)
        ]
    ).T
    unknown = np.argwhere(triples < 0)
    if unknown.size:
        row, column = unknown[0]
        kind, source = ("entity", "relation", "entity")[column], sources[column]
        found = f"unknown {kind} {quote_unknown(columns[column][row], source.names)}"
        raise file.error(row, found, f"one of the {len(source.names)} in {source.path.name}")
    return numbered_split(file, triples)


def numbered_split(file: TextFile, triples: np.ndarray) -> Split:
    """Attach to `int[T, 3]` triples the lines of `file` they stand on."""
    lines = file.first_line + np.arange(len(triples))
    return Split(file.path, triples.astype(np.int32), lines)
