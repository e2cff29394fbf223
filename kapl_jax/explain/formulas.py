"""Scoring structures as formulas for people: plain text and LaTeX."""

from __future__ import annotations

from collections.abc import Iterator

import numpy as np


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
