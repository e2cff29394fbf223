import re

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from kapl_jax.bilinear.presets import preset
from kapl_jax.bilinear.structures import parse_structure, random_structures
from kapl_jax.explain.formulas import formula_latex, formula_text


def test_text():
    structure = parse_structure("1 0 0; 0 2 0; 0 -3 0")
    assert formula_text(structure) == "⟨h1,r1,t1⟩ + ⟨h2,r2,t2⟩ − ⟨h3,r3,t2⟩"


def test_leading_minus():
    structure = parse_structure("-2 0; 0 1")
    assert formula_text(structure) == "−⟨h1,r2,t1⟩ + ⟨h2,r1,t2⟩"
    assert formula_latex(structure).startswith(r"-\langle h_{1}")


def test_latex():
    assert formula_latex(preset("complex", 2)) == (
        r"\langle h_{1}, r_{1}, t_{1}\rangle + \langle h_{1}, r_{2}, t_{2}\rangle"
        r" - \langle h_{2}, r_{2}, t_{1}\rangle + \langle h_{2}, r_{1}, t_{2}\rangle"
    )


def test_empty_structure():
    assert formula_text(np.zeros((4, 4), np.int8)) == "0"
    assert formula_latex(np.zeros((4, 4), np.int8)) == "0"


@pytest.mark.parametrize(
    ("write", "minus", "term"),
    [
        (formula_text, "−", r"(^−|^| \+ | − )⟨h(\d),r(\d),t(\d)⟩"),
        (
            formula_latex,
            "-",
            r"(^-|^| \+ | - )\\langle h_\{(\d)\}, r_\{(\d)\}, t_\{(\d)\}\\rangle",
        ),
    ],
)
@given(num_blocks=st.integers(1, 6), seed=st.integers(0, 2**32 - 1))
def test_formula_says_what_the_structure_says(write, minus, term, num_blocks, seed):
    rng = np.random.default_rng(seed)
    structure = random_structures(rng, num_blocks, [rng.integers(1, num_blocks**2 + 1)])[0]
    formula = write(structure)
    read = np.zeros_like(structure)
    for sign, head, relation, tail in re.findall(term, formula):
        read[int(head) - 1, int(tail) - 1] = int(relation) * (-1 if minus in sign else 1)
    assert (read == structure).all()
    assert not re.sub(term, "", formula)
    assert "\n" not in formula
