"""Ask a trained model.

python -m experiments.predict --workdir=DIR --head=ENTITY --relation=RELATION
python -m experiments.predict --workdir=DIR --relation=RELATION --tail=ENTITY
python -m experiments.predict --workdir=DIR --queries=FILE
"""

from __future__ import annotations

import dataclasses
import json
from pathlib import Path

from absl import flags

from kapl_jax.errors import UserError
from kapl_jax.methods.answers import Answer, Query
from kapl_jax.methods.queries import query_from_flags, read_queries
from kapl_jax.methods.registry import load_answerer
from kapl_jax.runs.program import run_program
from kapl_jax.runs.run_directory import read_run

_WORKDIR = flags.DEFINE_string("workdir", None, "Run directory of a finished run.")
_DATA_DIR = flags.DEFINE_string("data_dir", "", "Folder of registered data, as for the run.")
_HEAD = flags.DEFINE_string("head", None, "Head entity; the tail is asked.")
_RELATION = flags.DEFINE_string("relation", None, "Relation.")
_TAIL = flags.DEFINE_string("tail", None, "Tail entity; the head is asked.")
_QUERIES = flags.DEFINE_string(
    "queries", None, "File with a query a line: head, relation, tail; ? for the one that is asked."
)
_TOP = flags.DEFINE_integer("top", 10, "Answers shown for each query.", lower_bound=1)
_JSON = flags.DEFINE_bool("json", False, "Print one JSON object a query instead of tables.")


def main(argv: list[str]) -> None:
    """Answer the queries that the flags give."""
    if len(argv) > 1:
        raise UserError(f"{argv[1]}: unexpected argument; every setting is a --flag, see --help")
    if not _WORKDIR.value:
        raise UserError("--workdir: missing, expected the run directory of a finished run")
    if _QUERIES.value:
        queries = read_queries(Path(_QUERIES.value))
    else:
        queries = [query_from_flags(_HEAD.value, _RELATION.value, _TAIL.value)]
    answerer = load_answerer(read_run(_WORKDIR.value), _DATA_DIR.value or None)
    for query, answers in zip(queries, answerer.answer(queries, _TOP.value), strict=True):
        print(_as_json(query, answers) if _JSON.value else _as_table(query, answers))


def _as_json(query: Query, answers: list[Answer]) -> str:
    asked = {"head": query.head, "relation": query.relation, "tail": query.tail}
    listed = [dataclasses.asdict(answer) for answer in answers]
    return json.dumps({"query": asked, "answers": listed}, ensure_ascii=False)


def _as_table(query: Query, answers: list[Answer]) -> str:
    width = max(len("answer"), *(len(answer.entity) for answer in answers))
    lines = [f"({query.head or '?'}, {query.relation}, {query.tail or '?'})"]
    lines.append(f"  rank  {'answer':<{width}}     score  probability  known from")
    lines += [
        f"  {rank:>4}  {one.entity:<{width}}  {one.score:>8.3f}  {one.probability:>11.4f}  "
        f"{one.known or '-'}"
        for rank, one in enumerate(answers, start=1)
    ]
    return "\n".join(lines) + "\n"


if __name__ == "__main__":
    run_program(main)
