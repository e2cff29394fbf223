"""Pictures of the digraph between a query and an answer, a column per step from left to right.

A line's width and strength tell the attention paid to the edge, its colour the relation; the
strongest walk lies on a broad band. Matplotlib is imported only when something is drawn.
"""

from __future__ import annotations

import io
from collections.abc import Sequence
from typing import TYPE_CHECKING

import numpy as np

from kapl_jax.drawing import GRID, INK, MUTED, SERIES, any_script, literal
from kapl_jax.explain.attention import STAYS
from kapl_jax.explain.digraph_layout import (
    LABEL_POINTS,
    NODE_POINTS,
    Box,
    DigraphLayout,
    Line,
    column_height,
    edge_lines,
    lay_out,
    name_lines,
    node_boxes,
    node_width,
    place_labels,
    relation_shown,
    text_width,
)
from kapl_jax.explain.reasoning import AnswerExplanation

if TYPE_CHECKING:
    from matplotlib.axes import Axes
    from matplotlib.figure import Figure

# Inches; the axes fill the figure and have inches for units.
_WIDTH, _MARGIN, _TITLE, _FOOT = 7.0, 0.15, 0.62, 0.2
_NARROWEST_GAP, _WIDEST_GAP = 1.1, 1.35
_LEGEND_ROW, _LEGEND_COLUMNS = 0.22, 4
_OTHERS = "others"
_DASHES = (0, (3, 2))


def digraph_figure(explained: AnswerExplanation) -> Figure:
    """Return the picture of the digraph between a query and an answer.

    Labels do not cover each other; where one finds no room the legend tells the relation by colour.
    Above 12 entities per column it says how many are left out.

    Args:
        explained: With edges and at least one path.

    Raises:
        ValueError: There is no path to the answer.
    """
    from matplotlib.figure import Figure  # noqa: PLC0415 - see the module's text

    layout = lay_out(explained)
    colours = _colours(layout)
    centres, width = _centres(layout)
    foot = _FOOT + _LEGEND_ROW * -(-len(_legend(colours)) // _LEGEND_COLUMNS)
    tallest = column_height(max(map(len, layout.columns)))
    height = foot + tallest + _TITLE
    figure = Figure(figsize=(width, height))
    axes = figure.add_axes((0.0, 0.0, 1.0, 1.0), xlim=(0, width), ylim=(0, height))
    axes.set_axis_off()
    nodes = node_boxes(layout, centres, foot + tallest / 2)
    _draw_edges(axes, edge_lines(layout, nodes), nodes, colours)
    _draw_nodes(axes, layout, nodes)
    _draw_headings(axes, explained.title, layout, centres, foot)
    _draw_legend(axes, colours)
    return figure


def digraph_svg(explained: AnswerExplanation) -> bytes:
    """Return `digraph_figure` as a file of its own, the same for the same digraph."""
    import matplotlib as mpl  # noqa: PLC0415 - see the module's text

    stream = io.BytesIO()
    # Text stays text: who looks at it may have the fonts that are not here.
    with mpl.rc_context({"svg.hashsalt": "digraph", "svg.fonttype": "none"}):
        figure = digraph_figure(explained)
        with any_script(figure):
            figure.savefig(stream, format="svg", facecolor="white", metadata={"Date": None})
    return stream.getvalue()


def _colours(layout: DigraphLayout) -> dict[str, str]:
    """Return a colour by relation, those that get most attention first; the rest share one."""
    attention: dict[str, float] = {}
    for edge in (edge for layer in layout.layers for edge in layer):
        attention[edge.relation] = attention.get(edge.relation, 0.0) + edge.weight
    stays = attention.pop(STAYS, None) is not None
    ranked = sorted(attention, key=lambda name: -attention[name])
    colours = {name: SERIES[k] if k < len(SERIES) else MUTED for k, name in enumerate(ranked)}
    return colours | ({STAYS: MUTED} if stays else {})


def _centres(layout: DigraphLayout) -> tuple[list[float], float]:
    """Return the middle of each column, and the width of the picture."""
    relations = {edge.relation for layer in layout.layers for edge in layer}
    longest = max(text_width(relation_shown(name), LABEL_POINTS) for name in relations)
    widths = np.array([max(map(node_width, column)) for column in layout.columns])
    spread = (_WIDTH - 2 * _MARGIN - widths.sum()) / len(layout.layers)
    gap = max(spread, min(max(longest + 0.2, _NARROWEST_GAP), _WIDEST_GAP))
    centres = _MARGIN + np.cumsum(widths) - widths / 2 + gap * np.arange(len(widths))
    width = 2 * _MARGIN + widths.sum() + gap * len(layout.layers)
    return centres.tolist(), float(width)


def _draw_edges(
    axes: Axes, lines: Sequence[Line], nodes: Sequence[dict[str, Box]], colours: dict[str, str]
) -> None:
    """Draw the edges, interrupted where labels stand, so that these need no background."""
    alone = frozenset(name for name, colour in colours.items() if colour != MUTED)
    labels = list(place_labels(lines, nodes, alone))
    for line, box in labels:
        axes.text(
            box.x, box.y, literal(line.label), ha="center", va="center", zorder=4,
            fontsize=LABEL_POINTS, color=INK,
        )  # fmt: skip
    for line in lines:
        points = line.points.copy()
        for _, box in labels:
            points[box.covers(points)] = np.nan
        weight = min(max(line.edge.weight, 0.0), 1.0)
        axes.plot(
            *points.T, color=colours[line.edge.relation], linewidth=0.7 + 2.0 * weight,
            alpha=0.35 + 0.65 * weight, zorder=2,
            linestyle=_DASHES if line.edge.relation == STAYS else "-",
        )  # fmt: skip
        if line.stressed:
            axes.plot(*points.T, color=GRID, linewidth=9, zorder=1)


def _draw_nodes(axes: Axes, layout: DigraphLayout, nodes: Sequence[dict[str, Box]]) -> None:
    on_walk = [layout.walk[0][0], *(target for _, _, target in layout.walk)]
    for column, stressed in zip(nodes, on_walk, strict=True):
        for name, box in column.items():
            _draw_node(axes, name, box, name == stressed)


def _draw_node(axes: Axes, name: str, box: Box, stressed: bool) -> None:
    from matplotlib.patches import FancyBboxPatch  # noqa: PLC0415 - see the module's text

    patch = FancyBboxPatch(
        (box.x - box.width / 2, box.y - box.height / 2), box.width, box.height,
        boxstyle="round,pad=0,rounding_size=0.06", facecolor=GRID,
        edgecolor=INK if stressed else GRID, linewidth=1.6, zorder=3,
    )  # fmt: skip
    axes.add_patch(patch)
    axes.text(
        box.x, box.y, literal("\n".join(name_lines(name))), ha="center", va="center",
        linespacing=1.1, color=INK, fontsize=NODE_POINTS, zorder=4,
    )  # fmt: skip


def _draw_headings(
    axes: Axes, title: str, layout: DigraphLayout, centres: Sequence[float], foot: float
) -> None:
    """Write the title, what each column is, and how many of its entities are not shown."""
    top = axes.get_ylim()[1]
    axes.text(_MARGIN, top - 0.17, literal(title), va="center", color=INK, fontsize=10)
    for depth, (x, more) in enumerate(zip(centres, layout.left_out, strict=True)):
        said = [(top - 0.46, "query" if depth == 0 else f"step {depth}")]
        said += [(foot - 0.06, f"{more} more")] if more else []
        for y, text in said:
            axes.text(x, y, text, ha="center", va="center", color=MUTED, fontsize=8)


def _legend(colours: dict[str, str]) -> dict[str, str]:
    """Return the colours that the legend tells; relations that share one are together."""
    alone = {name: colour for name, colour in colours.items() if colour != MUTED}
    others = {_OTHERS: MUTED} if set(colours) - set(alone) - {STAYS} else {}
    return alone | others | ({STAYS: MUTED} if STAYS in colours else {})


def _draw_legend(axes: Axes, colours: dict[str, str]) -> None:
    from matplotlib.lines import Line2D  # noqa: PLC0415 - see the module's text

    shown = _legend(colours)
    handles = [
        Line2D([], [], color=colour, linewidth=2, linestyle=_DASHES if name == STAYS else "-")
        for name, colour in shown.items()
    ]
    axes.legend(
        handles, [literal(relation_shown(name)) for name in shown], loc="lower center",
        ncols=_LEGEND_COLUMNS, frameon=False, labelcolor=INK, fontsize=8, handlelength=1.8,
        borderpad=0.2, labelspacing=0.5,
    )  # fmt: skip
