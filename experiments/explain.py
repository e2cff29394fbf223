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
from operator import attrgetter
from pathlib import Path
from typing import Any

from kapl_jax.errors import UserError
from kapl_jax.explain.digraph_pictures import reasoning_pictures
from kapl_jax.explain.reasoning_text import reasoning_text
from kapl_jax.explain.rule_text import rules_text
from kapl_jax.explain.user_explanation import explanation_pictures, explanation_text
from kapl_jax.methods.trained_on import AskSettings
from kapl_jax.programs import ask_by_flags, define_asking_flags
from kapl_jax.runs.files import write_bytes, write_json
from kapl_jax.runs.program import refuse_arguments, run_program
from kapl_jax.runs.report.metrics import read_metrics
from kapl_jax.runs.settings import from_flags, setting

QUESTIONS = attrgetter("explains")


@dataclasses.dataclass(frozen=True)
class ExplainSettings(AskSettings):
    """Which model is asked, and where pictures go."""

    out: str = setting("", "Folder of pictures and JSON; by default WORKDIR/explain.", path=True)


def main(argv: list[str]) -> None:
    """Explain what the flags ask about."""
    refuse_arguments(argv)
    settings = from_flags(ExplainSettings)
    asked, question = ask_by_flags(settings, QUESTIONS)
    folder = Path(settings.out) if settings.out else Path(settings.workdir) / "explain"
    explanation = asked.ask_why(question)
    if "users" in explanation:
        print(explanation_text(explanation))
        _save(folder, "explanation.json", explanation, explanation_pictures(explanation))
        print(f"pictures: {folder}")
    elif "table" in explanation:
        found = read_metrics((asked.run.results or {}).get("test")).get("mrr")
        explanation["mrr"]["model"] = None if found is None else found.mean
        print(rules_text(explanation))
        _save(folder, "rules.json", explanation)
        print(f"all rules: {folder / 'rules.json'}")
    else:
        print(reasoning_text(explanation))
        pictures = reasoning_pictures(explanation)
        _save(folder, "explanation.json", explanation, pictures)
        print(f"pictures: {folder}" if pictures else f"as JSON: {folder / 'explanation.json'}")


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
    define_asking_flags(ExplainSettings, QUESTIONS)
    run_program(main)
