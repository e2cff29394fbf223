"""Pictures of modulation: structures, how φ moves with the support set, and what items do.

Matplotlib is imported only when something is drawn.
"""

from __future__ import annotations

from collections.abc import Iterable, Mapping
from typing import TYPE_CHECKING

import numpy as np

from kapl_jax.drawing import (
    CELL_EMPTY,
    GRID,
    INK,
    MUTED,
    SERIES,
    cell_points,
    fill_cell,
    frame_cells,
    literal,
    plain_axes,
    write_cell,
)
from kapl_jax.explain.reasons import Influence, PhiPath
from kapl_jax.modulation.structures import OPERATIONS

if TYPE_CHECKING:
    from matplotlib.axes import Axes
    from matplotlib.figure import Figure

# What each operation does with its parameters, in a square's space, and its colour.
_SYMBOLS = ("max", "min", "×", "+")
_COLOURS = ("#E69F00", "#CC79A7", "#0072B2", "#009E73")
_MARKERS = ("o", "s", "D", "^", "v", "P")
_WIDTH = 7.0
_ITEMS_SHOWN = 8
_NAME_SHOWN = 28


def draw_modulation(axes: Axes, structure: np.ndarray, title: str | None = None) -> None:
    """Draw `bool[C, 4]` on `axes`: a row a position from the input on, a column an operation.

    Operations are applied from left to right; an absent one is blank. Letters scale with the size
    the axes have when called.
    """
    present = np.asarray(structure, bool)
    points = cell_points(axes, *present.shape)
    for position, place in np.ndindex(present.shape):
        used = present[position, place]
        fill_cell(axes, position, place, _COLOURS[place] if used else CELL_EMPTY)
        if used:
            write_cell(axes, position, place, _SYMBOLS[place], points)
    rows = [f"h{position}" if position else "input" for position in range(len(present))]
    frame_cells(axes, rows, OPERATIONS, points, title)


def draw_phi_paths(axes: Axes, paths: Mapping[str, PhiPath]) -> None:
    """Draw how φ of each user moves in the plane, a colour a user.

    A path starts at its smallest support set, a hollow dot, and ends at the whole one, a filled
    one; dots grow with the number of items, which stands beside the ends.

    Args:
        axes: Where to draw.
        paths: By user, each with a projection; at least one.
    """
    largest = max(max(path.support_sizes) for path in paths.values()) or 1
    for place, (user, path) in enumerate(paths.items()):
        colour, points = SERIES[place % len(SERIES)], np.asarray(path.projection, float)
        axes.plot(*points.T, color=colour, linewidth=1.4, alpha=0.7, zorder=2)
        areas = 18 + 70 * np.asarray(path.support_sizes, float) / largest
        faces = ["none", *[colour] * (len(points) - 1)]
        axes.scatter(
            points[:, 0], points[:, 1], s=areas, marker=_MARKERS[place % len(_MARKERS)],
            facecolors=faces, edgecolors=colour, linewidths=1.6, label=literal(user), zorder=3,
        )  # fmt: skip
    for (x, y), size in _ends(paths.values()).items():
        axes.annotate(
            str(size), (x, y), (6, 5), textcoords="offset points", color=INK, fontsize=8, zorder=4
        )
    plain_axes(axes)
    axes.grid(visible=True, axis="both", color=GRID, linewidth=0.8)
    axes.margins(0.12)
    axes.set_xlabel("first direction of φ")
    axes.set_ylabel("second direction of φ")


def _ends(paths: Iterable[PhiPath]) -> dict[tuple[float, float], int]:
    """Return the sizes by point of all ends, each point but once: users may share their start."""
    return {
        (float(path.projection[step][0]), float(path.projection[step][1])): path.support_sizes[step]
        for path in paths
        for step in (0, -1)
    }


def draw_influence(axes: Axes, influence: Influence) -> None:
    """Draw what the items of a support set that weigh most do to a prediction, as bars from zero.

    Bars to the right raise the prediction, bars to the left lower it.
    """
    ranked = sorted(influence.items, key=lambda one: abs(one.effect), reverse=True)
    shown = ranked[:_ITEMS_SHOWN]
    places = np.arange(len(shown))
    effects = [one.effect for one in shown]
    colours = [SERIES[0] if effect >= 0 else SERIES[1] for effect in effects]
    drawn = axes.barh(places, effects, height=0.7, color=colours)
    axes.bar_label(
        drawn, [f"{effect:+.2g}" for effect in effects], padding=3, color=INK, fontsize=8
    )
    labels = [literal(f"{_shortened(one.item)} (rated {one.rating:g})") for one in shown]
    axes.set_yticks(places, labels)
    axes.set_ylim(len(shown) - 0.4, -0.6)
    plain_axes(axes)
    axes.axvline(0.0, color=MUTED, linewidth=0.8)
    axes.spines["left"].set_visible(False)
    axes.grid(visible=False, axis="y")
    axes.grid(visible=True, axis="x", color=GRID, linewidth=0.8)
    # Room for the numbers beside the bars, on both sides of zero where there are such.
    axes.margins(x=0.22)


def phi_figure(paths: Mapping[str, PhiPath]) -> Figure:
    """Return `draw_phi_paths` as a figure of its own, with a legend of the users."""
    from matplotlib.figure import Figure  # noqa: PLC0415 - see the module's text

    figure = Figure(figsize=(_WIDTH, 4.6), layout="constrained")
    axes = figure.subplots()
    draw_phi_paths(axes, paths)
    legend = axes.legend(
        loc="lower left", bbox_to_anchor=(0.0, 1.0), ncols=6, frameon=False, fontsize=9,
        labelcolor=INK, borderaxespad=0.2,
    )  # fmt: skip
    for handle in legend.legend_handles:
        if handle is not None:
            handle.set(sizes=[40], facecolor=handle.get_edgecolor())  # type: ignore[attr-defined]
    return figure


def influence_figure(influences: Mapping[str, Influence]) -> Figure:
    """Return `draw_influence` for each user, one under the other, at least one."""
    from matplotlib.figure import Figure  # noqa: PLC0415 - see the module's text

    rows = [min(len(one.items), _ITEMS_SHOWN) for one in influences.values()]
    figure = Figure(figsize=(_WIDTH, sum(0.75 + 0.26 * count for count in rows)))
    figure.set_layout_engine("constrained", hspace=0.06)
    grid = figure.subplots(len(rows), 1, squeeze=False, height_ratios=[2 + count for count in rows])
    for axes, (user, influence) in zip(grid.flat, influences.items(), strict=True):
        draw_influence(axes, influence)
        told = f"{user}, prediction for {influence.query_item}: {influence.prediction:.3g}"
        axes.set_title(literal(told), fontsize=10, color=INK, loc="left")
    grid.flat[-1].set_xlabel("effect on the prediction")
    return figure


def _shortened(name: str) -> str:
    return name if len(name) <= _NAME_SHOWN else f"{name[: _NAME_SHOWN - 1]}…"
