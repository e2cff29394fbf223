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

from kapl_jax.methods.queries import answer_known, query_from_flags, read_queries
from kapl_jax.methods.recommendations import Recommendation
from kapl_jax.methods.registry import load_answerer, load_recommender

from kapl_jax.errors import UserError
from kapl_jax.methods.answers import Answers, OutOfReach, Query
from kapl_jax.methods.trained_on import AskSettings
from kapl_jax.runs.compilation_cache import cache_setting, use_compilation_cache
from kapl_jax.runs.program import print_warnings, refuse_arguments, refuse_beside, run_program
from kapl_jax.runs.run_directory import Run
from kapl_jax.runs.settings import define_flags, from_flags, setting


@dataclasses.dataclass(frozen=True)
class PredictSettings(AskSettings):
    """Which model is asked, and what."""

    head: str = setting("", "Head entity; the tail is asked.")
    relation: str = setting("", "Relation.")
    tail: str = setting("", "Tail entity; the head is asked.")
    queries: str = setting(
        "",
        "File with a query a line: head, relation, tail; ? for the one that is asked.",
        path=True,
    )
    ratings: str = setting(
        "",
        "CSV of a new user's ratings, with the header item,rating; items are ranked.",
        path=True,
    )
    user_features: str = setting("", "What is known of the new user: field=value,field=value.")
    top: int = setting(10, "Answers shown for each query.", low=1)
    json: bool = setting(False, "Print one JSON object a query instead of tables.")
    compilation_cache: str = cache_setting()


def main(argv: list[str]) -> None:
    """Answer the queries that the flags give, or recommend to the user that they give."""
    refuse_arguments(argv)
    settings = from_flags(PredictSettings)
    run = settings.read_run()
    use_compilation_cache(settings.compilation_cache)
    if settings.ratings:
        refuse_beside("ratings", "head", "relation", "tail", "queries")
        _recommend(run, settings)
    elif settings.queries:
        refuse_beside("queries", "head", "relation", "tail", "user_features")
        _answer_all(run, settings)
    else:
        refuse_beside("relation", "user_features")
        _answer(run, settings)


def _recommend(run: Run, settings: PredictSettings) -> None:
    recommender = load_recommender(run, settings.source)
    user = recommender.new_user(Path(settings.ratings), settings.user_features)
    print_warnings(user.warnings)
    found = recommender.recommend(user, settings.top)
    if settings.json:
        print(json.dumps([dataclasses.asdict(one) for one in found], ensure_ascii=False))
    else:
        print(_as_ranking(found))


def _answer(run: Run, settings: PredictSettings) -> None:
    query = query_from_flags(settings.head, settings.relation, settings.tail)
    (answers,) = load_answerer(run, settings.source).answer([query], settings.top)
    print(_as_json(query, answers) if settings.json else _as_table(query, answers))


def _answer_all(run: Run, settings: PredictSettings) -> None:
    path = Path(settings.queries)
    queries = read_queries(path)
    found = answer_known(load_answerer(run, settings.source), queries, settings.top)
    for query, answers in zip(queries, found, strict=True):
        if isinstance(answers, UserError):
            print(f"error: {answers}", file=sys.stderr)
        if settings.json:
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
    define_flags(PredictSettings)
    run_program(main)
