"""What all pictures share: colours, plain axes, names in any script, squares of a matrix.

Matplotlib is imported only when something is drawn. It draws with one font unless it is told more,
and warns of each letter that it lacks.
"""

from __future__ import annotations

import functools
import unicodedata
import warnings
from collections.abc import Iterator, Sequence
from contextlib import contextmanager
from typing import TYPE_CHECKING, Any

if TYPE_CHECKING:
    from matplotlib.axes import Axes
    from matplotlib.figure import Figure
    from matplotlib.patches import Rectangle

# The report's page takes these as names for its own colours, of which it has light and dark ones.
INK, MUTED, GRID = "#1b2733", "#5c6b7a", "#d5dbe1"
# Okabe and Ito's palette, safe for colour-blind readers, without its yellow (unreadable on white).
SERIES = ("#0072b2", "#d55e00", "#009e73", "#cc79a7", "#e69f00", "#56b4e9")
# Ink on coloured cells, which keep their colours in a dark page.
CELL_INK, CELL_EMPTY = "#1A1A1A", "#F4F4F4"

_FIRST = "DejaVu Sans"
# Those of Linux, macOS and Windows with the most letters; colour fonts cannot be drawn with.
_MORE = (
    *("Noto Sans CJK SC", "Noto Sans CJK JP", "Noto Sans SC", "Source Han Sans SC"),
    *("WenQuanYi Zen Hei", "WenQuanYi Micro Hei", "Droid Sans Fallback", "IPAexGothic"),
    *("IPAGothic", "NanumGothic", "PingFang SC", "Heiti TC", "Hiragino Sans"),
    *("Apple SD Gothic Neo", "Arial Unicode MS", "Microsoft YaHei", "Yu Gothic", "Malgun Gothic"),
    *("Noto Sans", "Noto Sans Arabic", "Noto Sans Hebrew", "Noto Sans Devanagari"),
    *("Noto Sans Thai", "FreeSans", "Unifont", "Noto Emoji", "Symbola", "Segoe UI Symbol"),
)


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


@contextmanager
def any_script(figure: Figure) -> Iterator[None]:
    """Draw and save `figure` with all fonts at hand, without warnings of letters that none has."""
    from matplotlib.text import Text  # noqa: PLC0415 - see the module's text

    for text in figure.findobj(Text):
        text.set_fontfamily(families())  # type: ignore[attr-defined]
    with warnings.catch_warnings():
        warnings.filterwarnings("ignore", message="Glyph .* missing from", category=UserWarning)
        yield


@functools.cache
def families() -> list[str]:
    """Return the families to draw with that are installed, and what viewers take else."""
    from matplotlib.font_manager import fontManager  # noqa: PLC0415

    installed = {font.name for font in fontManager.ttflist}
    return [_FIRST, *(name for name in _MORE if name in installed), "sans-serif"]


@functools.cache
def _fonts() -> list[Any]:
    from matplotlib.font_manager import FontProperties, findfont, get_font  # noqa: PLC0415

    return [get_font(findfont(FontProperties(family=[name]))) for name in families()]


@functools.lru_cache(maxsize=65536)
def _has(letter: str) -> bool:
    return any(font.get_char_index(ord(letter)) for font in _fonts())


def drawable(name: str) -> str:
    r"""Return a name with letters that no font has written as `\u5317`, for pictures of dots."""
    return "".join(
        letter if _has(letter) or letter == "\n" else ascii(letter).strip("'") for letter in name
    )


def split_drawable(name: str) -> tuple[str, float]:
    """Return the letters of a name that some font has, and how wide the others are, in em."""
    known = "".join(filter(_has, name))
    wide = sum(1.0 if unicodedata.east_asian_width(one) in "WF" else 0.6 for one in name)
    of_known = sum(1.0 if unicodedata.east_asian_width(one) in "WF" else 0.6 for one in known)
    return known, wide - of_known


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
