"""Reading queries from flags and files."""

from __future__ import annotations

from collections.abc import Sequence
from pathlib import Path

from kapl_jax.data.text import quote, read_text_file
from kapl_jax.errors import UserError
from kapl_jax.methods.answers import Answerer, Answers, Query

_UNKNOWN = "?"


def query_from_flags(head: str | None, relation: str | None, tail: str | None) -> Query:
    """Return the query of --head, --relation and --tail.

    Raises:
        UserError: The relation is missing, or not exactly one end is given.
    """
    if not relation:
        raise UserError("--relation: missing; give --relation with --head or --tail, or --queries")
    if bool(head) == bool(tail):
        given = "both" if head else "neither"
        raise UserError(f"--head, --tail: {given} given, expected exactly one; the other is asked")
    end = f"--head={head}" if head else f"--tail={tail}"
    return Query(head or None, relation, tail or None, f"{end} --relation={relation}")


def query_to_explain(
    head: str | None, relation: str | None, tail: str | None
) -> tuple[Query, str | None]:
    """Return the query of --head, --relation and --tail, and the answer where all are given.

    Raises:
        UserError: The relation is missing, or both ends are.
    """
    if head and tail:
        return query_from_flags(head, relation, None), tail
    return query_from_flags(head, relation, tail), None


def read_queries(path: Path) -> list[Query]:
    """Read queries from a file: head, relation and tail in columns, `?` for the end that is asked.

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


def answer_known(
    answerer: Answerer, queries: Sequence[Query], top: int
) -> list[Answers | UserError]:
    """Return of each query the `top` best answers, or why it has none: it names what is unknown."""
    errors = [_refusal(answerer, query) for query in queries]
    known = [query for query, error in zip(queries, errors, strict=True) if error is None]
    answers = iter(answerer.answer(known, top))
    return [next(answers) if error is None else error for error in errors]


def _refusal(answerer: Answerer, query: Query) -> UserError | None:
    try:
        answerer.check(query)
    except UserError as error:
        return error
    return None


def _parse(line: str, place: str) -> Query:
    columns = [part.strip() for part in (line.split("\t") if "\t" in line else line.split())]
    if len(columns) != 3:
        raise UserError(
            f"{place}: found {len(columns)} columns, expected 3: head, relation, tail, with "
            f"{_UNKNOWN} for the one that is asked"
        )
    head, relation, tail = columns
    if (head == _UNKNOWN) == (tail == _UNKNOWN) or relation == _UNKNOWN:
        raise UserError(
            f"{place}: found {quote(line.strip())}, expected exactly one {_UNKNOWN}, as head or "
            "tail"
        )
    return Query(
        None if head == _UNKNOWN else head, relation, None if tail == _UNKNOWN else tail, place
    )
