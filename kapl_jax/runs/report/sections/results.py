"""Searched models and baselines side by side."""

from __future__ import annotations

from collections.abc import Sequence

from kapl_jax.runs.report import figures, summary
from kapl_jax.runs.report.formatting import count, metric_value
from kapl_jax.runs.report.metrics import (
    MINOR_METRICS,
    Metrics,
    axis_label,
    direction_note,
    metric_label,
    metric_names,
)
from kapl_jax.runs.report.models import Model, final_models, found_model
from kapl_jax.runs.report.presentation import Presentations, common_words, presentation_of
from kapl_jax.runs.report.section import Block, Figure, Section, Table
from kapl_jax.runs.report.svg import to_svg
from kapl_jax.runs.run_directory import Run


def results(runs: Sequence[Run], presentations: Presentations) -> Section | None:
    """Return for each finished run a figure and a table of its final models."""
    blocks: list[Block] = []
    for index, (run, label) in enumerate(zip(runs, summary.labels(runs), strict=True)):
        if models := final_models(run):
            heading = label if len(runs) > 1 else ""
            blocks.append(_figure(run, models, heading, f"results{index}"))
            word = presentation_of(run, presentations).words.baseline
            blocks.append(_table(run, models, word))
    if not blocks:
        return None
    word = common_words(runs, presentations).baseline
    lead = f"Final models, trained under the same budget as every {word}."
    return Section("results", f"Against the {word}s", lead, blocks)


def _stressed(run: Run, model: Model) -> bool:
    found = found_model(run)
    return found is not None and (model.name, model.structure) == (found.name, found.structure)


def _figure(run: Run, models: Sequence[Model], heading: str, name: str) -> Figure:
    by = summary.main_metric(run)
    rows = [
        figures.Row(m.name, _stressed(run, m), _interval(m.valid, by), _interval(m.test, by))
        for m in models
    ]
    drawn = figures.results(rows, axis_label(by))
    words = "; ".join(
        f"{m.name} {metric_value(m.valid, by)}, test {metric_value(m.test, by)}" for m in models
    )
    svg = to_svg(drawn, name, f"{metric_label(by)} in validation and test. {words}")
    chosen = "the shaded row is the best by validation."
    one = summary.seeds(run) == 1
    spread = "Of one seed" if one else "Mean over seeds with one standard deviation to each side"
    caption = f"{spread}; {chosen}"
    return Figure(svg, caption, heading)


def _table(run: Run, models: Sequence[Model], baseline: str) -> Table:
    by = summary.main_metric(run)
    names = metric_names([model.test for model in models])
    header = ["Model", "Kind", f"Valid {metric_label(by)}"]
    header += [f"Test {metric_label(name)}" for name in names] + ["Parameters"]
    rows = [
        [
            model.name,
            summary.origin(run) if model.searched else baseline,
            metric_value(model.valid, by),
            *(metric_value(model.test, name) for name in names),
            count(model.parameters),
        ]
        for model in models
    ]
    strong = frozenset(index for index, model in enumerate(models) if _stressed(run, model))
    note = direction_note(name for name in [by, *names] if name not in MINOR_METRICS)
    caption = f"Ordered by validation. {summary.spread_note([run])} {note}".rstrip()
    return Table(header, rows, frozenset({0, 1}), strong, caption)


def _interval(values: Metrics, name: str) -> figures.Interval | None:
    found = values.get(name)
    return None if found is None else figures.Interval(found.mean, found.std or 0.0)
