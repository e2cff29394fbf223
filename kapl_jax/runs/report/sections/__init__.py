"""The sections of the report, in order: each is a function `(runs) -> Section | None`.

To add a section, write such a function and add one line to `SECTIONS`. A section that has nothing
to show for these runs (data not there yet, another method) returns None and is left out.
"""

from __future__ import annotations

from collections.abc import Callable, Sequence

from kapl_jax.runs.report.section import Section
from kapl_jax.runs.report.sections.by_relation import by_relation
from kapl_jax.runs.report.sections.headline import headline
from kapl_jax.runs.report.sections.hyperparameters import hyperparameters
from kapl_jax.runs.report.sections.landscape import landscape
from kapl_jax.runs.report.sections.overview import overview
from kapl_jax.runs.report.sections.parsimony import parsimony
from kapl_jax.runs.report.sections.paths import paths
from kapl_jax.runs.report.sections.pictures import pictures
from kapl_jax.runs.report.sections.pruning import pruning
from kapl_jax.runs.report.sections.published import published
from kapl_jax.runs.report.sections.reasons import reasons
from kapl_jax.runs.report.sections.results import results
from kapl_jax.runs.report.sections.rules import rules
from kapl_jax.runs.report.sections.settings import settings
from kapl_jax.runs.report.sections.trajectory import trajectory
from kapl_jax.runs.run_directory import Run

SectionFunction = Callable[[Sequence[Run]], Section | None]

SECTIONS: tuple[SectionFunction, ...] = (
    overview,
    headline,
    trajectory,
    pictures,
    results,
    pruning,
    published,
    landscape,
    reasons,
    paths,
    rules,
    by_relation,
    parsimony,
    hyperparameters,
    settings,
)
