"""Modulation structures for people: as expressions in plain text and LaTeX, and as pictures.

A structure is `bool[C, 4]`: which of the operations, in their order, modulate the predictor at each
position. Position 0 is its input, position c the output of hidden layer c before its activation
(ColdNAS, WWW 2023). Operation k of a position has parameters φk of its own there, one per unit,
which come from the user's support set; all are applied unit by unit. Matplotlib is imported only
when something is drawn.
"""

from __future__ import annotations

from collections.abc import Sequence
from typing import TYPE_CHECKING

import numpy as np

from kapl_jax.drawing import CELL_EMPTY, cell_points, fill_cell, frame_cells, write_cell
from kapl_jax.modulation.structures import OPERATIONS

if TYPE_CHECKING:
    from matplotlib.axes import Axes

# How each operation is written around what it is applied to, x, at position p.
_TEXT = ("max({x}, φ1)", "min({x}, φ2)", "{x} · φ3", "{x} + φ4")
_LATEX = (
    r"\max({x}, \phi^{{({p})}}_{{1}})",
    r"\min({x}, \phi^{{({p})}}_{{2}})",
    r"{x} \odot \phi^{{({p})}}_{{3}}",
    r"{x} + \phi^{{({p})}}_{{4}}",
)
# What each operation does with its parameters, in a square's space, and its colour.
_SYMBOLS = ("max", "min", "×", "+")
_COLOURS = ("#E69F00", "#CC79A7", "#0072B2", "#009E73")


def modulation_expressions(structure: np.ndarray) -> list[str]:
    """Write `bool[C, 4]` as one equation per position.

    For instance "h1 = leaky_relu(max(W1 h0 + b1, φ1) + φ4)"; of position 0, with shift alone,
    "h0 = leaky_relu([item, user] + φ4)".
    """
    equations = []
    for position, row in enumerate(np.asarray(structure, bool)):
        layer = f"W{position} h{position - 1} + b{position}" if position else "[item, user]"
        equations.append(f"h{position} = leaky_relu({_modulated(layer, position, row, _TEXT)})")
    return equations


def modulation_latex(structure: np.ndarray) -> str:
    r"""Write `bool[C, 4]` in LaTeX for math mode, aligned, one line per position.

    For instance `h_{1} &= \mathrm{lrelu}(\max(W_{1} h_{0} + b_{1}, \phi^{(1)}_{1}))`.
    """
    equations = []
    for position, row in enumerate(np.asarray(structure, bool)):
        layer = r"[\mathrm{item}, \mathrm{user}]"
        if position:
            layer = f"W_{{{position}}} h_{{{position - 1}}} + b_{{{position}}}"
        modulated = _modulated(layer, position, row, _LATEX)
        equations.append(rf"h_{{{position}}} &= \mathrm{{lrelu}}({modulated})")
    joined = " \\\\\n".join(equations)
    return f"\\begin{{aligned}}\n{joined}\n\\end{{aligned}}"


def _modulated(layer: str, position: int, row: np.ndarray, forms: Sequence[str]) -> str:
    """Write the operations `bool[4]` of one position around `layer`."""
    written, is_sum = layer, position > 0
    for name, present, form in zip(OPERATIONS, row, forms, strict=True):
        if not present:
            continue
        if is_sum and name == "scale":
            written = f"({written})"
        written, is_sum = form.format(x=written, p=position), name == "shift"
    return written


def draw_modulation(axes: Axes, structure: np.ndarray, title: str | None = None) -> None:
    """Draw `bool[C, 4]` on `axes`: a row per position from the input on, a column per operation.

    Operations are applied from left to right; an absent one is blank. Letters scale with the size
    the axes have when called.
    """
    present = np.asarray(structure, bool)
    points = cell_points(axes, *present.shape)
    for position, index in np.ndindex(present.shape):
        used = present[position, index]
        fill_cell(axes, position, index, _COLOURS[index] if used else CELL_EMPTY)
        if used:
            write_cell(axes, position, index, _SYMBOLS[index], points)
    rows = [f"h{position}" if position else "input" for position in range(len(present))]
    frame_cells(axes, rows, OPERATIONS, points, title)
