"""Writes the report of one or several runs as a self-contained HTML page.

python -m experiments.report --workdir=DIR
python -m experiments.report DIR DIR ... --out=FOLDER
"""

from __future__ import annotations

from pathlib import Path

from absl import flags

from kapl_jax.errors import UserError
from kapl_jax.runs.program import run_program
from kapl_jax.runs.report import write_report
from kapl_jax.runs.run_directory import read_run


def define_flags() -> None:
    """Define the flags of this program."""
    flags.DEFINE_list("workdir", [], "Run directories, separated by commas; or give them as words.")
    flags.DEFINE_string(
        "out",
        "",
        "Folder of the page; by default `report` in the run directory, and for several runs "
        "`comparison` in the first.",
    )


def main(argv: list[str]) -> None:
    """Write the page and print where it lies."""
    folders = list(dict.fromkeys([*flags.FLAGS.workdir, *argv[1:]]))
    if not folders:
        raise UserError("--workdir: no run directory given, expected one or more")
    runs = [read_run(folder) for folder in folders]
    default = Path(folders[0]) / ("report" if len(folders) == 1 else "comparison")
    page = write_report(runs, Path(flags.FLAGS.out) if flags.FLAGS.out else default)
    print(f"report: {page}")


if __name__ == "__main__":
    define_flags()
    run_program(main)
