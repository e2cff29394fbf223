"""Files of a ratings data set, in a folder or in the archive that it is published as."""

from __future__ import annotations

import csv
import re
import zipfile
import zlib
from collections.abc import Iterator
from dataclasses import dataclass
from importlib.resources.abc import Traversable
from pathlib import Path
from typing import cast

import numpy as np

from kapl_jax.data.text import TextFile, line_error, quote, read_text_file
from kapl_jax.errors import UserError

# Archives hold their files in folders of their own: data/lastfm_20/ratings_final.txt.
_DEEPEST = 2


def roots(path: Path) -> Iterator[Traversable]:
    """Yield what data may lie in: the folder or archive at `path`, then a folder's archives.

    Raises:
        UserError: An archive is damaged.
    """
    if path.is_file():
        yield _archive(path)
        return
    yield path
    for archive in sorted(path.glob("*.zip")):
        yield _archive(archive)


def find_folders(root: Traversable, file: str) -> list[Traversable]:
    """Return the folders nearest to `root`, itself included, that hold a file of this name."""
    level = [root]
    for _ in range(_DEEPEST + 1):
        found = [folder for folder in level if (folder / file).is_file()]
        if found:
            return found
        level = [entry for folder in level for entry in listed(folder) if entry.is_dir()]
    return []


def listed(folder: Traversable) -> list[Traversable]:
    """Return the entries of a folder, sorted by name; none of one that cannot be looked into."""
    try:
        return sorted(folder.iterdir(), key=lambda entry: entry.name)
    except OSError:
        return []


def read_member(path: Traversable, encoding: str = "utf-8") -> TextFile:
    """Read a text file that may lie in an archive, see `read_text_file`.

    Raises:
        UserError: It cannot be read or decoded, or is empty.
    """
    # Only the bytes and the name of the path are asked for.
    return read_text_file(cast(Path, _Member(path, encoding)))


def split_at(
    file: TextFile, separator: str, columns: tuple[str, ...], shown: int | None = None
) -> list[list[str]]:
    """Cut every line at `separator` into as many columns as there are names; cells may be empty.

    Args:
        file: The file.
        separator: What stands between two cells.
        columns: Names of the columns.
        shown: How many of the names a message lists, None for all.

    Raises:
        UserError: A line has more or fewer columns.
    """
    cells: list[str] = []
    for row, line in enumerate(file.lines):
        found = line.split(separator)
        if len(found) != len(columns):
            names = " ".join(columns[:shown])
            expected = f"{len(columns)} separated by {separator!r}: {names}"
            plural = "column" if len(found) == 1 else "columns"
            raise file.error(row, f"{len(found)} {plural} ({quote(line)})", expected)
        cells += found
    return [cells[column :: len(columns)] for column in range(len(columns))]


@dataclass(frozen=True, eq=False)
class CsvTable:
    """A table with a header: for each name in it the cells of the column, and their lines."""

    path: Path
    columns: dict[str, list[str]]
    lines: np.ndarray


def read_csv(path: Traversable, expected: str) -> CsvTable:
    """Read a file with a header; `.tsv` is separated by tabs, any other by commas.

    Args:
        path: The file.
        expected: The columns that messages ask for.

    Returns:
        The table with at least one line, cells stripped of white space.

    Raises:
        UserError: A line has more or fewer columns than the header, or is blank; a name comes
            twice in the header or is empty; a quoted cell does not end; or only a header is there.
    """
    file = read_member(path)
    tabs = path.name.lower().endswith(".tsv")
    reader = csv.reader(file.lines, delimiter="\t" if tabs else ",", strict=True)
    try:
        rows = [(reader.line_num, [cell.strip() for cell in row]) for row in reader]
    except csv.Error as error:
        found = f"text that is no CSV ({error})"
        raise line_error(file.path, reader.line_num, found, "quoted cells that end") from None
    header = rows[0][1]
    if len(set(header)) < len(header) or "" in header:
        found = f"the header {quote(','.join(header))}"
        raise line_error(file.path, 1, found, f"different names: {expected}")
    if len(rows) == 1:
        raise line_error(file.path, 1, "nothing after the header", f"a line of {expected}")
    for line, row in rows:
        if len(row) != len(header):
            plural = "column" if len(row) == 1 else "columns"
            found = f"{len(row)} {plural}" if row else "a blank line"
            names = f"{len(header)} columns as in the header: {','.join(header)}"
            raise line_error(file.path, line, found, names)
    columns = zip(*(row for _, row in rows[1:]), strict=True)
    lines = np.array([line for line, _ in rows[1:]])
    return CsvTable(file.path, dict(zip(header, map(list, columns), strict=True)), lines)


def required_columns(table: CsvTable, names: tuple[str, ...]) -> list[list[str]]:
    """Return the columns of these names, every cell filled.

    Raises:
        UserError: The header lacks a name, or a cell is empty.
    """
    missing = [name for name in names if name not in table.columns]
    if missing:
        found = f"the header {quote(','.join(table.columns))} without {', '.join(missing)}"
        raise line_error(table.path, 1, found, f"the columns {','.join(names)}")
    for name in names:
        if "" in table.columns[name]:
            line = int(table.lines[table.columns[name].index("")])
            raise line_error(table.path, line, f"no {name}", "a cell in each of the columns")
    return [table.columns[name] for name in names]


@dataclass(frozen=True)
class _Member:
    """A file, maybe in an archive, maybe in another encoding, read as UTF-8."""

    path: Traversable
    encoding: str

    def read_bytes(self) -> bytes:
        try:
            data = self.path.read_bytes()
        except (zipfile.BadZipFile, zlib.error, RuntimeError) as error:
            reason = re.sub(r"\s+", " ", str(error))
            raise UserError(f"{self}: cannot be read: {reason}, expected a text file") from None
        return data if self.encoding == "utf-8" else data.decode(self.encoding).encode()

    def __str__(self) -> str:
        return str(self.path)


def _archive(path: Path) -> Traversable:
    try:
        return zipfile.Path(path)
    except (zipfile.BadZipFile, OSError) as error:
        raise UserError(f"{path}: found no archive ({error}), expected a zip file") from None
