"""Squares of a matrix as a picture: rows from the top, columns from the left, a label in each.

Matplotlib is imported only when something is drawn.
"""

from __future__ import annotations

from collections.abc import Sequence
from typing import TYPE_CHECKING

from kapl_jax.explain.style import CELL_INK

if TYPE_CHECKING:
    from matplotlib.axes import Axes
    from matplotlib.patches import Rectangle


def cell_points(axes: Axes, rows: int, columns: int) -> float:
    """Return the side of one square in points (1/72 inch), at the size `axes` have now."""
    inches = axes.get_window_extent().transformed(axes.figure.dpi_scale_trans.inverted())
    return min(inches.width / columns, inches.height / rows) * 72


def fill_cell(axes: Axes, row: int, column: int, colour: str) -> Rectangle:
    """Draw the square at `row` and `column` in `colour`; return it."""
    from matplotlib.patches import Rectangle  # noqa: PLC0415 - see the module's text

    patch = Rectangle((column + 0.02, row + 0.02), 0.96, 0.96, facecolor=colour, edgecolor="white")
    patch.set_linewidth(0)
    axes.add_patch(patch)
    return patch


def write_cell(
    axes: Axes, row: int, column: int, label: str, points: float, letters: float = 0.36
) -> None:
    """Write `label` on a square whose side is `points`, its letters `letters` as high as that."""
    axes.text(
        column + 0.5,
        row + 0.5,
        label,
        ha="center",
        va="center",
        fontsize=min(14.0, max(3.0, letters * points)),
        color=CELL_INK,
        bbox={"boxstyle": "round,pad=0.12", "facecolor": "white", "alpha": 0.8, "linewidth": 0},
    )


def frame_cells(
    axes: Axes,
    row_labels: Sequence[str],
    column_labels: Sequence[str],
    points: float,
    title: str | None = None,
) -> None:
    """Fit `axes` to the squares, and name rows on the left and columns on top."""
    rows, columns = len(row_labels), len(column_labels)
    axes.set_xlim(-0.02, columns + 0.02)
    axes.set_ylim(rows + 0.02, -0.02)
    axes.set_aspect("equal")
    axes.xaxis.tick_top()
    label_points = min(9.0, max(4.0, 0.34 * points))
    axes.set_xticks([j + 0.5 for j in range(columns)], list(column_labels), fontsize=label_points)
    axes.set_yticks([i + 0.5 for i in range(rows)], list(row_labels), fontsize=label_points)
    axes.tick_params(length=0, pad=2, colors="#555555")
    for spine in axes.spines.values():
        spine.set_visible(False)
    if title is not None:
        axes.set_title(title, fontsize=label_points + 1.5, color=CELL_INK, pad=4)
