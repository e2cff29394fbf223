import re
import subprocess
import sys

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st
from matplotlib.colors import to_hex
from matplotlib.figure import Figure
from matplotlib.patches import Rectangle

from kapl_jax.bilinear.presets import PRESETS, preset
from kapl_jax.bilinear.structures import parse_structure, random_structures
from kapl_jax.explain.formulas import PALETTE, draw_structure, formula_latex, formula_text

STRUCTURE = "0 2 0; -3 0 0; 0 0 1"


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


@pytest.fixture
def axes():
    figure = Figure(figsize=(2, 2))
    axes = figure.subplots()
    draw_structure(axes, parse_structure(STRUCTURE), title="found 1")
    return axes


def squares(axes):
    return [patch for patch in axes.patches if isinstance(patch, Rectangle)]


def square_at(axes, row, column):
    """The square drawn first at a position, which carries its colour."""
    return next(
        patch
        for patch in squares(axes)
        if int(patch.get_x()) == column and int(patch.get_y()) == row
    )


def test_blocks_say_sign_and_relation_where_they_stand(axes):
    said = {
        (int(text.get_position()[1]), int(text.get_position()[0])): text.get_text()
        for text in axes.texts
    }
    assert said == {(0, 1): "+r2", (1, 0): "−r3", (2, 2): "+r1"}


def test_colour_is_that_of_the_relation_block(axes):
    for row, column, relation in [(0, 1, 2), (1, 0, 3), (2, 2, 1)]:
        colour = to_hex(square_at(axes, row, column).get_facecolor())
        assert colour == PALETTE[relation - 1].lower()


def test_only_negative_blocks_are_hatched(axes):
    hatched = [(p.get_y(), p.get_x()) for p in squares(axes) if p.get_hatch()]
    assert [(int(y), int(x)) for y, x in hatched] == [(1, 0)]


def test_labels_and_title(axes):
    assert [label.get_text() for label in axes.get_xticklabels()] == ["t1", "t2", "t3"]
    assert [label.get_text() for label in axes.get_yticklabels()] == ["h1", "h2", "h3"]
    assert axes.get_title() == "found 1"
    assert axes.yaxis_inverted()


def test_every_relation_block_has_its_own_colour():
    assert len(set(PALETTE)) == len(PALETTE) == 6


def test_letters_shrink_with_the_picture():
    def letter_size(inches):
        axes = Figure(figsize=(inches, inches)).subplots()
        draw_structure(axes, preset("quate"))
        return axes.texts[0].get_fontsize()

    assert 3 < letter_size(1.0) < letter_size(1.6)


@pytest.mark.parametrize("name", PRESETS)
def test_every_preset_is_drawn_block_by_block(name):
    axes = Figure(figsize=(2, 2)).subplots()
    draw_structure(axes, preset(name))
    said = {
        (int(text.get_position()[1]), int(text.get_position()[0])): text.get_text()
        for text in axes.texts
    }
    blocks = {(i, j): int(preset(name)[i, j]) for i, j in np.argwhere(preset(name)).tolist()}
    assert said == {
        position: f"{'−' if entry < 0 else '+'}r{abs(entry)}" for position, entry in blocks.items()
    }


def test_importing_the_module_does_not_import_matplotlib():
    code = "import sys, kapl_jax.explain.formulas; sys.exit(int('matplotlib' in sys.modules))"
    assert subprocess.run([sys.executable, "-c", code], check=False).returncode == 0
