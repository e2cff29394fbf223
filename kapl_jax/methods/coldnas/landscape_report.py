"""The section of the report on the landscape of structures, many of them trained from scratch.

How well one-shot proxies rank them, and what makes a structure good.
"""

from __future__ import annotations

import dataclasses
import math
from collections.abc import Mapping, Sequence
from typing import Any

import numpy as np
from matplotlib import colormaps
from matplotlib.axes import Axes
from matplotlib.cm import ScalarMappable
from matplotlib.colors import BoundaryNorm, ListedColormap, to_hex, to_rgb
from matplotlib.figure import Figure as Drawing
from matplotlib.ticker import MaxNLocator

from kapl_jax.drawing import (
    CELL_EMPTY,
    GRID,
    INK,
    MUTED,
    SERIES,
    cell_points,
    fill_cell,
    frame_cells,
    plain_axes,
    write_cell,
)
from kapl_jax.evaluation.objectives import sign
from kapl_jax.modulation.structures import OPERATIONS, structure_text
from kapl_jax.runs.report.formatting import MISSING, count, number, setting_label
from kapl_jax.runs.report.metrics import better, metric_label
from kapl_jax.runs.report.models import symbols
from kapl_jax.runs.report.section import Block, Figure, Section, Table, in_brackets
from kapl_jax.runs.report.svg import to_svg
from kapl_jax.runs.run_directory import Run
from kapl_jax.runs.shapes import Shape, anything, array
from kapl_jax.runs.shapes import number as is_number

# Of a structure that diverged the truth is null.
LANDSCAPE: Shape = {
    "metric": str,
    "points?": [{"truth?": is_number, "structure": array, "proxies?": {str: anything}}],
    "agreement?": {str: {str: anything}},
}
# A proxy not named here is one of which more is better, by its own name.
_INHERITED = "inherited_weights"
_PROXIES = {_INHERITED: "inherited weights", "alpha": "architecture parameters α"}
_WIDTH = 7.0
# The part of the colour map that is seen on a light and on a dark page.
_SHADES = (0.25, 0.92)
_BETTER, _WORSE = SERIES[0], SERIES[1]


@dataclasses.dataclass(frozen=True)
class Landscape:
    """Structures with their true values, which are all finite.

    Attributes:
        metric: The metric of truth.
        structures: bool[N, C, 4].
        truth: float[N], trained from scratch.
        operations: int[N], operations of each structure.
        proxies: What each proxy says of each structure, float[N] by name, NaN where it does not.
        agreement: By proxy "kendall_tau" and "p_value" of both rankings, the best first.
    """

    metric: str
    structures: np.ndarray
    truth: np.ndarray
    operations: np.ndarray
    proxies: Mapping[str, np.ndarray]
    agreement: Mapping[str, Mapping[str, float]]

    @property
    def direction(self) -> float:
        """1 where more of the metric is better, else -1."""
        return sign(self.metric)

    def proxy_direction(self, proxy: str) -> float:
        """1 where more of a proxy is better, else -1: inherited weights give the metric itself."""
        return self.direction if proxy == _INHERITED else 1.0

    def choice(self, proxy: str) -> int:
        """Return the index of the structure that a proxy takes for the best."""
        return int(np.nanargmax(self.proxy_direction(proxy) * self.proxies[proxy]))

    def rank(self, index: int) -> int:
        """Return the true rank of a structure, from 1."""
        return 1 + int(np.sum(self.direction * self.truth > self.direction * self.truth[index]))


def landscape(runs: Mapping[str, Run]) -> Section | None:
    """Return for each run with a landscape its figures and how proxies agree with the truth."""
    blocks: list[Block] = []
    for index, (label, run) in enumerate(runs.items()):
        found = _read((run.results or {}).get("landscape"))
        if found:
            blocks += _blocks(found, in_brackets(label), f"landscape{index}")
    if not blocks:
        return None
    lead = (
        "Structures trained from scratch: whether cheap one-shot proxies would have found the good "
        "ones, and what makes a structure good."
    )
    return Section("landscape", "Landscape of structures", lead, blocks)


def operation_effects(structures: np.ndarray, values: np.ndarray) -> np.ndarray:
    """Return what each operation at each position does to a value on average.

    Args:
        structures: bool[N, C, 4].
        values: float[N].

    Returns:
        float[C, 4], the mean of the values of structures with the operation less that of those
        without it; NaN where all have it or none has.
    """
    present = np.asarray(structures, float)
    values = values[:, None, None]
    having = present.sum(axis=0)
    lacking = len(present) - having
    with np.errstate(invalid="ignore", divide="ignore"):
        return (present * values).sum(axis=0) / having - ((1 - present) * values).sum(
            axis=0
        ) / lacking


def _read(entry: Mapping[str, Any] | None) -> Landscape | None:
    points = [
        point
        for point in (entry or {}).get("points") or []
        if _finite(point.get("truth")) and symbols(point.get("structure")) is not None
    ]
    if not entry or not points:
        return None
    names = dict.fromkeys(name for point in points for name in point.get("proxies") or {})
    proxies = {name: np.array([_proxy(point, name) for point in points]) for name in names}
    structures = np.array([point["structure"] for point in points], bool)
    return Landscape(
        metric=str(entry["metric"]),
        structures=structures,
        truth=np.array([point["truth"] for point in points], float),
        operations=structures.reshape(len(points), -1).sum(axis=1),
        proxies={name: values for name, values in proxies.items() if np.isfinite(values).any()},
        agreement=entry.get("agreement") or {},
    )


def _proxy(point: Mapping[str, Any], name: str) -> float:
    value = (point.get("proxies") or {}).get(name, math.nan)
    return float(value) if _finite(value) else math.nan


def _finite(value: Any) -> bool:
    return isinstance(value, int | float) and math.isfinite(value)


def _blocks(found: Landscape, suffix: str, name: str) -> list[Block]:
    blocks: list[Block] = []
    if found.proxies:
        blocks += [_agreement(found, suffix, f"{name}-proxies"), _choices(found)]
    return [*blocks, _sizes(found, suffix, f"{name}-sizes"), _effects(found, suffix, name)]


def _agreement(found: Landscape, suffix: str, name: str) -> Figure:
    panels = [
        Panel(
            title=f"{_proxy_label(proxy)}: τ = {_tau(found, proxy)}",
            x_label=f"{_axis_name(found, proxy)}\n({better(found.proxy_direction(proxy))})",
            proxy=values,
            truth=found.truth,
            operations=found.operations,
            chosen=found.choice(proxy),
        )
        for proxy, values in found.proxies.items()
    ]
    drawn = _draw_agreement(panels, _truth_label(found))
    words = "; ".join(panel.title for panel in panels)
    svg = to_svg(drawn, name, f"One-shot proxies against the truth. {words}")
    caption = (
        f"Each dot is one of {count(len(found.truth))} structures; the ring is the one that the "
        "proxy takes for the best. τ is Kendall's, of both rankings: 1 where they agree entirely, "
        "0 where they have nothing in common."
    )
    return Figure(svg, caption, f"One-shot ranking against the truth{suffix}")


def _choices(found: Landscape) -> Table:
    label = metric_label(found.metric)
    best = int(np.argmax(found.direction * found.truth))
    rows = [["truth", MISSING, MISSING, *_choice_cells(found, best)]]
    for proxy in found.proxies:
        known = found.agreement.get(proxy) or {}
        p_value = known.get("p_value")
        cells = [
            _tau(found, proxy),
            f"{p_value:.2g}" if _finite(p_value) else MISSING,
        ]
        rows.append([_proxy_label(proxy), *cells, *_choice_cells(found, found.choice(proxy))])
    header = ["Ranked by", "Kendall τ", "p", "First", f"{label} of the first", "True rank"]
    caption = (
        f"What each ranking puts first, and what that is worth when trained from scratch; of "
        f"{label}, {better(found.direction)}."
    )
    return Table(header, rows, frozenset({0, 3}), frozenset({0}), caption)


def _choice_cells(found: Landscape, index: int) -> list[str]:
    rank = f"{count(found.rank(index))} of {count(len(found.truth))}"
    return [structure_text(found.structures[index]), number(found.truth[index]), rank]


def _sizes(found: Landscape, suffix: str, name: str) -> Figure:
    drawn = _draw_sizes(found.operations, found.truth, _truth_label(found))
    groups = {size: found.truth[found.operations == size] for size in np.unique(found.operations)}
    words = "; ".join(
        f"{count(size)} operations, median {number(float(np.median(values)))}"
        for size, values in groups.items()
    )
    svg = to_svg(drawn, name, f"{metric_label(found.metric)} by number of operations. {words}")
    return Figure(svg, "Bars are medians.", f"By number of operations{suffix}")


def _effects(found: Landscape, suffix: str, name: str) -> Figure:
    values = operation_effects(found.structures, found.truth)
    positions = [f"h{position}" if position else "input" for position in range(len(values))]
    drawn = _draw_effects(values, found.direction, positions, OPERATIONS)
    label = metric_label(found.metric)
    words = "; ".join(
        f"{operation} at {position} {values[row, column]:+.2g}"
        for row, position in enumerate(positions)
        for column, operation in enumerate(OPERATIONS)
    )
    svg = to_svg(drawn, f"{name}-effects", f"Mean {label} with less without. {words}")
    caption = (
        f"Mean {label} of structures with the operation less that of those without it "
        f"({better(found.direction)}). Blue: the operation is good there; orange: it is not."
    )
    return Figure(svg, caption, f"By operation and position{suffix}")


def _tau(found: Landscape, proxy: str) -> str:
    tau = (found.agreement.get(proxy) or {}).get("kendall_tau")
    return f"{tau:.2f}" if _finite(tau) else MISSING


def _truth_label(found: Landscape) -> str:
    return f"{metric_label(found.metric)}, trained from scratch\n({better(found.direction)})"


def _axis_name(found: Landscape, proxy: str) -> str:
    unit = f"{metric_label(found.metric)} with " if proxy == _INHERITED else ""
    return f"{unit}{_proxy_label(proxy)}"


def _proxy_label(proxy: str) -> str:
    return _PROXIES.get(proxy, setting_label(proxy))


@dataclasses.dataclass(frozen=True)
class Panel:
    """What a proxy says of each structure against what is true.

    Attributes:
        title: What stands above the panel.
        x_label: What the proxy is, and which way is better.
        proxy: float[N], its values.
        truth: float[N], the true values.
        operations: int[N], operations of each structure.
        chosen: Index of the structure that the proxy would choose.
    """

    title: str
    x_label: str
    proxy: np.ndarray
    truth: np.ndarray
    operations: np.ndarray
    chosen: int


def _draw_agreement(panels: Sequence[Panel], y_label: str) -> Drawing:
    """Draw each proxy against the truth, coloured by the number of operations, its choice ringed.

    Args:
        panels: At least one.
        y_label: What the truth is, and which way is better.
    """
    rows = -(-len(panels) // 2)
    figure = Drawing(figsize=(_WIDTH, 3.5 * rows), layout="constrained")
    grid = figure.subplots(rows, min(2, len(panels)), squeeze=False, sharey=True)
    most = max(int(panel.operations.max()) for panel in panels)
    shades, norm = _shades_of_counts(most)
    for axes, panel in zip(grid.flat, panels, strict=False):
        _draw_panel(axes, panel, shades, norm)
    for axes in list(grid.flat)[len(panels) :]:
        axes.set_axis_off()
    for axes in grid[:, 0]:
        axes.set_ylabel(y_label)
    bar = figure.colorbar(ScalarMappable(norm, shades), ax=list(grid.flat), aspect=30 * rows)
    bar.set_label("operations", color=INK)
    bar.set_ticks([count for count in range(most + 1) if count % (1 + most // 9) == 0])
    bar.minorticks_off()
    bar.ax.tick_params(colors=INK, labelsize=9, length=0)
    bar.outline.set_visible(False)  # type: ignore[operator]
    return figure


def _draw_panel(axes: Axes, panel: Panel, shades: ListedColormap, norm: BoundaryNorm) -> None:
    axes.scatter(
        panel.proxy, panel.truth, c=panel.operations, cmap=shades, norm=norm, s=16, alpha=0.9,
        linewidths=0.3, edgecolors=MUTED,
    )  # fmt: skip
    axes.scatter(
        panel.proxy[panel.chosen], panel.truth[panel.chosen], s=90, facecolors="none",
        edgecolors=INK, linewidths=1.5,
    )  # fmt: skip
    plain_axes(axes)
    axes.grid(axis="x", color=GRID, linewidth=0.8)
    axes.xaxis.set_major_locator(MaxNLocator(5))
    axes.set_title(panel.title, fontsize=10, color=INK)
    axes.set_xlabel(panel.x_label)


def _shades_of_counts(most: int) -> tuple[ListedColormap, BoundaryNorm]:
    """Return a shade for each of the numbers 0 to `most`."""
    indices = np.linspace(*_SHADES, most + 1)
    shades = ListedColormap([to_hex(colour) for colour in colormaps["viridis"](indices)])
    return shades, BoundaryNorm(np.arange(most + 2) - 0.5, most + 1)


def _draw_sizes(operations: np.ndarray, values: np.ndarray, y_label: str) -> Drawing:
    """Draw the values of all structures by their number of operations, with the medians.

    Args:
        operations: int[N].
        values: float[N].
        y_label: What the values are, and which way is better.
    """
    figure = Drawing(figsize=(_WIDTH, 3.4), layout="constrained")
    axes = figure.subplots()
    for size in np.unique(operations):
        group = values[operations == size]
        # Side by side in their order, so that all are seen.
        indices = size + np.linspace(-0.35, 0.35, len(group) + 2)[1:-1]
        axes.scatter(indices, group, s=14, alpha=0.55, color=SERIES[0], linewidths=0)
        axes.hlines(np.median(group), size - 0.4, size + 0.4, color=INK, linewidth=2)
    plain_axes(axes)
    axes.xaxis.set_major_locator(MaxNLocator(integer=True))
    axes.set_xlabel("operations in the structure")
    axes.set_ylabel(y_label)
    return figure


def _draw_effects(
    values: np.ndarray, direction: float, rows: Sequence[str], columns: Sequence[str]
) -> Drawing:
    """Draw a matrix of differences: blue where they make things better, orange where worse.

    Args:
        values: float[R, C], NaN where unknown.
        direction: 1 where more is better, else -1.
        rows: R labels.
        columns: C labels.
    """
    figure = Drawing(figsize=(_WIDTH, 0.62 * len(rows) + 0.4), layout="constrained")
    axes = figure.subplots()
    figure.draw_without_rendering()  # gives the axes the size that letters are scaled to
    points = cell_points(axes, *values.shape)
    largest = float(np.nanmax(np.abs(values), initial=0.0)) or 1.0
    decimals = max(0, 1 - math.floor(math.log10(largest)))
    for row, column in np.ndindex(values.shape):
        value = float(values[row, column])
        shade, told = CELL_EMPTY, "–"
        if np.isfinite(value):
            shade, told = _diverging(direction * value / largest), f"{value:+.{decimals}f}"
        fill_cell(axes, row, column, shade)
        write_cell(axes, row, column, told, points, letters=0.19)
    frame_cells(axes, rows, columns, points)
    axes.tick_params(labelcolor=INK, labelsize=9)
    return figure


def _diverging(merit: float) -> str:
    """Return the colour of -1 (worse) to 1 (better), through nearly white."""
    share = 0.85 * min(1.0, abs(merit))
    red, green, blue = (
        share * end + (1 - share) * middle
        for end, middle in zip(
            to_rgb(_BETTER if merit > 0 else _WORSE), to_rgb(CELL_EMPTY), strict=True
        )
    )
    return to_hex((red, green, blue))
