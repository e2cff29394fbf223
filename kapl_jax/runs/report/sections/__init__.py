"""The sections of the report that every method has, in order: `(runs, presentations) -> Section`.

One that has nothing to show for these runs returns None and is left out. What a method adds
(`runs.report.presentation`) stands between the first and the last of them.
"""

from __future__ import annotations

from collections.abc import Callable, Sequence

from kapl_jax.runs.report.presentation import Presentations
from kapl_jax.runs.report.section import Section
from kapl_jax.runs.report.sections.headline import headline
from kapl_jax.runs.report.sections.parsimony import parsimony
from kapl_jax.runs.report.sections.pictures import pictures
from kapl_jax.runs.report.sections.results import results
from kapl_jax.runs.report.sections.tables import hyperparameters, overview, settings
from kapl_jax.runs.report.sections.trajectory import trajectory
from kapl_jax.runs.run_directory import Run

SectionFunction = Callable[[Sequence[Run], Presentations], Section | None]

FIRST: tuple[SectionFunction, ...] = (overview, headline, trajectory, pictures, results)
LAST: tuple[SectionFunction, ...] = (parsimony, hyperparameters, settings)
