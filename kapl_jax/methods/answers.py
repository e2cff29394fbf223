"""Answers to (h, r, ?) and (?, r, t): what methods on knowledge graphs are asked and say."""

from __future__ import annotations

import dataclasses
from collections.abc import Collection, Sequence
from typing import Any, Protocol

from kapl_jax.data.misspelling import quote_unknown
from kapl_jax.data.text import quote
from kapl_jax.errors import UserError


@dataclasses.dataclass(frozen=True)
class Query:
    """A question: a relation and one end; the other end is None and asked for.

    Attributes:
        head: Entity name or None.
        relation: Relation name.
        tail: Entity name or None.
        source: Where the query was given, for error messages.
    """

    head: str | None
    relation: str
    tail: str | None
    source: str


@dataclasses.dataclass(frozen=True)
class Answer:
    """One entity that may answer a query.

    Attributes:
        rank: Its position among all entities, from 1.
        entity: Its name.
        score: The model's score; comparable within a query only.
        probability: Softmax of the scores over all entities.
        known: The split that holds the triple already, empty if none does.
    """

    rank: int
    entity: str
    score: float
    probability: float
    known: str


@dataclasses.dataclass(frozen=True)
class OutOfReach:
    """The entities that a model cannot tell apart for a query: its messages do not get there.

    Attributes:
        count: How many they are.
        score: The score that each of them has.
        rank: The mean position of all of them, which each has as its rank in evaluation.
    """

    count: int
    score: float
    rank: float


@dataclasses.dataclass(frozen=True)
class Answers:
    """What a model answers to a query, a `methods.predictor.Prediction`.

    Attributes:
        query: The query.
        best: The best answers that the model can reach, best first.
        out_of_reach: Those that it cannot reach; None for a model that reaches all.
        error: Why there are none.
    """

    query: Query
    best: Sequence[Answer] = ()
    out_of_reach: OutOfReach | None = None
    error: UserError | None = None
    warnings: tuple[str, ...] = ()

    def text(self) -> str:
        """Return the answers as a table."""
        query = self.query
        width = max(map(len, ["answer", *(one.entity for one in self.best)]))
        lines = [f"({query.head or '?'}, {query.relation}, {query.tail or '?'})"]
        lines.append(f"  rank  {'answer':<{width}}     score  probability  known from")
        lines += [
            f"  {one.rank:>4}  {one.entity:<{width}}  {one.score:>8.3f}  {one.probability:>11.4f}  "
            f"{one.known or '-'}"
            for one in self.best
        ]
        if self.out_of_reach is not None:
            lines.append(f"  {_rest(self.out_of_reach)}")
        return "\n".join(lines) + "\n"

    def to_json(self) -> dict[str, Any]:
        """Return `query`, and `answers` (and maybe `out_of_reach`) or the `error`."""
        query = self.query
        said: dict[str, Any] = {
            "query": {"head": query.head, "relation": query.relation, "tail": query.tail}
        }
        if self.error is not None:
            return {**said, "error": str(self.error)}
        said["answers"] = [dataclasses.asdict(answer) for answer in self.best]
        if self.out_of_reach is not None:
            said["out_of_reach"] = dataclasses.asdict(self.out_of_reach)
        return said


class Answerer(Protocol):
    """A trained model that answers queries."""

    def check(self, query: Query) -> None:
        """Check that the model knows the names of a query.

        Raises:
            UserError: It does not; the message gives the nearest names.
        """
        ...

    def answer(self, queries: Sequence[Query], top: int) -> list[Answers]:
        """Return the `top` best answers of each query.

        Raises:
            UserError: A query names what is unknown.
        """
        ...


def _rest(left: OutOfReach) -> str:
    entities = "1 entity is" if left.count == 1 else f"{left.count:,} entities are"
    shared = "" if left.count == 1 else "shared "
    return f"{entities} out of reach: score {left.score:.3f}, {shared}rank {left.rank:,.1f}"


def look_up(name: str, names: dict[str, int], kind: str, source: str) -> int:
    """Return the id of a name.

    Raises:
        UserError: It is unknown; the message gives the nearest names.
    """
    if name in names:
        return names[name]
    raise unknown(name, names, kind, source)


def unknown(name: str, names: Collection[str], kind: str, source: str) -> UserError:
    """Return the error for a name that is not among `names`."""
    told, first = quote_unknown(name, names, likeness=0.5), quote(next(iter(names)))
    return UserError(
        f"{source}: found unknown {kind} {told}, expected one of {len(names)} such as {first}"
    )
