"""Ask a trained model.

python -m experiments.predict --workdir=DIR --head=ENTITY --relation=RELATION
python -m experiments.predict --workdir=DIR --relation=RELATION --tail=ENTITY
python -m experiments.predict --workdir=DIR --queries=FILE [--json]
python -m experiments.predict --workdir=DIR --ratings=FILE [--user_features=FIELD=VALUE,...]

Of the queries in a file, those with unknown names are told on stderr and all others are answered;
the exit status is then 1. With --json each query has its line of output, in order.
"""

from __future__ import annotations

import dataclasses
import json
import sys
from pathlib import Path
from typing import Any

from absl import flags

from kapl_jax.errors import UserError
from kapl_jax.methods.answers import Answers, OutOfReach, Query
from kapl_jax.methods.queries import answer_known, query_from_flags, read_queries
from kapl_jax.methods.recommendations import Recommendation
from kapl_jax.methods.registry import load_answerer, load_recommender
from kapl_jax.runs.program import print_warnings, refuse_arguments, refuse_beside, run_program
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
        refuse_beside(_RATINGS, _HEAD, _RELATION, _TAIL, _QUERIES)
        _recommend(run, Path(_RATINGS.value))
    elif _QUERIES.value:
        refuse_beside(_QUERIES, _HEAD, _RELATION, _TAIL, _USER_FEATURES)
        _answer_all(run, Path(_QUERIES.value))
    else:
        refuse_beside(_RELATION, _USER_FEATURES)
        _answer(run)


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
    query = query_from_flags(_HEAD.value, _RELATION.value, _TAIL.value)
    (answers,) = load_answerer(run, _DATA_DIR.value or None).answer([query], _TOP.value)
    print(_as_json(query, answers) if _JSON.value else _as_table(query, answers))


def _answer_all(run: Run, path: Path) -> None:
    queries = read_queries(path)
    found = answer_known(load_answerer(run, _DATA_DIR.value or None), queries, _TOP.value)
    for query, answers in zip(queries, found, strict=True):
        if isinstance(answers, UserError):
            print(f"error: {answers}", file=sys.stderr)
        if _JSON.value:
            print(_as_json(query, answers))
        elif isinstance(answers, Answers):
            print(_as_table(query, answers))
    refused = sum(isinstance(answers, UserError) for answers in found)
    if refused:
        raise UserError(
            f"{path}: {refused} of {len(queries)} queries with unknown names were left out"
        )


def _as_json(query: Query, answers: Answers | UserError) -> str:
    said: dict[str, Any] = {
        "query": {"head": query.head, "relation": query.relation, "tail": query.tail}
    }
    if isinstance(answers, UserError):
        said["error"] = str(answers)
    else:
        said["answers"] = [dataclasses.asdict(answer) for answer in answers.best]
        if answers.out_of_reach is not None:
            said["out_of_reach"] = dataclasses.asdict(answers.out_of_reach)
    return json.dumps(said, ensure_ascii=False)


def _as_ranking(found: list[Recommendation]) -> str:
    names = [one.title or one.item for one in found]
    width = max(len("item"), *map(len, names))
    lines = [f"  rank  {'item':<{width}}  predicted rating  in training"]
    lines += [
        f"  {rank:>4}  {name:<{width}}  {one.rating:>16.3f}  {'yes' if one.seen else 'no'}"
        for rank, (name, one) in enumerate(zip(names, found, strict=True), start=1)
    ]
    return "\n".join(lines)


def _as_table(query: Query, answers: Answers) -> str:
    width = max(map(len, ["answer", *(one.entity for one in answers.best)]))
    lines = [f"({query.head or '?'}, {query.relation}, {query.tail or '?'})"]
    lines.append(f"  rank  {'answer':<{width}}     score  probability  known from")
    lines += [
        f"  {one.rank:>4}  {one.entity:<{width}}  {one.score:>8.3f}  {one.probability:>11.4f}  "
        f"{one.known or '-'}"
        for one in answers.best
    ]
    if answers.out_of_reach is not None:
        lines.append(f"  {_rest(answers.out_of_reach)}")
    return "\n".join(lines) + "\n"


def _rest(left: OutOfReach) -> str:
    entities = "1 entity is" if left.count == 1 else f"{left.count:,} entities are"
    shared = "" if left.count == 1 else "shared "
    return f"{entities} out of reach: score {left.score:.3f}, {shared}rank {left.rank:,.1f}"


if __name__ == "__main__":
    run_program(main)
