"""What a model costs against how good it is."""

from __future__ import annotations

from collections.abc import Sequence

from kapl_jax.evaluation.objectives import sign
from kapl_jax.runs.report import figures, summary
from kapl_jax.runs.report.formatting import count, number
from kapl_jax.runs.report.metrics import axis_label, metric_label
from kapl_jax.runs.report.models import best_baseline, final_models, found_model
from kapl_jax.runs.report.presentation import Presentations, common_words
from kapl_jax.runs.report.section import Figure, Section
from kapl_jax.runs.report.svg import to_svg
from kapl_jax.runs.run_directory import Run


def parsimony(runs: Sequence[Run], presentations: Presentations) -> Section | None:
    """Return parameters against the test metric, one figure per dataset."""
    groups = summary.comparable(runs)
    blocks = []
    for index, (dataset, members) in enumerate(groups.items()):
        names = summary.labels(members)
        if points := _points(members, names):
            heading = dataset if len(groups) > 1 else ""
            word = common_words(members, presentations).baseline
            blocks.append(_figure(members, names, points, word, heading, f"parsimony{index}"))
    if not blocks:
        return None
    ways = {sign(summary.main_metric(run)) for run in runs}
    better = " or ".join("up" if way > 0 else "down" for way in sorted(ways))
    lead = f"Test quality against the number of parameters: {better} is better, left is cheaper."
    return Section("parsimony", "Parameters against quality", lead, blocks)


def _points(runs: Sequence[Run], names: Sequence[str]) -> list[figures.Point]:
    by = summary.main_metric(runs[0])
    points = []
    for index, run in enumerate(runs):
        baseline, found = best_baseline(run), found_model(run)
        named = {model.name for model in (baseline, found) if model is not None}
        prefix = f"{names[index]}: " if len(runs) > 1 else ""
        for model in final_models(run):
            if model.parameters and by in model.test:
                reached = figures.Interval(model.test[by].mean, model.test[by].std or 0.0)
                label = f"{prefix}{model.name}"
                group = 2 * index + (not model.searched)
                points.append(
                    figures.Point(label, group, model.parameters, reached, model.name in named)
                )
    return points


def _figure(
    runs: Sequence[Run],
    names: Sequence[str],
    points: Sequence[figures.Point],
    baseline: str,
    heading: str,
    name: str,
) -> Figure:
    by = summary.main_metric(runs[0])
    kinds = [(summary.origin(run), f"{baseline}s") for run in runs]
    if len(runs) == 1:
        groups = list(kinds[0])
    else:
        groups = [
            f"{run_name}: {kind}"
            for run_name, of_run in zip(names, kinds, strict=True)
            for kind in of_run
        ]
    drawn = figures.scatter(points, groups, axis_label(by, "test"))
    words = "; ".join(f"{p.label} {count(p.x)} parameters, {number(p.y.mean)}" for p in points)
    svg = to_svg(drawn, name, f"Parameters against test {metric_label(by)}. {words}")
    caption = (
        "Mean over seeds with one standard deviation. "
        f"Named: the best model and the best {baseline}."
    )
    if len({point.x for point in points}) == 1:
        caption += f" All models here have {count(points[0].x)} parameters."
    return Figure(svg, caption, heading)
