"""What every reader returns: names and triples as they stand in the files, with their locations."""

from __future__ import annotations

from dataclasses import dataclass
from functools import cached_property
from pathlib import Path

import numpy as np

from kapl_jax.data.text import quote


@dataclass(frozen=True, eq=False)
class Names:
    """Names of entities or relations; the position is the id.

    Attributes:
        names: Distinct names.
        path: The file that declares them.
        lines: `int64[N]`, the line on which each is declared.
        undeclared: So many of the last names are declared nowhere: only validation or test has
            them. Their line is 0.
    """

    names: tuple[str, ...]
    path: Path
    lines: np.ndarray
    undeclared: int = 0

    @property
    def num_declared(self) -> int:
        """How many names the file declares; they come first."""
        return len(self.names) - self.undeclared

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

    def where(self, kept: np.ndarray) -> Split:
        """Return the triples that `kept`, `bool[T]`, marks."""
        return Split(self.path, self.triples[kept], self.lines[kept])


@dataclass(frozen=True, eq=False)
class ParsedGraph:
    """A folder as read, before duplicates are dropped; `facts` is None where there is no file.

    `warnings` say what was odd in it so far.
    """

    entities: Names
    relations: Names
    facts: Split | None
    train: Split
    valid: Split
    test: Split
    warnings: tuple[str, ...] = ()

    def quoted(self, triple: np.ndarray) -> str:
        """Return the names of a triple, `int32[3]`, in quotes."""
        head, relation, tail = triple
        entities, relations = self.entities.names, self.relations.names
        return " ".join(map(quote, (entities[head], relations[relation], entities[tail])))
