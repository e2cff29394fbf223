"""Text files of users: decoded, cut into lines and columns, with errors that name file and line."""

from __future__ import annotations

import re
from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path

from kapl_jax.errors import UserError

_BYTE_ORDER_MARK = b"\xef\xbb\xbf"
_MARKS_OF_UTF_16 = (b"\xff\xfe", b"\xfe\xff")
# Of Unix, of Windows (also where a program doubled its "\r") and of old Macs. Nothing else ends a
# line: str.splitlines would also cut names at exotic Unicode separators.
_LINE_END = re.compile(r"\r*\n|\r")
LONGEST_QUOTE = 60
_MOST_LISTED = 8
# Characters that are drawn as nothing or as a blank; Python's repr shows some of them as they are.
IGNORABLE = re.compile(
    "[\u00ad\u034f\u061c\u115f\u1160\u17b4\u17b5\u180b-\u180f\u200b-\u200f\u202a-\u202e\u2060-\u206f"
    "\u2800\u3164\ufe00-\ufe0f\ufeff\uffa0\ufff0-\ufffb\U000e0000-\U000e0fff]"
)


def quote(text: str) -> str:
    r"""Return `text` in quotes on one line, shortened in the middle where it is long.

    What cannot be seen is written out, as in `'Berlin\xa0'`.
    """
    return IGNORABLE.sub(lambda found: ascii(found[0])[1:-1], repr(shortened(text)))


def listing(names: Sequence[str]) -> str:
    """Return the first few names with commas, each shortened, and how many more there are."""
    more = f" and {len(names) - _MOST_LISTED} more" if len(names) > _MOST_LISTED else ""
    return ", ".join(visible(shortened(name)) for name in names[:_MOST_LISTED]) + more


def shortened(text: str) -> str:
    """Return `text` without its middle where it is long."""
    if len(text) <= LONGEST_QUOTE:
        return text
    half = LONGEST_QUOTE // 2
    return f"{text[:half]}...{text[-half:]}"


def visible(text: str) -> str:
    r"""Return `text` on one line with what cannot be seen written out: `Berlin\xa0`."""
    return "".join(
        letter if letter.isprintable() and not IGNORABLE.match(letter) else ascii(letter)[1:-1]
        for letter in text
    )


def line_error(path: Path, line: int, found: str, expected: str) -> UserError:
    """Return the error for line number `line` (from 1) of the file at `path`."""
    return UserError(f"{path}:{line}: found {found}, expected {expected}")


@dataclass(frozen=True)
class TextFile:
    """Lines of a text file, without line ends and without the blank lines at the end.

    Attributes:
        path: Where the file lies.
        lines: Its lines.
        first_line: The number of `lines[0]` in the file; 2 once a count line was taken off.
    """

    path: Path
    lines: list[str]
    first_line: int = 1

    def error(self, row: int, found: str, expected: str) -> UserError:
        """Return the error for `lines[row]`."""
        return line_error(self.path, self.first_line + row, found, expected)


def read_text_file(path: Path) -> TextFile:
    """Read a UTF-8 file; a byte order mark, any line ends and blank last lines are fine.

    Raises:
        UserError: The file cannot be read, is not UTF-8, has NUL bytes or holds nothing but blank
            lines.
    """
    try:
        data = path.read_bytes()
    except OSError as error:
        raise UserError(f"{path}: cannot be read: {error.strerror}, expected a text file") from None
    text = _decode(path, data)
    lines = _LINE_END.split(text) if "\r" in text else text.split("\n")
    while lines and not lines[-1].strip():
        lines.pop()
    if not lines:
        raise line_error(path, 1, "an empty file", "at least one line of text")
    return TextFile(path, lines)


def split_columns(file: TextFile, columns: tuple[str, ...]) -> list[list[str]]:
    """Cut every line into as many columns as there are names in `columns`.

    A file whose first line has a tab is separated by tabs, and its names may hold spaces; any other
    is separated by runs of white space.

    Returns:
        For each column its non-empty cells, one per line.

    Raises:
        UserError: A line is blank, or has more or fewer columns.
    """
    split = _split_at_tabs if "\t" in file.lines[0] else str.split
    # One flat list of strings: a list per line would keep the garbage collector busy.
    cells: list[str] = []
    for row, line in enumerate(file.lines):
        found = split(line)
        if len(found) != len(columns) or "" in found:
            separator = "white space" if split is str.split else "tabs"
            expected = f"{len(columns)} separated by {separator}: {' '.join(columns)}"
            raise file.error(row, _describe_cells(line, found), expected)
        cells += found
    return [cells[column :: len(columns)] for column in range(len(columns))]


def _split_at_tabs(line: str) -> list[str]:
    return [cell.strip() for cell in line.split("\t")]


def take_count_line(file: TextFile) -> TextFile:
    """Take off the first line, which says how many lines follow.

    Raises:
        UserError: It is no number, says another one, or says that nothing follows.
    """
    written, following = file.lines[0].strip(), len(file.lines) - 1
    if not (written.isascii() and written.isdecimal()):
        raise file.error(0, quote(written), "the number of lines that follow")
    if not following:
        raise file.error(0, "nothing after the count", "at least one line")
    if written.lstrip("0") != str(following):
        found = f"the count {quote(written)}"
        raise file.error(0, found, f"{following}, as so many lines follow")
    return TextFile(file.path, file.lines[1:], file.first_line + 1)


def _describe_cells(line: str, cells: list[str]) -> str:
    if not line.strip():
        return "a blank line"
    plural = "column" if len(cells) == 1 else "columns"
    empty = f", number {cells.index('') + 1} empty" if "" in cells else ""
    return f"{len(cells)} {plural}{empty} ({quote(line)})"


def _decode(path: Path, data: bytes) -> str:
    if data.startswith(_MARKS_OF_UTF_16):
        raise line_error(path, 1, "text in UTF-16", "text in UTF-8")
    skipped = len(_BYTE_ORDER_MARK) if data.startswith(_BYTE_ORDER_MARK) else 0
    try:
        text = data[skipped:].decode("utf-8")
    except UnicodeDecodeError as error:
        raise _byte_error(path, data, skipped + error.start) from None
    if "\0" in text:
        raise _byte_error(path, data, data.index(b"\0"))
    return text


def _byte_error(path: Path, data: bytes, offset: int) -> UserError:
    line = len(_LINE_END.split(data[:offset].decode("latin-1")))
    found = f"byte 0x{data[offset]:02x} at byte offset {offset}"
    return line_error(path, line, found, "text in UTF-8")
