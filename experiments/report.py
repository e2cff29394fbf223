"""Write the report of one or several runs as a self-contained HTML page.

python -m experiments.report --workdir=DIR
python -m experiments.report DIR DIR ... --out=FOLDER
"""

from __future__ import annotations

import dataclasses
from pathlib import Path

from kapl_jax.errors import UserError
from kapl_jax.methods import PRESENTATIONS
from kapl_jax.paths import expand_user
from kapl_jax.runs.program import run_program
from kapl_jax.runs.report import write_report
from kapl_jax.runs.run_directory import read_run
from kapl_jax.runs.settings import Settings, define_flags, from_flags, setting


@dataclasses.dataclass(frozen=True)
class ReportSettings(Settings):
    """What is reported on, and where the page goes."""

    workdir: tuple[str, ...] = setting(
        (),
        "Run directory. For several runs repeat the flag, or list the folders without it.",
        path=True,
    )
    out: str = setting(
        "",
        "Folder for the page; by default `report` in the run directory, or for several runs "
        "`comparison` in the first.",
        path=True,
    )


def main(argv: list[str]) -> None:
    """Write the page and print where it lies."""
    settings = from_flags(ReportSettings)
    folders = list(dict.fromkeys([*settings.workdir, *map(expand_user, argv[1:])]))
    if not folders:
        raise UserError("--workdir: no run directory given, expected one or more")
    runs = [read_run(folder) for folder in folders]
    default = Path(folders[0]) / ("report" if len(folders) == 1 else "comparison")
    try:
        out = Path(settings.out) if settings.out else default
        page = write_report(runs, out, PRESENTATIONS)
    except UserError as error:
        raise UserError(f"{error}, or give another folder by --out") from None
    print(f"report: {page}")


if __name__ == "__main__":
    define_flags(ReportSettings)
    run_program(main)
