"""What the report needs to know of a method; of all else it reads what every run records."""

from __future__ import annotations

import dataclasses
from collections.abc import Callable, Mapping, Sequence
from typing import Any

import numpy as np
from matplotlib.axes import Axes

from kapl_jax.runs.report import summary
from kapl_jax.runs.report.section import Section
from kapl_jax.runs.results_shape import fit_results
from kapl_jax.runs.run_directory import RESULTS, Run
from kapl_jax.runs.shapes import Shape

# Draws a structure, an array of symbols.
Draw = Callable[[Axes, np.ndarray], None]
# Makes a section of the runs whose methods have it, by what each is called on the page; the only
# run of a page is called nothing. None where they have nothing to show.
MethodSection = Callable[[Mapping[str, Run]], Section | None]


@dataclasses.dataclass(frozen=True)
class Words:
    """What a method calls its structures and those it is compared with."""

    candidate: str = "structure"
    baseline: str = "baseline"


def _no_facts(results: Mapping[str, Any]) -> Sequence[tuple[str, str]]:
    del results
    return ()


@dataclasses.dataclass(frozen=True)
class Presentation:
    """What a method adds to the report. The default serves methods that are not known.

    Attributes:
        title: Its name as people write it; empty: as config.json has it.
        paper: Authors, title, place and year.
        words: What it calls structures and baselines.
        sizes: Sizes of its data worth naming, as the dataset of config.json calls them.
        draw: Draws a structure; None where there are no pictures.
        facts: Makes labelled values of results.json that are told first; empty ones are left out.
        sections: What it has to show beyond what every method has. One that several methods share
            stands behind those of their own.
        shape: Its own parts of results.json: what does not fit is left out (`runs.shapes`).
    """

    title: str = ""
    paper: str = ""
    words: Words = Words()
    sizes: Sequence[str] = ()
    draw: Draw | None = None
    facts: Callable[[Mapping[str, Any]], Sequence[tuple[str, str]]] = _no_facts
    sections: Sequence[MethodSection] = ()
    shape: Shape = dataclasses.field(default_factory=dict)


# By the name of the method, as config.json holds it.
Presentations = Mapping[str, Presentation]

_UNKNOWN = Presentation()


def presentation_of(run: Run, presentations: Presentations) -> Presentation:
    """Return how the method of a run is presented; plainly where it is not known."""
    return presentations.get(summary.method(run), _UNKNOWN)


def common_words(runs: Sequence[Run], presentations: Presentations) -> Words:
    """Return the words that fit all runs: those of their methods where these agree."""
    kinds = {presentation_of(run, presentations).words for run in runs}
    return kinds.pop() if len(kinds) == 1 else Words()


def readable(run: Run, shape: Shape) -> Run:
    """Return a run without those results of its method that this version cannot read.

    Args:
        run: As `read_run` returns it, which checks what all methods write.
        shape: The method's own parts of results.json; of what does not fit there is a warning.
    """
    if run.results is None or not shape:
        return run
    return dataclasses.replace(run, results=fit_results(run.results, shape, run.path / RESULTS))


def method_sections(runs: Sequence[Run], presentations: Presentations) -> list[Section]:
    """Return the sections that the methods of these runs add, in the methods' order."""
    labels = summary.labels(runs) if len(runs) > 1 else [""]
    named = dict(zip(labels, runs, strict=True))
    offered = [make for one in presentations.values() for make in one.sections]
    found = []
    # Of a section that several methods share the last mention counts.
    for make in reversed(dict.fromkeys(reversed(offered))):
        members = {
            label: run
            for label, run in named.items()
            if make in presentation_of(run, presentations).sections
        }
        if members and (section := make(members)) is not None:
            found.append(section)
    return found
