"""The candidates found and the baselines, as pictures."""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence
from typing import Any

import numpy as np
from markupsafe import Markup
from matplotlib.axes import Axes

from kapl_jax.explain.block_pictures import draw_structure
from kapl_jax.explain.modulation_pictures import draw_modulation
from kapl_jax.runs.report import figures, summary
from kapl_jax.runs.report.formatting import metric_value, number
from kapl_jax.runs.report.metrics import metric_label
from kapl_jax.runs.report.models import Model, final_models, found_model, symbols
from kapl_jax.runs.report.section import Block, Gallery, Picture, Section
from kapl_jax.runs.report.svg import to_svg
from kapl_jax.runs.run_directory import Run

# How a method's candidates are drawn; a method that is not here has no pictures in its report.
PICTURES: Mapping[str, Callable[[Axes, np.ndarray], Any]] = {
    "autoblm": draw_structure,
    "coldnas": draw_modulation,
}

_SHOWN_UNFINISHED = 8


def pictures(runs: Sequence[Run]) -> Section | None:
    """Return a gallery of searched candidates a run, best first, and one of the baselines."""
    drawn = [run for run in runs if summary.method(run) in PICTURES]
    blocks: list[Block] = []
    for place, (run, label) in enumerate(zip(drawn, summary.labels(drawn), strict=True)):
        shown = _searched(run, f"picture{place}")
        heading = "Searched" if run.results else "Best so far"
        if shown:
            blocks.append(Gallery(shown, f"{heading}: {label}" if len(drawn) > 1 else heading))
    terms = summary.words(drawn)
    if shown := _baselines(drawn):
        blocks.append(Gallery(shown, f"{terms.baseline.capitalize()}s"))
    if not blocks:
        return None
    title = f"The {terms.candidate}s in pictures"
    lead = f"What was searched, and the {terms.baseline}s it is compared with."
    return Section("pictures", title, lead, blocks)


def _searched(run: Run, name: str) -> list[Picture]:
    if run.results is None:
        return _best_so_far(run, name)
    models = [model for model in _drawable(run) if model.searched]
    return [_picture(run, model, f"{name}-{place}") for place, model in enumerate(models)]


def _drawable(run: Run) -> list[Model]:
    return [model for model in final_models(run) if symbols(model.structure) is not None]


def _baselines(runs: Sequence[Run]) -> list[Picture]:
    """Return the baselines of all runs, each but once: their pictures are the same in every run."""
    first: dict[tuple[str, str], tuple[Run, Model]] = {}
    for run in runs:
        for model in _drawable(run):
            if not model.searched:
                first.setdefault((model.name, str(model.structure)), (run, model))
    return [
        _picture(run, model, f"baseline{place}", with_result=len(runs) == 1)
        for place, (run, model) in enumerate(first.values())
    ]


def _best_so_far(run: Run, name: str) -> list[Picture]:
    events = summary.ranked_candidates(run)[:_SHOWN_UNFINISHED]
    label = metric_label(summary.main_metric(run))
    return [
        Picture(
            _draw(run, event["candidate"], f"{name}-{place}", str(event.get("describe", ""))),
            str(event.get("name") or f"no. {place + 1}"),
            str(event.get("describe", "")),
            f"valid {label} {number(summary.as_metric(run, summary.score(event)))}",
        )
        for place, event in enumerate(events)
        if symbols(event.get("candidate")) is not None
    ]


def _picture(run: Run, model: Model, name: str, with_result: bool = True) -> Picture:
    by, found = summary.main_metric(run), found_model(run)
    reached = f"valid {metric_label(by)} {metric_value(model.valid, by)}" if with_result else ""
    drawing = _draw(run, model.structure, name, f"{model.name}: {model.formula}")
    chosen = with_result and found is not None and found.structure == model.structure
    return Picture(drawing, model.name, model.formula, reached, chosen)


def _draw(run: Run, structure: Any, name: str, label: str) -> Markup:
    figure, axes = figures.picture_axes()
    PICTURES[summary.method(run)](axes, np.asarray(structure))
    return to_svg(figure, name, label)
