import io
import subprocess
import sys

import numpy as np
import pytest
from matplotlib.colors import to_hex
from matplotlib.figure import Figure
from matplotlib.patches import Rectangle

from kapl_jax.bilinear.presets import PRESETS, preset
from kapl_jax.bilinear.structures import parse_structure
from kapl_jax.explain.block_pictures import PALETTE, draw_structure, draw_structures

STRUCTURE = "0 2 0; -3 0 0; 0 0 1"


@pytest.fixture
def axes():
    figure = Figure(figsize=(2, 2))
    axes = figure.subplots()
    draw_structure(axes, parse_structure(STRUCTURE), title="found 1")
    return axes


def squares(axes):
    return [patch for patch in axes.patches if isinstance(patch, Rectangle)]


def square_at(axes, row, column):
    """The square drawn first at a place, which carries its colour."""
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


def test_grid_of_all_presets_is_a_readable_image():
    structures = [preset(name) for name in PRESETS]
    figure = draw_structures(structures, list(PRESETS), columns=4)
    assert [axes.get_title() for axes in figure.axes if axes.axison] == list(PRESETS)
    assert sum(not axes.axison for axes in figure.axes) == -len(structures) % 4
    png = io.BytesIO()
    figure.savefig(png, dpi=60)
    assert png.getvalue().startswith(b"\x89PNG")
    smallest = min(text.get_fontsize() for axes in figure.axes for text in axes.texts)
    assert smallest >= 5


def test_letters_shrink_with_the_picture():
    def letter_size(cell_inches):
        figure = draw_structures(np.array([preset("quate")]), cell_inches=cell_inches)
        return figure.axes[0].texts[0].get_fontsize()

    assert letter_size(0.15) < letter_size(0.3)


@pytest.mark.parametrize(
    ("structures", "titles", "message"),
    [([], None, "no structure"), ([np.eye(2, dtype=int)], ["a", "b"], "2 titles for 1")],
)
def test_refuses_nothing_and_wrong_titles(structures, titles, message):
    with pytest.raises(ValueError, match=message):
        draw_structures(structures, titles)


def test_importing_the_module_does_not_import_matplotlib():
    code = "import sys, kapl_jax.explain.block_pictures; sys.exit(int('matplotlib' in sys.modules))"
    assert subprocess.run([sys.executable, "-c", code], check=False).returncode == 0
