"""The page: sections rendered into one HTML file that needs nothing else."""

from __future__ import annotations

from collections.abc import Sequence
from pathlib import Path

from jinja2 import Environment, PackageLoader, StrictUndefined

from kapl_jax.runs.files import write_text
from kapl_jax.runs.report import summary
from kapl_jax.runs.report.presentation import (
    Presentations,
    method_sections,
    presentation_of,
    readable,
)
from kapl_jax.runs.report.section import Section
from kapl_jax.runs.report.sections import FIRST, LAST, SectionFunction
from kapl_jax.runs.run_directory import Run


def write_report(runs: Sequence[Run], out: Path, presentations: Presentations) -> Path:
    """Write the report of one or several runs, finished or not.

    Args:
        runs: At least one run; several are shown beside each other.
        out: Folder of the page, made when missing; an earlier page is replaced.
        presentations: What the methods add, by their names; others are shown plainly.

    Returns:
        The page, `out/index.html`: self-contained, it opens offline and without JavaScript.

    Raises:
        UserError: The page cannot be written.
    """
    page = out / "index.html"
    write_text(page, render(runs, presentations))
    return page


def render(runs: Sequence[Run], presentations: Presentations) -> str:
    """Return the HTML of the report, see `write_report`."""
    if not runs:
        raise ValueError("a report needs at least one run")
    runs = [readable(run, presentation_of(run, presentations).shape) for run in runs]
    sections = [
        *_made(FIRST, runs, presentations),
        *method_sections(runs, presentations),
        *_made(LAST, runs, presentations),
    ]
    # Escaping is on for every value; only the SVG of the figures comes as ready markup.
    environment = Environment(
        loader=PackageLoader("kapl_jax.runs.report", package_path="."),
        autoescape=True,
        undefined=StrictUndefined,
        trim_blocks=True,
        lstrip_blocks=True,
    )
    template = environment.get_template("page.html")
    return template.render(
        title=_title(runs, presentations),
        subtitle=_subtitle(runs, presentations),
        sections=sections,
    )


def _made(
    functions: Sequence[SectionFunction], runs: Sequence[Run], presentations: Presentations
) -> list[Section]:
    made = (make(runs, presentations) for make in functions)
    return [section for section in made if section is not None]


def _title(runs: Sequence[Run], presentations: Presentations) -> str:
    names = [presentation_of(run, presentations).title or summary.method(run) for run in runs]
    datasets = ", ".join(dict.fromkeys(summary.dataset(run) for run in runs))
    return f"{', '.join(dict.fromkeys(names))} on {datasets}"


def _subtitle(runs: Sequence[Run], presentations: Presentations) -> str:
    if len(runs) > 1:
        return f"{len(runs)} runs side by side"
    paper = presentation_of(runs[0], presentations).paper
    return f"Run {runs[0].path.name or runs[0].path}" + (f" · {paper}" if paper else "")
