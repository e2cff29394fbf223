"""The figures of a landscape of structures: they know numbers and names, nothing of runs."""

from __future__ import annotations

import dataclasses
import math
from collections.abc import Sequence

import numpy as np
from matplotlib import colormaps
from matplotlib.axes import Axes
from matplotlib.cm import ScalarMappable
from matplotlib.colors import BoundaryNorm, ListedColormap, to_hex, to_rgb
from matplotlib.figure import Figure
from matplotlib.ticker import MaxNLocator

from kapl_jax.explain.cells import cell_points, fill_cell, frame_cells, write_cell
from kapl_jax.explain.style import CELL_EMPTY, GRID, INK, MUTED, SERIES, plain_axes

_WIDTH = 7.0
# The part of the colour map that is seen on a light and on a dark page.
_SHADES = (0.25, 0.92)
_BETTER, _WORSE = SERIES[0], SERIES[1]


@dataclasses.dataclass(frozen=True)
class Panel:
    """What a proxy says of each structure against what is true.

    Attributes:
        title: What stands above the panel.
        x_label: What the proxy is, and which way is better.
        proxy: float[N], its values.
        truth: float[N], the true values.
        operations: int[N], operations of each structure.
        chosen: Place of the structure that the proxy would choose.
    """

    title: str
    x_label: str
    proxy: np.ndarray
    truth: np.ndarray
    operations: np.ndarray
    chosen: int


def agreement(panels: Sequence[Panel], y_label: str) -> Figure:
    """Draw each proxy against the truth, coloured by the number of operations, its choice ringed.

    Args:
        panels: At least one.
        y_label: What the truth is, and which way is better.
    """
    rows = -(-len(panels) // 2)
    figure = Figure(figsize=(_WIDTH, 3.5 * rows), layout="constrained")
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
    places = np.linspace(*_SHADES, most + 1)
    shades = ListedColormap([to_hex(colour) for colour in colormaps["viridis"](places)])
    return shades, BoundaryNorm(np.arange(most + 2) - 0.5, most + 1)


def by_operations(operations: np.ndarray, values: np.ndarray, y_label: str) -> Figure:
    """Draw the values of all structures by their number of operations, with the medians.

    Args:
        operations: int[N].
        values: float[N].
        y_label: What the values are, and which way is better.
    """
    figure = Figure(figsize=(_WIDTH, 3.4), layout="constrained")
    axes = figure.subplots()
    for count in np.unique(operations):
        group = values[operations == count]
        # Side by side in their order, so that all are seen.
        places = count + np.linspace(-0.35, 0.35, len(group) + 2)[1:-1]
        axes.scatter(places, group, s=14, alpha=0.55, color=SERIES[0], linewidths=0)
        axes.hlines(np.median(group), count - 0.4, count + 0.4, color=INK, linewidth=2)
    plain_axes(axes)
    axes.xaxis.set_major_locator(MaxNLocator(integer=True))
    axes.set_xlabel("operations in the structure")
    axes.set_ylabel(y_label)
    return figure


def effects(
    values: np.ndarray, direction: float, rows: Sequence[str], columns: Sequence[str]
) -> Figure:
    """Draw a matrix of differences: blue where they make things better, orange where worse.

    Args:
        values: float[R, C], NaN where unknown.
        direction: 1 where more is better, else -1.
        rows: R labels.
        columns: C labels.
    """
    figure = Figure(figsize=(_WIDTH, 0.62 * len(rows) + 0.4), layout="constrained")
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
