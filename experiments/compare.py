"""Print a table of runs, finished or not.

python -m experiments.compare WORKDIR...
"""

from __future__ import annotations

import dataclasses

from kapl_jax.errors import UserError
from kapl_jax.paths import expand_user
from kapl_jax.runs.program import run_program
from kapl_jax.runs.report import as_json, as_markdown, as_text, compare
from kapl_jax.runs.run_directory import read_run
from kapl_jax.runs.settings import Settings, define_flags, from_flags, setting

_FORMATS = {"text": as_text, "json": as_json, "markdown": as_markdown}


@dataclasses.dataclass(frozen=True)
class CompareSettings(Settings):
    """The form of the table."""

    json: bool = setting(False, "Print JSON, with every metric.")
    markdown: bool = setting(False, "Print a Markdown table.")


def main(argv: list[str]) -> None:
    """Print one row per run, ordered by dataset, then by validation."""
    settings = from_flags(CompareSettings)
    folders = list(dict.fromkeys(map(expand_user, argv[1:])))
    if not folders:
        raise UserError("no run directory given, expected one or more: compare WORKDIR...")
    if settings.json and settings.markdown:
        raise UserError("--json --markdown: found both, expected at most one")
    chosen = "json" if settings.json else "markdown" if settings.markdown else "text"
    print(_FORMATS[chosen](compare([read_run(folder) for folder in folders])))


if __name__ == "__main__":
    define_flags(CompareSettings)
    run_program(main)
