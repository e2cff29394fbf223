"""Files of a ratings data set, in a folder or in the archive that it is published as."""

from __future__ import annotations

import csv
import fnmatch
import lzma
import re
import struct
import zipfile
import zlib
from array import array
from collections.abc import Iterable, Iterator, Sequence
from dataclasses import dataclass
from importlib.resources.abc import Traversable
from pathlib import Path
from typing import cast

import numpy as np

from kapl_jax.data.rating_range import NUMBER
from kapl_jax.data.text import TextFile, line_error, listing, quote, read_text_file, shortened
from kapl_jax.errors import UserError

# What the standard library raises for a damaged archive, or one with a password.
_DAMAGES = (
    *(zipfile.BadZipFile, zlib.error, lzma.LZMAError, struct.error),
    *(OSError, EOFError, RuntimeError, ValueError, OverflowError),
)
_LARGEST_PACKED, _TIGHTEST = 2**26, 200
# Archives hold their files in folders of their own: data/lastfm_20/ratings_final.txt.
_DEEPEST = 2
# Of tables whose cells may hold commas.
_TAB_ENDINGS = (".tsv", ".inter", ".user", ".item")


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


def find_folders(root: Traversable, pattern: str) -> list[Traversable]:
    """Return the folders nearest to `root`, itself included, that hold a file of such a name."""
    level = [root]
    for _ in range(_DEEPEST + 1):
        found = [folder for folder in level if files_like(folder, pattern)]
        if found:
            return found
        level = [entry for folder in level for entry in listed(folder) if entry.is_dir()]
    return []


def files_like(folder: Traversable, pattern: str) -> list[Traversable]:
    """Return the files of a folder whose name fits a pattern such as `*.inter`."""
    found = (entry for entry in listed(folder) if fnmatch.fnmatchcase(entry.name, pattern))
    return [entry for entry in found if entry.is_file()]


def listed(folder: Traversable) -> list[Traversable]:
    """Return the entries of a folder, sorted by name; none of one that cannot be looked into."""
    try:
        return sorted(folder.iterdir(), key=lambda entry: entry.name)
    except OSError:
        return []


def read_member(path: Traversable, *, or_latin_1: bool = False) -> TextFile:
    """Read a text file that may lie in an archive, see `read_text_file`.

    Args:
        path: The file.
        or_latin_1: Whether what is no UTF-8 is Latin-1.

    Raises:
        UserError: It cannot be read or decoded, or is empty.
    """
    # Only the bytes and the name of the path are asked for.
    return read_text_file(cast(Path, _Member(path, or_latin_1)))


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
        found = [cell.strip() for cell in line.split(separator)]
        if len(found) != len(columns):
            names = listing(columns[:shown])
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
    """Read a file with a header: `.tsv` and RecBole's files have tabs, any other is looked at.

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
    has_tabs = path.name.lower().endswith(_TAB_ENDINGS)
    separator = "\t" if has_tabs else max(",;\t", key=file.lines[0].count)
    reader = csv.reader(file.lines, delimiter=separator, strict=True)
    try:
        header = [cell.strip() for cell in next(reader)]
        _check_header(file.path, header, expected)
        # One flat list of strings: a list per line would keep the garbage collector busy.
        cells, lines = [], array("q")
        for row in reader:
            if len(row) != len(header):
                raise _wrong_width(file.path, reader.line_num, row, header)
            cells += row
            lines.append(reader.line_num)
    except csv.Error as error:
        found = f"text that is not CSV ({shortened(str(error))})"
        raise line_error(
            file.path, reader.line_num, found, "quoted cells that are closed"
        ) from None
    if not lines:
        raise line_error(file.path, 1, "nothing after the header", f"a line of {expected}")
    columns = {
        name: list(map(str.strip, cells[index :: len(header)])) for index, name in enumerate(header)
    }
    return CsvTable(file.path, columns, np.array(lines, dtype=np.int64))


def _check_header(path: Path, header: list[str], expected: str) -> None:
    if len(set(header)) < len(header) and any(map(NUMBER.fullmatch, header)):
        raise no_header(path, header, expected)
    if len(set(header)) < len(header) or "" in header or not header:
        found = f"the header {quote(','.join(header))}"
        raise line_error(path, 1, found, f"different names: {expected}")


def _wrong_width(path: Path, line: int, row: list[str], header: list[str]) -> UserError:
    plural = "column" if len(row) == 1 else "columns"
    found = f"{len(row)} {plural}" if row else "a blank line"
    names = f"{len(header)} columns as in the header: {listing(header)}"
    return line_error(path, line, found, names)


def no_header(path: Path, first: Iterable[str], expected: str) -> UserError:
    """Return the error for a table whose first line is data already."""
    found = f"data, {quote(','.join(first))}, in place of a header"
    return line_error(path, 1, found, f"the names of the columns: {expected}")


def filled_columns(table: CsvTable, names: Sequence[str]) -> list[list[str]]:
    """Return the columns of these names, every cell filled.

    Raises:
        UserError: A cell is empty.
    """
    for name in names:
        if "" in table.columns[name]:
            line = int(table.lines[table.columns[name].index("")])
            raise line_error(table.path, line, f"no {name}", "a cell in each of the columns")
    return [table.columns[name] for name in names]


@dataclass(frozen=True)
class _Member:
    """A file, maybe in an archive, maybe in Latin-1, read as UTF-8."""

    path: Traversable
    or_latin_1: bool

    def read_bytes(self) -> bytes:
        try:
            data = _unpacked(self.path)
        except _DAMAGES as error:
            told = isinstance(error, OSError) and error.strerror
            reason = told or shortened(re.sub(r"\s+", " ", str(error)))
            raise UserError(f"{self}: cannot be read: {reason}, expected a text file") from None
        if not self.or_latin_1 or data.startswith((b"\xff\xfe", b"\xfe\xff")):
            return data
        try:
            data.decode()
        except UnicodeDecodeError:
            return data.decode("latin-1").encode()
        return data

    def __str__(self) -> str:
        return str(self.path)


def _unpacked(path: Traversable) -> bytes:
    """Return the bytes of a file.

    Raises:
        UserError: It is packed as tightly as no text is, in order to fill the memory.
    """
    if isinstance(path, zipfile.Path):
        try:
            entry = path.root.getinfo(path.at)
        except KeyError:
            raise UserError(f"{path}: not in the archive, expected a text file") from None
        if entry.file_size > _LARGEST_PACKED and entry.file_size > _TIGHTEST * entry.compress_size:
            packed = f"{entry.compress_size} bytes that unpack to {entry.file_size}"
            raise UserError(f"{path}: found {packed}, expected a text file")
    return path.read_bytes()


def _archive(path: Path) -> Traversable:
    try:
        return zipfile.Path(path)
    except _DAMAGES as error:
        found = f"no archive ({shortened(str(error))})"
        raise UserError(f"{path}: found {found}, expected a zip file") from None
