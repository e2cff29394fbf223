"""What methods on knowledge graphs can be asked, from flags and files, and who answers."""

from __future__ import annotations

import dataclasses
from pathlib import Path
from typing import Protocol

from kapl_jax.data.text import quote, read_text_file
from kapl_jax.errors import UserError
from kapl_jax.explain import Explanation
from kapl_jax.explain.query_explanation import QueryExplanation
from kapl_jax.explain.rules import RulesExplanation
from kapl_jax.methods.answers import Answerer, Answers, Query
from kapl_jax.runs.settings import Settings, setting

_UNKNOWN = "?"


@dataclasses.dataclass(frozen=True)
class GraphQuestion(Settings):
    """A query, or a file of them."""

    head: str = setting("", "Head entity; the tail is asked for.")
    relation: str = setting("", "Relation of the query.")
    tail: str = setting("", "Tail entity; the head is asked for.")
    queries: str = setting(
        "",
        "File with one query per line: head, relation and tail, with ? for what is asked for.",
        path=True,
    )
    top: int = setting(10, "Answers shown for each query.", low=1)

    def read(self) -> list[Query]:
        """Return the query, or all of the file.

        Raises:
            UserError: There is none, or both are given; the file cannot be read or used.
        """
        if not self.queries:
            return [_query(self.head, self.relation, self.tail, "--queries")]
        _refuse_query_beside(self, "queries")
        return read_queries(Path(self.queries))


@dataclasses.dataclass(frozen=True)
class GraphExplanationQuestion(Settings):
    """A query whose answers are to be explained, or rules."""

    head: str = setting("", "Head entity of a query.")
    relation: str = setting("", "Relation of a query.")
    tail: str = setting(
        "", "Tail entity: with --head the answer to explain, without it the head is asked for."
    )
    top: int = setting(3, "Answers to explain.", low=1)
    rules: bool = setting(False, "Show the rules of the model's paths.")
    explained_answers: int = setting(
        1000, "Right validation answers whose paths are turned into rules.", low=1
    )

    def query(self) -> tuple[Query, str | None]:
        """Return the query, and the answer where both ends are given.

        Raises:
            UserError: The relation is missing, or both ends are.
        """
        if self.head and self.tail:
            return _query(self.head, self.relation, "", "--rules"), self.tail
        return _query(self.head, self.relation, self.tail, "--rules"), None


class Explainer(Protocol):
    """A trained model that explains its answers."""

    def explain(self, query: Query, answer: str | None, top: int) -> QueryExplanation:
        """Return why an answer, by default each of the `top` best, is given."""
        ...

    def rules(self, most_queries: int) -> RulesExplanation:
        """Return the rules that its paths to `most_queries` right answers are instances of."""
        ...


class GraphPredictor:
    """Answers and explains queries on a knowledge graph (`methods.predictor.Predictor`)."""

    def __init__(self, answerer: Answerer, explainer: Explainer | None = None) -> None:
        """Let `answerer` answer, and `explainer` explain."""
        self._answerer = answerer
        self._explainer = explainer

    def predict(self, question: GraphQuestion) -> list[Answers]:
        """Return the answers of each query; see `Predictor`.

        Of the queries in a file, those with unknown names get an error and all others are answered.

        Raises:
            UserError: The question cannot be read, or is one query with an unknown name.
        """
        queries = question.read()
        if not question.queries:
            return self._answerer.answer(queries, question.top)
        errors = [self._refusal(query) for query in queries]
        known = [query for query, error in zip(queries, errors, strict=True) if error is None]
        answers = iter(self._answerer.answer(known, question.top))
        return [
            next(answers) if error is None else Answers(query, error=error)
            for query, error in zip(queries, errors, strict=True)
        ]

    def explain(self, question: GraphExplanationQuestion) -> Explanation:
        """Return the paths to answers of a query, or the rules of the model; see `Predictor`."""
        assert self._explainer is not None
        if question.rules:
            _refuse_query_beside(question, "rules")
            return self._explainer.rules(question.explained_answers)
        query, answer = question.query()
        return self._explainer.explain(query, answer, question.top)

    def _refusal(self, query: Query) -> UserError | None:
        try:
            self._answerer.check(query)
        except UserError as error:
            return error
        return None


def read_queries(path: Path) -> list[Query]:
    """Read queries from a file: head, relation and tail in columns, `?` for what is asked for.

    Columns are separated by tabs, or by blanks where a line has no tab; empty lines are left out.

    Raises:
        UserError: The file cannot be read, is empty, or a line is no query.
    """
    lines = read_text_file(path).lines
    return [
        _parse(line, f"{path}:{number}")
        for number, line in enumerate(lines, start=1)
        if line.strip()
    ]


def _refuse_query_beside(question: GraphQuestion | GraphExplanationQuestion, chosen: str) -> None:
    """Refuse a query beside a flag that asks otherwise."""
    for name in ("head", "relation", "tail"):
        if getattr(question, name):
            raise UserError(f"--{name}: given with --{chosen}, expected one of the two")


def _query(head: str, relation: str, tail: str, instead: str) -> Query:
    """Return the query of flags; `instead` is a flag that could be given instead of them."""
    if not relation:
        raise UserError(f"--relation: missing; give --relation with --head or --tail, or {instead}")
    if bool(head) == bool(tail):
        given = "both" if head else "neither"
        raise UserError(
            f"--head, --tail: {given} given, expected exactly one; the other is asked for"
        )
    end = f"--head={head}" if head else f"--tail={tail}"
    return Query(head or None, relation, tail or None, f"{end} --relation={relation}")


def _parse(line: str, source: str) -> Query:
    columns = [part.strip() for part in (line.split("\t") if "\t" in line else line.split())]
    if len(columns) != 3:
        raise UserError(
            f"{source}: found {len(columns)} columns, expected 3: head, relation, tail, with "
            f"{_UNKNOWN} for what is asked for"
        )
    head, relation, tail = columns
    if (head == _UNKNOWN) == (tail == _UNKNOWN) or relation == _UNKNOWN:
        raise UserError(
            f"{source}: found {quote(line.strip())}, expected exactly one {_UNKNOWN}, as head or "
            "tail"
        )
    return Query(
        None if head == _UNKNOWN else head, relation, None if tail == _UNKNOWN else tail, source
    )
