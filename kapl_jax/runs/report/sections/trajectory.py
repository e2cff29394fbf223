"""How the search went."""

from __future__ import annotations

import math
from collections.abc import Sequence

from kapl_jax.evaluation.objectives import sign
from kapl_jax.runs.report import figures, summary
from kapl_jax.runs.report.formatting import count, number
from kapl_jax.runs.report.metrics import axis_label, merit
from kapl_jax.runs.report.models import best_baseline
from kapl_jax.runs.report.presentation import Presentations, common_words
from kapl_jax.runs.report.section import Figure, Section
from kapl_jax.runs.report.svg import to_svg
from kapl_jax.runs.run_directory import Run


def trajectory(runs: Sequence[Run], presentations: Presentations) -> Section | None:
    """Return the best score so far against structures trained, one figure per dataset."""
    blocks = []
    groups = summary.comparable([run for run in runs if _scored(run)])
    for index, (dataset, members) in enumerate(groups.items()):
        heading = dataset if len(groups) > 1 else ""
        names = summary.labels(members)
        levels = _levels(members, common_words(members, presentations).baseline)
        blocks.append(_figure(members, names, levels, heading, f"trajectory{index}"))
    if not blocks:
        return None
    lead = "Best validation score so far as structures are trained; each dot is one structure."
    return Section("trajectory", "Search trajectory", lead, blocks)


def _scored(run: Run) -> bool:
    return any(math.isfinite(score) for score in summary.search_scores(run))


def _figure(
    runs: Sequence[Run],
    names: Sequence[str],
    levels: Sequence[figures.Level],
    heading: str,
    name: str,
) -> Figure:
    searches = [_search(run, label) for run, label in zip(runs, names, strict=True)]
    by = summary.main_metric(runs[0])
    drawn = figures.trajectory(searches, levels, axis_label(by, "validation"), sign(by))
    words = "; ".join(
        f"{one.label}: best {number(one.best[-1])} after {count(len(one.best))} structures"
        for one in searches
    )
    svg = to_svg(drawn, name, f"Search trajectory. {words}")
    return Figure(svg, _caption(searches, levels, by), heading)


def _search(run: Run, label: str) -> figures.Search:
    """Return a search in its own metric, which is what people compare with other results."""
    values = [summary.as_metric(run, score) for score in summary.search_scores(run)]
    best = [summary.as_metric(run, score) for score in summary.best_so_far(run)]
    return figures.Search(label, values, best)


def _levels(runs: Sequence[Run], word: str) -> list[figures.Level]:
    """Return the validation level of the best baseline in these runs, where it is known yet."""
    by = summary.main_metric(runs[0])
    known = [model for run in runs if (model := best_baseline(run)) is not None]
    known = [model for model in known if by in model.valid]
    if not known:
        return []
    best = max(known, key=lambda model: merit(model.valid, by))
    return [figures.Level(f"best {word} ({best.name}), final", best.valid[by].mean)]


def _caption(
    searches: Sequence[figures.Search], levels: Sequence[figures.Level], metric: str
) -> str:
    scores = [value for one in searches for value in one.values]
    diverged = sum(not math.isfinite(score) for score in scores)
    ends = ("lowest", "below") if sign(metric) > 0 else ("highest", "above")
    parts = [f"The {ends[0]} quarter of the structures may lie {ends[1]} the axis."]
    if diverged:
        parts.append(f"{count(diverged)} of {count(len(scores))} structures diverged.")
    if levels:
        parts.append(
            "The horizontal line is from the final stage, where models are tuned and trained for "
            "longer than during the search."
        )
    return " ".join(parts)
