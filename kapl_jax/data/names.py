"""Names of entities and relations: listed in a file, with ids or without, or met in triples."""

from __future__ import annotations

import numpy as np

from kapl_jax.data.ids import parse_ids
from kapl_jax.data.parsed_graph import Names
from kapl_jax.data.text import TextFile, quote


def listed_names(file: TextFile) -> Names:
    """Read a list of names, one a line: the line decides the id, a name may hold spaces.

    Raises:
        UserError: A line is blank or has a tab, or a name comes twice.
    """
    names = [line.strip() for line in file.lines]
    for row, name in enumerate(names):
        if not name or "\t" in name:
            raise file.error(row, quote(name) if name else "a blank line", "one name and no more")
    return _distinct_names(file, names, np.arange(len(names)))


def numbered_names(file: TextFile, kind: str) -> Names:
    """Read a list of names with their ids, `name id` on each line in any order.

    Raises:
        UserError: A line is not a name and an integer, an id is out of range or taken, or a name
            comes twice.
    """
    rows = [line.rsplit(maxsplit=1) for line in file.lines]
    for row, cells in enumerate(rows):
        if len(cells) != 2:
            found = quote(cells[0]) if cells else "a blank line"
            raise file.error(row, found, f"two columns: {kind} and its id")
    ids = parse_ids(file, [[cells[1] for cells in rows]], (kind,), (len(rows),))[:, 0]
    order = np.argsort(ids, kind="stable")
    taken = np.flatnonzero(np.diff(ids[order]) == 0)
    if taken.size:
        row = order[taken + 1].min()
        raise file.error(row, f"{kind} id {ids[row]} for the second time", "every id once")
    return _distinct_names(file, [cells[0].strip() for cells in rows], order)


def _distinct_names(file: TextFile, names: list[str], order: np.ndarray) -> Names:
    rows: dict[str, int] = {}
    for row, name in enumerate(names):
        first = rows.setdefault(name, row)
        if first != row:
            found = f"{quote(name)}, which is on line {file.first_line + first} already"
            raise file.error(row, found, "every name once")
    return Names(tuple(names[row] for row in order), file.path, file.first_line + order)


def names_of_first_use(file: TextFile, *columns: list[str]) -> Names:
    """Collect names in the order in which the lines use them, with the line of the first use."""
    rows: dict[str, int] = {}
    for row, names in enumerate(zip(*columns, strict=True)):
        for name in names:
            rows.setdefault(name, row)
    lines = file.first_line + np.fromiter(rows.values(), dtype=np.int64, count=len(rows))
    return Names(tuple(rows), file.path, lines)
