"""Show why a trained model answers as it does.

python -m experiments.explain --workdir=DIR --head=ENTITY --relation=RELATION [--tail=ENTITY]
python -m experiments.explain --workdir=DIR --relation=RELATION --tail=ENTITY
python -m experiments.explain --workdir=DIR --rules
python -m experiments.explain --workdir=DIR --ratings=FILE [--item=ITEM]

For a query on a graph: the paths that lead to the best answers, or to the given one. For --rules:
the rules that the model's paths are instances of, with what the graph says of them. For a user's
ratings: the modulation that was found, and which ratings weigh most. Pictures and the same as JSON
are written to a folder.
"""

from __future__ import annotations

import dataclasses
from operator import attrgetter
from pathlib import Path

from kapl_jax.errors import UserError
from kapl_jax.methods.trained_on import AskSettings
from kapl_jax.programs import ask_by_flags, define_asking_flags
from kapl_jax.runs.files import write_bytes, write_json
from kapl_jax.runs.program import refuse_arguments, run_program
from kapl_jax.runs.settings import from_flags, setting

QUESTIONS = attrgetter("explains")


@dataclasses.dataclass(frozen=True)
class ExplainSettings(AskSettings):
    """Which model is asked, and where pictures go."""

    out: str = setting("", "Folder for pictures and JSON; by default WORKDIR/explain.", path=True)


def main(argv: list[str]) -> None:
    """Explain what the flags ask about."""
    refuse_arguments(argv)
    settings = from_flags(ExplainSettings)
    asked, question = ask_by_flags(settings, QUESTIONS)
    folder = Path(settings.out) if settings.out else Path(settings.workdir) / "explain"
    explanation = asked.ask_why(question)
    print(explanation.text())
    file, pictures = folder / f"{explanation.name}.json", explanation.pictures()
    try:
        for name, drawn in pictures.items():
            write_bytes(folder / name, drawn)
        write_json(file, explanation.to_json())
    except UserError as error:
        raise UserError(f"{error}, or give another folder by --out") from None
    print(f"pictures, and as JSON: {folder}" if pictures else f"{explanation.title}: {file}")


if __name__ == "__main__":
    define_asking_flags(ExplainSettings, QUESTIONS)
    run_program(main)
