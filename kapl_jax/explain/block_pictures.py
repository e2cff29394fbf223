"""Pictures of scoring structures: a square a pair of entity blocks, a colour a relation block.

Rows are head blocks h1..hK from the top, columns tail blocks t1..tK from the left, as in the
figures of AutoSF. A negative block is hatched and paler, so that signs survive a grey print and a
small size. Matplotlib is imported only when something is drawn.
"""

from __future__ import annotations

from collections.abc import Sequence
from typing import TYPE_CHECKING

import numpy as np

from kapl_jax.drawing import CELL_EMPTY, cell_points, fill_cell, frame_cells, write_cell

if TYPE_CHECKING:
    from matplotlib.axes import Axes
    from matplotlib.figure import Figure

# Okabe and Ito's palette, told apart with any common kind of colour blindness; one per relation
# block, in an order that gives the usual four blocks the clearest contrast.
PALETTE = ("#0072B2", "#E69F00", "#009E73", "#CC79A7", "#F0E442", "#D55E00")


def draw_structure(axes: Axes, structure: np.ndarray, title: str | None = None) -> None:
    """Draw `int8[K, K]` on `axes`.

    Block (i, j) carries the sign and the relation block, as in "−r3"; an absent one is blank.
    Letters scale with the size the axes have when called.
    """
    num_blocks = len(structure)
    points = cell_points(axes, num_blocks, num_blocks)
    for i, j in np.ndindex(structure.shape):
        _draw_cell(axes, i, j, int(structure[i, j]), points)
    heads = [f"h{i + 1}" for i in range(num_blocks)]
    tails = [f"t{j + 1}" for j in range(num_blocks)]
    frame_cells(axes, heads, tails, points, title)


def _draw_cell(axes: Axes, i: int, j: int, entry: int, points: float) -> None:
    relation = abs(entry)
    face = PALETTE[relation - 1] if relation else CELL_EMPTY
    patch = fill_cell(axes, i, j, face)
    if entry < 0:
        patch.set_facecolor((*_rgb(face), 0.45))
        stripes = fill_cell(axes, i, j, "none")
        stripes.set(hatch="////", edgecolor=face)
    if relation:
        write_cell(axes, i, j, f"{'−' if entry < 0 else '+'}r{relation}", points)


def _rgb(colour: str) -> tuple[float, float, float]:
    red, green, blue = (int(colour[k : k + 2], 16) / 255 for k in (1, 3, 5))
    return red, green, blue


def draw_structures(
    structures: np.ndarray | Sequence[np.ndarray],
    titles: Sequence[str] | None = None,
    columns: int = 6,
    cell_inches: float = 0.28,
) -> Figure:
    """Draw several structures as a grid, in reading order.

    Args:
        structures: `int8[n, K, K]` or a list of n structures, n >= 1.
        titles: one for each structure, or None.
        columns: pictures in a row.
        cell_inches: side of one block.

    Returns:
        A figure that belongs to no window and no pyplot state; the caller saves it.

    Raises:
        ValueError: there is no structure, or a different number of titles.
    """
    from matplotlib.figure import Figure  # noqa: PLC0415 - see the module's text
    from matplotlib.layout_engine import ConstrainedLayoutEngine  # noqa: PLC0415

    if not len(structures):
        raise ValueError("no structure to draw")
    if titles is not None and len(titles) != len(structures):
        raise ValueError(f"{len(titles)} titles for {len(structures)} structures")
    columns = min(columns, len(structures))
    rows = -(-len(structures) // columns)
    side = cell_inches * max(len(structure) for structure in structures)
    figure = Figure(
        figsize=(columns * (side + 0.45), rows * (side + 0.6)),
        layout=ConstrainedLayoutEngine(w_pad=0.08, h_pad=0.08),
    )
    grid = figure.subplots(rows, columns, squeeze=False).flat
    figure.draw_without_rendering()  # gives the axes the size that letters are scaled to
    for k, axes in enumerate(grid):
        if k < len(structures):
            draw_structure(axes, structures[k], titles[k] if titles is not None else None)
        else:
            axes.set_axis_off()
    return figure
