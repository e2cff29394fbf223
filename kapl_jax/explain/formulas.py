"""Scoring structures for people: as formulas in plain text and LaTeX, and as pictures.

A picture has a square per pair of entity blocks, a colour per relation block. Rows are head blocks
h1..hK from the top, columns tail blocks t1..tK from the left, as in the figures of AutoSF. A
negative block is hatched and paler, so that signs survive a grey print and a small size. Matplotlib
is imported only when something is drawn.
"""

from __future__ import annotations

from collections.abc import Iterator
from typing import TYPE_CHECKING

import numpy as np

from kapl_jax.drawing import CELL_EMPTY, cell_points, fill_cell, frame_cells, write_cell

if TYPE_CHECKING:
    from matplotlib.axes import Axes

# Okabe and Ito's palette, told apart with any common kind of colour blindness; one per relation
# block, in an order that gives the usual four blocks the clearest contrast.
PALETTE = ("#0072B2", "#E69F00", "#009E73", "#CC79A7", "#F0E442", "#D55E00")


def formula_text(structure: np.ndarray) -> str:
    """Write `int8[K, K]` as one line, blocks counted from 1, in row order.

    For instance "⟨h1,r1,t1⟩ + ⟨h2,r2,t2⟩ − ⟨h3,r4,t4⟩"; "0" if the structure is empty.
    """
    terms = [(sign, f"⟨h{i},r{k},t{j}⟩") for sign, i, k, j in _terms(structure)]
    return _join(terms, minus="−")


def formula_latex(structure: np.ndarray) -> str:
    r"""Write `int8[K, K]` in LaTeX for math mode.

    For instance `\langle h_{1}, r_{1}, t_{1}\rangle - \langle h_{2}, r_{1}, t_{2}\rangle`.
    """
    terms = [
        (sign, rf"\langle h_{{{i}}}, r_{{{k}}}, t_{{{j}}}\rangle")
        for sign, i, k, j in _terms(structure)
    ]
    return _join(terms, minus="-")


def _terms(structure: np.ndarray) -> Iterator[tuple[int, int, int, int]]:
    """Yield (sign, head block, relation block, tail block), blocks from 1, row by row."""
    for i, j in np.argwhere(structure):
        entry = int(structure[i, j])
        yield (1 if entry > 0 else -1), int(i) + 1, abs(entry), int(j) + 1


def _join(terms: list[tuple[int, str]], minus: str) -> str:
    if not terms:
        return "0"
    sign, first = terms[0]
    pieces = [first if sign > 0 else minus + first]
    pieces += [f" {'+' if sign > 0 else minus} {term}" for sign, term in terms[1:]]
    return "".join(pieces)


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
