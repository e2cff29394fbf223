"""What a page is made of: sections of facts, tables, figures and galleries."""

from __future__ import annotations

import dataclasses
from collections.abc import Sequence
from typing import ClassVar

from markupsafe import Markup


@dataclasses.dataclass(frozen=True)
class Facts:
    """A few labelled values, shown side by side."""

    entries: Sequence[tuple[str, str]]
    heading: str = ""
    kind: ClassVar[str] = "facts"


@dataclasses.dataclass(frozen=True)
class Formula:
    """A formula of one or several lines to be seen first, its source to copy folded under it."""

    text: str
    source: str = ""
    heading: str = ""
    kind: ClassVar[str] = "formula"


@dataclasses.dataclass(frozen=True)
class Table:
    """A table; columns whose cells are text are named in `text_columns`, the others are numbers.

    Attributes:
        header: Titles of the columns.
        rows: Cells, one sequence per row, as long as the header.
        text_columns: Indices of the columns aligned to the left.
        strong_rows: Indices of the rows to be stressed.
        caption: What the table says, may be empty.
        fold: Title under which the table is folded away; empty to show it.
        heading: Title above it, may be empty.
    """

    header: Sequence[str]
    rows: Sequence[Sequence[str]]
    text_columns: frozenset[int] = frozenset({0})
    strong_rows: frozenset[int] = frozenset()
    caption: str = ""
    fold: str = ""
    heading: str = ""
    kind: ClassVar[str] = "table"


@dataclasses.dataclass(frozen=True)
class Figure:
    """An inline SVG with its caption and what it shows in words, for those who cannot see it."""

    svg: Markup
    caption: str
    heading: str = ""
    kind: ClassVar[str] = "figure"


@dataclasses.dataclass(frozen=True)
class Picture:
    """One picture of a gallery with its title and the text under it."""

    svg: Markup
    title: str
    text: str = ""
    note: str = ""
    strong: bool = False


@dataclasses.dataclass(frozen=True)
class Gallery:
    """Small pictures side by side, as many in a row as fit."""

    pictures: Sequence[Picture]
    heading: str = ""
    kind: ClassVar[str] = "gallery"


def in_brackets(label: str) -> str:
    """Return what follows a heading of one of several runs; nothing where it is the only one."""
    return f" ({label})" if label else ""


Block = Facts | Formula | Table | Figure | Gallery


@dataclasses.dataclass(frozen=True)
class Section:
    """A part of the page.

    Attributes:
        anchor: Its id in the page.
        title: Its title.
        lead: What it says, in a sentence or two.
        blocks: What it shows.
        folded: Whether it is folded away at first.
    """

    anchor: str
    title: str
    lead: str
    blocks: Sequence[Block]
    folded: bool = False
