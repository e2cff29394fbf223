"""The figures of the report: they know numbers and names, nothing of runs."""

from __future__ import annotations

import dataclasses
import math
from collections.abc import Sequence
from typing import Any

import numpy as np
from matplotlib.axes import Axes
from matplotlib.figure import Figure
from matplotlib.ticker import FuncFormatter, MaxNLocator

from kapl_jax.drawing import GRID, INK, MUTED, SERIES, literal, plain_axes, room_around

_WIDTH = 7.0
_DASHES = ("-", "--", "-.", ":")
_MARKERS = ("o", "s", "D", "^", "v", "P")
# Beyond so many dots an image inside the figure is smaller than the dots one by one.
_DOTS_AS_IMAGE = 3000


@dataclasses.dataclass(frozen=True)
class Search:
    """Values of one search in the order of training, and the best so far (inf: none, diverged)."""

    label: str
    values: Sequence[float]
    best: Sequence[float]


@dataclasses.dataclass(frozen=True)
class Group:
    """Values of one run, one per category, NaN where it has none."""

    label: str
    values: Sequence[float]


@dataclasses.dataclass(frozen=True)
class Level:
    """A horizontal line that a search is held against."""

    label: str
    value: float


@dataclasses.dataclass(frozen=True)
class Interval:
    """A value with its standard deviation, 0 where unknown."""

    mean: float
    std: float


@dataclasses.dataclass(frozen=True)
class Row:
    """A model in a figure of results: its intervals by split, None where unknown."""

    label: str
    stressed: bool
    valid: Interval | None
    test: Interval | None


@dataclasses.dataclass(frozen=True)
class Point:
    """A model in the figure of cost against quality."""

    label: str
    group: int
    x: float
    y: Interval
    named: bool


def trajectory(
    searches: Sequence[Search], levels: Sequence[Level], y_label: str, direction: float
) -> Figure:
    """Draw the best value so far against the number of structures trained, each one as a dot.

    The axis ends where the worst quarter of all values begins: where the good ones differ is what
    counts.

    Args:
        searches: What to draw, at least one finite value among them.
        levels: Horizontal lines.
        y_label: What the values measure.
        direction: 1 where more is better, else -1.
    """
    figure, axes = _new(3.9)
    finite = [value for one in searches for value in one.values if math.isfinite(value)]
    for index, one in enumerate(searches):
        colour, dash = SERIES[index % len(SERIES)], _DASHES[index % len(_DASHES)]
        count = np.arange(1, len(one.values) + 1)
        dots: dict[str, Any] = {
            "s": 13,
            "alpha": 0.5,
            "linewidth": 0,
            "rasterized": len(finite) > _DOTS_AS_IMAGE,
        }
        axes.scatter(count, _gaps(one.values), color=colour, **dots)
        line: dict[str, Any] = {
            "color": colour,
            "linestyle": dash,
            "linewidth": 2,
            "label": literal(one.label),
        }
        axes.step(count, _gaps(one.best), where="post", **line)
    for index, level in enumerate(levels):
        dash = _DASHES[1 + index % 3]
        axes.axhline(
            level.value, label=literal(level.label), color=INK, linestyle=dash, linewidth=1.2
        )
    merits = direction * np.asarray(finite)
    ends = [direction * float(np.quantile(merits, 0.25)), direction * float(max(merits))]
    ends += [level.value for level in levels]
    low, high = min(ends), max(ends)
    axes.set_ylim(*room_around(low, high))
    axes.set_xlim(0, max(len(one.values) for one in searches) + 1)
    axes.set_xlabel("structures trained")
    axes.set_ylabel(y_label)
    axes.xaxis.set_major_locator(MaxNLocator(integer=True))
    _legend(axes)
    return figure


def results(rows: Sequence[Row], x_label: str) -> Figure:
    """Draw for each model its value in validation and in test with their standard deviations.

    Points, not bars: bars would have to start at zero, where good models look all alike.
    """
    figure, axes = _new(0.9 + 0.34 * len(rows))
    indices = np.arange(len(rows))
    splits = (
        ("validation", "o", -0.14, SERIES[0], [row.valid for row in rows]),
        ("test", "D", 0.14, SERIES[1], [row.test for row in rows]),
    )
    for label, marker, shift, colour, intervals in splits:
        axes.errorbar(
            [math.nan if i is None else i.mean for i in intervals],
            indices + shift,
            xerr=[0.0 if i is None else i.std for i in intervals],
            fmt=marker,
            markersize=5,
            color=colour,
            elinewidth=1.4,
            capsize=2.5,
            label=label,
        )
    for index, row in enumerate(rows):
        if row.stressed:
            axes.axhspan(index - 0.5, index + 0.5, color=MUTED, alpha=0.14, linewidth=0)
    axes.set_yticks(indices, [literal(row.label) for row in rows])
    for tick, row in zip(axes.get_yticklabels(), rows, strict=True):
        tick.set_fontweight("bold" if row.stressed else "normal")
    axes.set_ylim(len(rows) - 0.5, -0.5)
    ends = [end for row in rows for one in (row.valid, row.test) if one for end in _ends(one)]
    if ends:
        axes.set_xlim(*room_around(min(ends), max(ends)))
    axes.set_xlabel(x_label)
    axes.grid(axis="x", color=GRID, linewidth=0.8)
    axes.grid(visible=False, axis="y")
    _legend(axes)
    return figure


def _ends(interval: Interval) -> tuple[float, float]:
    return interval.mean - interval.std, interval.mean + interval.std


def bars(categories: Sequence[str], groups: Sequence[Group], x_label: str) -> Figure:
    """Draw horizontal bars from zero, one per category and group, with their values.

    Args:
        categories: Labels of the categories.
        groups: For each run its label and one value per category, NaN where it has none.
        x_label: What the bars measure.
    """
    height = 0.8 / len(groups)
    figure, axes = _new(1.0 + len(categories) * max(0.36, 0.24 * len(groups)))
    indices = np.arange(len(categories))
    for index, group in enumerate(groups):
        middle = indices - 0.4 + height * (index + 0.5)
        drawn = axes.barh(
            middle,
            np.nan_to_num(np.asarray(group.values, dtype=float)),
            height=height * 0.9,
            color=SERIES[index % len(SERIES)],
            label=literal(group.label),
        )
        values = ["" if math.isnan(value) else f"{value:.3f}" for value in group.values]
        axes.bar_label(drawn, values, padding=3, color=INK, fontsize=9)
    axes.set_yticks(indices, [literal(category) for category in categories])
    axes.set_ylim(len(categories) - 0.5, -0.5)
    axes.set_xlabel(x_label)
    axes.margins(x=0.12)
    axes.grid(axis="x", color=GRID, linewidth=0.8)
    axes.grid(visible=False, axis="y")
    if len(groups) > 1:
        _legend(axes)
    return figure


def scatter(points: Sequence[Point], groups: Sequence[str], y_label: str) -> Figure:
    """Draw quality against the number of parameters, one colour and marker per group."""
    figure, axes = _new(3.9)
    for index, group in enumerate(groups):
        members = [point for point in points if point.group == index]
        axes.errorbar(
            [point.x for point in members],
            [point.y.mean for point in members],
            yerr=[point.y.std for point in members],
            fmt=_MARKERS[index % len(_MARKERS)],
            color=SERIES[index % len(SERIES)],
            markersize=6,
            alpha=0.85,
            elinewidth=1,
            label=literal(group),
        )
    for point in points:
        if point.named:
            axes.annotate(
                literal(point.label), (point.x, point.y.mean), (8, 0), textcoords="offset points",
                color=INK, fontsize=9, verticalalignment="center",
            )  # fmt: skip
    widths = [point.x for point in points]
    if max(widths) > 10 * min(widths) > 0:
        axes.set_xscale("log")
    else:
        # All models of one run may cost the same: keep the axis from shrinking to a point.
        axes.set_xlim(0.5 * min(widths), 1.5 * max(widths))
    heights = [end for point in points for end in _ends(point.y)]
    axes.set_ylim(*room_around(min(heights), max(heights)))
    axes.xaxis.set_major_formatter(FuncFormatter(lambda value, _: _short(value)))
    axes.set_xlabel("parameters")
    axes.set_ylabel(y_label)
    _legend(axes)
    return figure


def picture_axes(size: float = 2.4) -> tuple[Figure, Axes]:
    """Return a small square figure and its axes for the picture of one structure."""
    figure = Figure(figsize=(size, size), layout="constrained")
    return figure, figure.subplots()


def _new(height: float) -> tuple[Figure, Axes]:
    figure = Figure(figsize=(_WIDTH, height), layout="constrained")
    axes = figure.subplots()
    plain_axes(axes)
    return figure, axes


def _legend(axes: Axes) -> None:
    axes.legend(
        loc="lower left",
        bbox_to_anchor=(0.0, 1.0),
        ncols=2,
        frameon=False,
        fontsize=9,
        labelcolor=INK,
        borderaxespad=0.2,
    )


def _gaps(values: Sequence[float]) -> np.ndarray:
    """Return `values` with NaN, which is not drawn, for what is not finite."""
    array = np.asarray(values, dtype=float)
    return np.where(np.isfinite(array), array, np.nan)


def _short(value: float) -> str:
    for size, unit in ((1e9, "G"), (1e6, "M"), (1e3, "k")):
        if value >= size:
            return f"{value / size:.3g} {unit}"
    return f"{value:g}"
