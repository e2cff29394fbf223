"""Show why a trained model answers as it does.

python -m experiments.explain --workdir=DIR --head=ENTITY --relation=RELATION [--tail=ENTITY]
python -m experiments.explain --workdir=DIR --relation=RELATION --tail=ENTITY
python -m experiments.explain --workdir=DIR --rules
python -m experiments.explain --workdir=DIR --ratings=FILE [--item=ITEM]

For a query on a graph: the paths that lead to the best answers, or to the given one. For --rules:
the rules that the model's paths are instances of, with what the graph says of them. For a user's
ratings: the modulation that was found, and which ratings weigh most. Pictures and the same as JSON
go to a folder.
"""

from __future__ import annotations

import dataclasses
from collections.abc import Mapping
from pathlib import Path
from typing import Any

from kapl_jax.errors import UserError
from kapl_jax.explain.digraph_pictures import reasoning_pictures
from kapl_jax.explain.reasoning_text import reasoning_text
from kapl_jax.explain.rule_text import rules_text
from kapl_jax.explain.user_explanation import explanation_pictures, explanation_text
from kapl_jax.methods.queries import query_to_explain
from kapl_jax.methods.registry import load_explainer, load_recommender
from kapl_jax.methods.trained_on import AskSettings
from kapl_jax.runs.compilation_cache import cache_setting, use_compilation_cache
from kapl_jax.runs.files import write_bytes, write_json
from kapl_jax.runs.program import print_warnings, refuse_arguments, refuse_beside, run_program
from kapl_jax.runs.report.metrics import read_metrics
from kapl_jax.runs.run_directory import Run
from kapl_jax.runs.settings import define_flags, from_flags, setting


@dataclasses.dataclass(frozen=True)
class ExplainSettings(AskSettings):
    """Which model is asked to explain what, and where the pictures go."""

    head: str = setting("", "Head entity of a query.")
    relation: str = setting("", "Relation of a query.")
    tail: str = setting("", "Tail entity: the answer to explain, or what is known.")
    top: int = setting(3, "Answers to explain.", low=1)
    rules: bool = setting(False, "Show the rules of the model's paths.")
    explained_answers: int = setting(
        1000, "Right validation answers whose paths make rules.", low=1
    )
    ratings: str = setting("", "CSV of a user's ratings: header item,rating.", path=True)
    user_features: str = setting("", "What is known of the user: field=value,field=value.")
    item: str = setting("", "Item to explain; by default the best one.")
    out: str = setting("", "Folder of pictures and JSON; by default WORKDIR/explain.", path=True)
    compilation_cache: str = cache_setting()


def main(argv: list[str]) -> None:
    """Explain what the flags ask about."""
    refuse_arguments(argv)
    settings = from_flags(ExplainSettings)
    run = settings.read_run()
    use_compilation_cache(settings.compilation_cache)
    folder = Path(settings.out) if settings.out else Path(settings.workdir) / "explain"
    if settings.rules:
        refuse_beside("rules", "head", "relation", "tail", "ratings", "user_features", "item")
        _explain_rules(run, settings, folder)
    elif settings.ratings:
        refuse_beside("ratings", "head", "relation", "tail")
        _explain_user(run, settings, folder)
    elif settings.relation or settings.head or settings.tail:
        refuse_beside("relation", "user_features", "item")
        _explain_query(run, settings, folder)
    else:
        raise UserError(
            "--relation, --rules, --ratings: missing, expected a query (--head, --relation), "
            "--rules, or a CSV with the header item,rating"
        )


def _explain_query(run: Run, settings: ExplainSettings, folder: Path) -> None:
    query, answer = query_to_explain(settings.head, settings.relation, settings.tail)
    explainer = load_explainer(run, settings.source)
    explanation = explainer.explain(query, answer, settings.top)
    print(reasoning_text(explanation))
    pictures = reasoning_pictures(explanation)
    _save(folder, "explanation.json", explanation, pictures)
    print(f"pictures: {folder}" if pictures else f"as JSON: {folder / 'explanation.json'}")


def _explain_rules(run: Run, settings: ExplainSettings, folder: Path) -> None:
    rules = load_explainer(run, settings.source).rules(settings.explained_answers)
    found = read_metrics((run.results or {}).get("test")).get("mrr")
    rules["mrr"]["model"] = None if found is None else found.mean
    print(rules_text(rules))
    _save(folder, "rules.json", rules)
    print(f"all rules: {folder / 'rules.json'}")


def _explain_user(run: Run, settings: ExplainSettings, folder: Path) -> None:
    recommender = load_recommender(run, settings.source)
    user = recommender.new_user(Path(settings.ratings), settings.user_features)
    print_warnings(user.warnings)
    explanation = recommender.explain(user, settings.item or None)
    print(explanation_text(explanation))
    _save(folder, "explanation.json", explanation, explanation_pictures(explanation))
    print(f"pictures: {folder}")


def _save(
    folder: Path, name: str, content: Mapping[str, Any], pictures: Mapping[str, bytes] | None = None
) -> None:
    try:
        for picture, drawn in (pictures or {}).items():
            write_bytes(folder / picture, drawn)
        write_json(folder / name, content)
    except UserError as error:
        raise UserError(f"{error}, or give another folder by --out") from None


if __name__ == "__main__":
    define_flags(ExplainSettings)
    run_program(main)
