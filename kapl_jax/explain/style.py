"""The colours of figures and their plain axes; what draws with them imports no Matplotlib here."""

from __future__ import annotations

from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from matplotlib.axes import Axes

# The report's page takes these as names for its own colours, of which it has light and dark ones.
INK, MUTED, GRID = "#1b2733", "#5c6b7a", "#d5dbe1"
# Okabe and Ito's palette, safe for colour-blind readers, without its yellow (unreadable on white).
SERIES = ("#0072b2", "#d55e00", "#009e73", "#cc79a7", "#e69f00", "#56b4e9")
# Ink on coloured cells, which keep their colours in a dark page.
CELL_INK, CELL_EMPTY = "#1A1A1A", "#F4F4F4"


def plain_axes(axes: Axes) -> None:
    """Give `axes` two spines, a horizontal grid behind the data, and the colours of text."""
    axes.spines[["top", "right"]].set_visible(False)
    axes.spines[["left", "bottom"]].set_color(MUTED)
    axes.tick_params(colors=INK, labelsize=9, color=MUTED)
    axes.xaxis.label.set_color(INK)
    axes.yaxis.label.set_color(INK)
    axes.title.set_color(INK)
    axes.grid(axis="y", color=GRID, linewidth=0.8)
    axes.set_axisbelow(True)


def room_around(low: float, high: float) -> tuple[float, float]:
    """Return limits of an axis that holds values from `low` to `high`, also where it is but one.

    Around a single value there is a tenth of it to each side, so that ticks say where it is.
    """
    margin = 0.08 * (high - low) or 0.1 * abs(high) or 0.1
    return low - margin, high + margin


def literal(label: str) -> str:
    """Return `label` so that Matplotlib shows it as it is: a pair of dollars is no mathematics."""
    return label.replace("$", r"\$")
