"""Asking a trained model: the contract of every method's answers to (h, r, ?) and (?, r, t)."""

from __future__ import annotations

import dataclasses
import difflib
from collections.abc import Sequence
from typing import Protocol

from kapl_jax.errors import UserError


@dataclasses.dataclass(frozen=True)
class Query:
    """A question: a relation and one end; the other end is None and asked for.

    Attributes:
        head: Entity name or None.
        relation: Relation name.
        tail: Entity name or None.
        place: Where the query was given, for error messages.
    """

    head: str | None
    relation: str
    tail: str | None
    place: str


@dataclasses.dataclass(frozen=True)
class Answer:
    """One entity that may answer a query.

    Attributes:
        entity: Its name.
        score: The model's score; comparable within a query only.
        probability: Softmax of the scores over all entities.
        known: The split that holds the triple already, empty if none does.
    """

    entity: str
    score: float
    probability: float
    known: str


class Answerer(Protocol):
    """A trained model that answers queries."""

    def answer(self, queries: Sequence[Query], top: int) -> list[list[Answer]]:
        """Return the `top` best answers of each query, best first."""
        ...


def look_up(name: str, names: dict[str, int], kind: str, place: str) -> int:
    """Return the id of a name.

    Raises:
        UserError: It is unknown; the message gives the nearest names.
    """
    if name in names:
        return names[name]
    near = difflib.get_close_matches(name, names, n=3, cutoff=0.5)
    hint = f"; nearest: {', '.join(near)}" if near else f"; for example {next(iter(names))}"
    raise UserError(f"{place}: {kind} {name!r} is unknown, expected one of {len(names)}{hint}")
