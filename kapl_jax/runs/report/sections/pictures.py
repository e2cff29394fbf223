"""The structures found and the baselines, as pictures."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any

import numpy as np
from markupsafe import Markup

from kapl_jax.runs.report import figures, summary
from kapl_jax.runs.report.formatting import metric_value, number
from kapl_jax.runs.report.metrics import metric_label
from kapl_jax.runs.report.models import Model, final_models, found_model, symbols
from kapl_jax.runs.report.presentation import Draw, Presentations, common_words, presentation_of
from kapl_jax.runs.report.section import Block, Gallery, Picture, Section
from kapl_jax.runs.report.svg import to_svg
from kapl_jax.runs.run_directory import Run

_SHOWN_UNFINISHED = 8


def pictures(runs: Sequence[Run], presentations: Presentations) -> Section | None:
    """Return a gallery of searched structures per run, best first, and one of the baselines."""
    draws = [presentation_of(run, presentations).draw for run in runs]
    pairs = [(run, draw) for run, draw in zip(runs, draws, strict=True) if draw is not None]
    drawn = [run for run, _ in pairs]
    blocks: list[Block] = []
    for index, ((run, draw), label) in enumerate(zip(pairs, summary.labels(drawn), strict=True)):
        shown = _searched(run, draw, f"picture{index}")
        heading = summary.origin(run).capitalize() if run.results else "Best so far"
        if shown:
            blocks.append(Gallery(shown, f"{heading}: {label}" if len(drawn) > 1 else heading))
    terms = common_words(drawn, presentations)
    if shown := _baselines(pairs):
        blocks.append(Gallery(shown, f"{terms.baseline.capitalize()}s"))
    if not blocks:
        return None
    title = f"The {terms.candidate}s in pictures"
    origins = " or ".join(dict.fromkeys(map(summary.origin, drawn)))
    lead = f"What was {origins}, and the {terms.baseline}s it is compared with."
    return Section("pictures", title, lead, blocks)


def _searched(run: Run, draw: Draw, name: str) -> list[Picture]:
    if run.results is None:
        return _best_so_far(run, draw, name)
    models = [model for model in _drawable(run) if model.searched]
    return [_picture(run, draw, model, f"{name}-{index}") for index, model in enumerate(models)]


def _drawable(run: Run) -> list[Model]:
    return [model for model in final_models(run) if symbols(model.structure) is not None]


def _baselines(runs: Sequence[tuple[Run, Draw]]) -> list[Picture]:
    """Return the baselines of all runs, each but once: their pictures are the same in every run."""
    first: dict[tuple[str, str], tuple[Run, Draw, Model]] = {}
    for run, draw in runs:
        for model in _drawable(run):
            if not model.searched:
                first.setdefault((model.name, str(model.structure)), (run, draw, model))
    return [
        _picture(run, draw, model, f"baseline{index}", with_result=len(runs) == 1)
        for index, (run, draw, model) in enumerate(first.values())
    ]


def _best_so_far(run: Run, draw: Draw, name: str) -> list[Picture]:
    events = summary.ranked_candidates(run)[:_SHOWN_UNFINISHED]
    label = metric_label(summary.main_metric(run))
    return [
        Picture(
            _drawn(draw, event["candidate"], f"{name}-{index}", str(event.get("describe", ""))),
            str(event.get("name") or f"no. {index + 1}"),
            str(event.get("describe", "")),
            f"valid {label} {number(summary.as_metric(run, summary.score(event)))}",
        )
        for index, event in enumerate(events)
        if symbols(event.get("candidate")) is not None
    ]


def _picture(run: Run, draw: Draw, model: Model, name: str, with_result: bool = True) -> Picture:
    by, found = summary.main_metric(run), found_model(run)
    reached = f"valid {metric_label(by)} {metric_value(model.valid, by)}" if with_result else ""
    drawing = _drawn(draw, model.structure, name, f"{model.name}: {model.formula}")
    chosen = with_result and found is not None and found.structure == model.structure
    return Picture(drawing, model.name, model.formula, reached, chosen)


def _drawn(draw: Draw, structure: Any, name: str, label: str) -> Markup:
    figure, axes = figures.picture_axes()
    draw(axes, np.asarray(structure))
    return to_svg(figure, name, label)
