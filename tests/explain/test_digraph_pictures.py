import subprocess
import sys

import pytest
from matplotlib.colors import to_hex

from kapl_jax.drawing import GRID, INK, MUTED, SERIES
from kapl_jax.explain.digraph_pictures import digraph_figure
from tests.explain.family_example import family_explanation, wide_answer


@pytest.fixture(scope="module")
def carl():
    return family_explanation().answers[0]


@pytest.fixture(scope="module")
def axes(carl):
    (axes,) = digraph_figure(carl).axes
    return axes


def test_entities_steps_and_relations_are_written(axes):
    said = [text.get_text() for text in axes.texts]
    assert {"ann -aunt-> carl", "query", "step 1", "step 3"} <= set(said)
    assert [said.count(name) for name in ("ann", "bea", "carl")] == [2, 2, 2]
    assert {"father^-1 0.90", "sister 0.80", "stays 0.75"} <= set(said)


def test_attention_is_width_and_the_walk_lies_on_a_band(axes):
    bands = [line for line in axes.lines if line.get_color() == GRID]
    drawn = [line for line in axes.lines if line.get_color() != GRID]
    assert (len(bands), len(drawn)) == (3, 8)
    assert len({line.get_linewidth() for line in drawn}) == 8
    stays = [line for line in drawn if line.get_linestyle() == "--"]
    assert {line.get_color() for line in stays} == {MUTED}
    assert {to_hex(patch.get_edgecolor()) for patch in axes.patches} == {INK, GRID}


def test_the_legend_tells_colours(axes):
    legend = axes.get_legend()
    names = [text.get_text() for text in legend.get_texts()]
    colours = [handle.get_color() for handle in legend.legend_handles]
    assert dict(zip(names, colours, strict=True)) == {
        "sister": SERIES[0],
        "father^-1": SERIES[1],
        "father": SERIES[2],
        "stays": MUTED,
    }


def test_many_entities_and_relations_are_cut_and_told():
    (axes,) = digraph_figure(wide_answer(30)).axes
    said = [text.get_text() for text in axes.texts]
    assert said.count("18 more") == 2
    assert [text.get_text() for text in axes.get_legend().get_texts()][-1] == "others"


def test_texts_stay_inside_the_picture():
    answer = wide_answer(4, steps=5, name="a_rather_long_name_of_an_entity_{}")
    figure = digraph_figure(answer)
    figure.draw_without_rendering()
    width, height = figure.bbox.width, figure.bbox.height
    for text in figure.axes[0].texts:
        box = text.get_window_extent()
        assert 0 <= box.x0 < box.x1 <= width
        assert 0 <= box.y0 < box.y1 <= height


def test_importing_the_module_does_not_import_matplotlib():
    module = "kapl_jax.explain.digraph_pictures"
    code = f"import sys, {module}; sys.exit(int('matplotlib' in sys.modules))"
    assert subprocess.run([sys.executable, "-c", code], check=False).returncode == 0
