"""Prints a table of runs, finished or not.

python -m experiments.compare WORKDIR...
"""

from __future__ import annotations

from absl import flags

from kapl_jax.errors import UserError
from kapl_jax.runs.program import run_program
from kapl_jax.runs.report import as_json, as_markdown, as_text, compare
from kapl_jax.runs.run_directory import read_run

_FORMATS = {"text": as_text, "json": as_json, "markdown": as_markdown}


def define_flags() -> None:
    """Define the flags of this program."""
    flags.DEFINE_bool("json", False, "Print JSON, with every metric.")
    flags.DEFINE_bool("markdown", False, "Print a Markdown table.")


def main(argv: list[str]) -> None:
    """Print one row a run, ordered by dataset, then by validation."""
    folders = list(dict.fromkeys(argv[1:]))
    if not folders:
        raise UserError("no run directory given, expected one or more: compare WORKDIR...")
    if flags.FLAGS.json and flags.FLAGS.markdown:
        raise UserError("--json --markdown: found both, expected at most one")
    chosen = "json" if flags.FLAGS.json else "markdown" if flags.FLAGS.markdown else "text"
    print(_FORMATS[chosen](compare([read_run(folder) for folder in folders])))


if __name__ == "__main__":
    define_flags()
    run_program(main)
