"""Names of entities and relations: listed in a file, with ids or without, or met in triples."""

from __future__ import annotations

from collections.abc import Iterable

import numpy as np

from kapl_jax.data.headers import header_error, is_list_header
from kapl_jax.data.ids import parse_ids
from kapl_jax.data.parsed_graph import Names
from kapl_jax.data.text import TextFile, quote


def listed_names(file: TextFile) -> Names:
    """Read a list of names, one per line: the line decides the id, a name may hold spaces.

    Raises:
        UserError: A line is blank or has a tab, or a name comes twice.
    """
    names = [line.strip() for line in file.lines]
    for row, name in enumerate(names):
        if not name or "\t" in name:
            raise file.error(row, quote(name) if name else "a blank line", "one name and no more")
    return _distinct_names(file, names, np.arange(len(names)))


def numbered_names(file: TextFile, kind: str, *, ids_first: bool = False) -> Names:
    """Read a list of names with their ids, on each line in any order of lines.

    Which of the columns holds the ids is seen from the file; where both could, it is the one that
    files of this name hold them in.

    Args:
        file: The list.
        kind: "entity" or "relation", for messages.
        ids_first: Whether files of this name have the ids in the first column.

    Raises:
        UserError: A line is not a name and an integer, an id is out of range or taken, or a name
            comes twice.
    """
    names, ids = _names_and_ids(file, kind, ids_first=ids_first)
    if not _are_all(ids):
        others = _names_and_ids(file, kind, ids_first=not ids_first)
        names, ids = others if _are_all(others[1]) else (names, ids)
    if not ids[0].isdecimal() and is_list_header((names[0], ids[0])):
        expected = f"{kind} and its id; remove the line"
        raise header_error(file, quote(file.lines[0].strip()), expected)
    numbers = parse_ids(file, [ids], (kind,), (len(ids),))[:, 0]
    order = np.argsort(numbers, kind="stable")
    taken = np.flatnonzero(np.diff(numbers[order]) == 0)
    if taken.size:
        row = int(order[taken + 1].min())
        raise file.error(row, f"{kind} id {numbers[row]} for the second time", "every id once")
    return _distinct_names(file, names, order)


def _names_and_ids(file: TextFile, kind: str, *, ids_first: bool) -> tuple[list[str], list[str]]:
    """Cut lines in two; a name may hold blanks, an id does not."""
    cut = str.split if ids_first else str.rsplit
    names, ids = [], []
    for row, line in enumerate(file.lines):
        cells = cut(line, maxsplit=1)
        if len(cells) != 2:
            found = quote(cells[0]) if cells else "a blank line"
            raise file.error(row, found, f"two columns: {kind} and its id")
        number, name = cells if ids_first else reversed(cells)
        names.append(name.strip())
        ids.append(number)
    return names, ids


def _are_all(ids: list[str]) -> bool:
    """Tell whether these are 0 to N - 1 in any order."""
    return set(ids) == set(map(str, range(len(ids))))


def _distinct_names(file: TextFile, names: list[str], order: np.ndarray) -> Names:
    rows: dict[str, int] = {}
    for row, name in enumerate(names):
        first = rows.setdefault(name, row)
        if first != row:
            found = f"{quote(name)}, which is on line {file.first_line + first} already"
            raise file.error(row, found, "every name once")
    return Names(tuple(names[row] for row in order), file.path, file.first_line + order)


def with_undeclared(names: Names, used: Iterable[str]) -> Names:
    """Add the names that are not there yet, in the order in which they are used."""
    new = [name for name in dict.fromkeys(used) if name not in names.ids]
    if not new:
        return names
    lines = np.concatenate([names.lines, np.zeros(len(new), dtype=np.int64)])
    return Names((*names.names, *new), names.path, lines, len(new))


def names_of_first_use(file: TextFile, *columns: list[str]) -> Names:
    """Collect names in the order in which the lines use them, with the line of the first use."""
    rows: dict[str, int] = {}
    for row, names in enumerate(zip(*columns, strict=True)):
        for name in names:
            rows.setdefault(name, row)
    lines = file.first_line + np.fromiter(rows.values(), dtype=np.int64, count=len(rows))
    return Names(tuple(rows), file.path, lines)
