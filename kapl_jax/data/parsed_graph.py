"""What every reader returns: names and triples as they stand in the files, with their places."""

from __future__ import annotations

from dataclasses import dataclass
from functools import cached_property
from pathlib import Path

import numpy as np


@dataclass(frozen=True, eq=False)
class Names:
    """Names of entities or relations; the position is the id.

    Attributes:
        names: Distinct names.
        path: The file that declares them.
        lines: `int64[N]`, the line on which each is declared.
    """

    names: tuple[str, ...]
    path: Path
    lines: np.ndarray

    @cached_property
    def ids(self) -> dict[str, int]:
        """The id of each name."""
        return {name: number for number, name in enumerate(self.names)}


@dataclass(frozen=True, eq=False)
class Split:
    """Triples of one file.

    Attributes:
        path: The file.
        triples: `int32[T, 3]`, columns head, relation, tail.
        lines: `int64[T]`, the line of each triple.
    """

    path: Path
    triples: np.ndarray
    lines: np.ndarray


@dataclass(frozen=True, eq=False)
class ParsedGraph:
    """A folder as read, before duplicates are dropped; `facts` is None where there is no file."""

    entities: Names
    relations: Names
    facts: Split | None
    train: Split
    valid: Split
    test: Split
