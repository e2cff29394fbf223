"""Ask a trained model.

python -m experiments.predict --workdir=DIR --head=ENTITY --relation=RELATION
python -m experiments.predict --workdir=DIR --relation=RELATION --tail=ENTITY
python -m experiments.predict --workdir=DIR --queries=FILE
python -m experiments.predict --workdir=DIR --ratings=FILE [--user_features=FIELD=VALUE,...]
"""

from __future__ import annotations

import dataclasses
import json
from pathlib import Path

from absl import flags

from kapl_jax.errors import UserError
from kapl_jax.methods.answers import Answer, Query
from kapl_jax.methods.queries import query_from_flags, read_queries
from kapl_jax.methods.recommendations import Recommendation
from kapl_jax.methods.registry import load_answerer, load_recommender
from kapl_jax.runs.program import print_warnings, refuse_arguments, run_program
from kapl_jax.runs.run_directory import Run, read_run

_WORKDIR = flags.DEFINE_string("workdir", None, "Run directory of a finished run.")
_DATA_DIR = flags.DEFINE_string("data_dir", "", "Folder of registered data, as for the run.")
_HEAD = flags.DEFINE_string("head", None, "Head entity; the tail is asked.")
_RELATION = flags.DEFINE_string("relation", None, "Relation.")
_TAIL = flags.DEFINE_string("tail", None, "Tail entity; the head is asked.")
_QUERIES = flags.DEFINE_string(
    "queries", None, "File with a query a line: head, relation, tail; ? for the one that is asked."
)
_RATINGS = flags.DEFINE_string(
    "ratings", None, "CSV of a new user's ratings, with the header item,rating; items are ranked."
)
_USER_FEATURES = flags.DEFINE_string(
    "user_features", "", "What is known of the new user: field=value,field=value."
)
_TOP = flags.DEFINE_integer("top", 10, "Answers shown for each query.", lower_bound=1)
_JSON = flags.DEFINE_bool("json", False, "Print one JSON object a query instead of tables.")


def main(argv: list[str]) -> None:
    """Answer the queries that the flags give, or recommend to the user that they give."""
    refuse_arguments(argv)
    if not _WORKDIR.value:
        raise UserError("--workdir: missing, expected the run directory of a finished run")
    run = read_run(_WORKDIR.value)
    if _RATINGS.value:
        _refuse_queries()
        _recommend(run, Path(_RATINGS.value))
    else:
        _answer(run)


def _refuse_queries() -> None:
    for flag in (_HEAD, _RELATION, _TAIL, _QUERIES):
        if flag.value:
            raise UserError(f"--{flag.name}: given with --ratings, expected one of the two")


def _recommend(run: Run, ratings: Path) -> None:
    recommender = load_recommender(run, _DATA_DIR.value or None)
    user = recommender.new_user(ratings, _USER_FEATURES.value)
    print_warnings(user.warnings)
    found = recommender.recommend(user, _TOP.value)
    if _JSON.value:
        print(json.dumps([dataclasses.asdict(one) for one in found], ensure_ascii=False))
    else:
        print(_as_ranking(found))


def _answer(run: Run) -> None:
    answerer = load_answerer(run, _DATA_DIR.value or None)
    if _QUERIES.value:
        queries = read_queries(Path(_QUERIES.value))
    else:
        queries = [query_from_flags(_HEAD.value, _RELATION.value, _TAIL.value)]
    for query, answers in zip(queries, answerer.answer(queries, _TOP.value), strict=True):
        print(_as_json(query, answers) if _JSON.value else _as_table(query, answers))


def _as_json(query: Query, answers: list[Answer]) -> str:
    asked = {"head": query.head, "relation": query.relation, "tail": query.tail}
    listed = [dataclasses.asdict(answer) for answer in answers]
    return json.dumps({"query": asked, "answers": listed}, ensure_ascii=False)


def _as_ranking(found: list[Recommendation]) -> str:
    names = [one.title or one.item for one in found]
    width = max(len("item"), *map(len, names))
    lines = [f"  rank  {'item':<{width}}  predicted rating  in training"]
    lines += [
        f"  {rank:>4}  {name:<{width}}  {one.rating:>16.3f}  {'yes' if one.seen else 'no'}"
        for rank, (name, one) in enumerate(zip(names, found, strict=True), start=1)
    ]
    return "\n".join(lines)


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
