"""Ask a trained model.

python -m experiments.predict --workdir=DIR --head=ENTITY --relation=RELATION
python -m experiments.predict --workdir=DIR --relation=RELATION --tail=ENTITY
python -m experiments.predict --workdir=DIR --queries=FILE [--json]
python -m experiments.predict --workdir=DIR --ratings=FILE [--user_features=FIELD=VALUE,...]

If queries in a file have unknown names, these are reported on stderr, all others are answered, and
the exit status is 1. With --json each query has one line of output, in order.
"""

from __future__ import annotations

import dataclasses
import json
import sys
from operator import attrgetter

from kapl_jax.errors import UserError
from kapl_jax.methods.trained_on import AskSettings
from kapl_jax.programs import ask_by_flags, define_asking_flags
from kapl_jax.runs.program import print_warnings, refuse_arguments, run_program
from kapl_jax.runs.settings import from_flags, setting

QUESTIONS = attrgetter("predicts")


@dataclasses.dataclass(frozen=True)
class PredictSettings(AskSettings):
    """Which model is asked, and how its answers are printed."""

    json: bool = setting(False, "Print one line of JSON per question instead of tables.")


def main(argv: list[str]) -> None:
    """Answer what the flags ask."""
    refuse_arguments(argv)
    settings = from_flags(PredictSettings)
    asked, question = ask_by_flags(settings, QUESTIONS)
    answers = asked.ask(question)
    for answer in answers:
        print_warnings(answer.warnings)
        if answer.error is not None:
            print(f"error: {answer.error}", file=sys.stderr)
        if settings.json:
            print(json.dumps(answer.to_json(), ensure_ascii=False))
        elif answer.error is None:
            print(answer.text())
    refused = sum(answer.error is not None for answer in answers)
    if refused:
        # A question alone is refused as a whole: these are of a file, whose lines are told above.
        raise UserError(f"{refused} of {len(answers)} questions were left out, see the lines above")


if __name__ == "__main__":
    define_asking_flags(PredictSettings, QUESTIONS)
    run_program(main)
