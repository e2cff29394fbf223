import subprocess
import sys

import numpy as np
import pytest
from matplotlib.figure import Figure
from matplotlib.patches import Rectangle

from kapl_jax.drawing import SERIES
from kapl_jax.explain.modulation_pictures import (
    draw_modulation,
    influence_figure,
    phi_figure,
)
from kapl_jax.explain.reasons import Influence, PhiPath, SupportItem

STRUCTURE = np.array([[0, 0, 1, 1], [1, 0, 0, 0], [0, 1, 0, 0]], bool)


@pytest.fixture
def axes():
    axes = Figure(figsize=(2.4, 2.4)).subplots()
    draw_modulation(axes, STRUCTURE, title="found 1")
    return axes


def test_operations_stand_where_they_are_applied(axes):
    said = {
        (int(text.get_position()[1]), int(text.get_position()[0])): text.get_text()
        for text in axes.texts
    }
    assert said == {(0, 2): "×", (0, 3): "+", (1, 0): "max", (2, 1): "min"}
    assert sum(isinstance(patch, Rectangle) for patch in axes.patches) == STRUCTURE.size


def test_labels_and_letters_are_legible(axes):
    assert [label.get_text() for label in axes.get_xticklabels()] == [
        "max",
        "min",
        "scale",
        "shift",
    ]
    assert [label.get_text() for label in axes.get_yticklabels()] == ["input", "h1", "h2"]
    assert axes.get_title() == "found 1"
    assert axes.yaxis_inverted()
    assert min(text.get_fontsize() for text in axes.texts) >= 7


def path(*points):
    sizes = [5 * place for place in range(len(points))]
    return PhiPath(sizes, [0], ["shift"], [], points)


def test_paths_go_from_the_first_size_to_the_last():
    paths = {"a $b$": path((0.0, 0.0), (1.0, 2.0), (3.0, 1.0)), "c": path((0.0, 0.0), (-1.0, 0.5))}
    (axes,) = phi_figure(paths).axes
    first, second = axes.lines
    assert first.get_xydata().tolist() == [[0, 0], [1, 2], [3, 1]]
    assert second.get_color() != first.get_color()
    numbers = {text.get_text(): tuple(text.xy) for text in axes.texts}
    assert numbers == {"0": (0, 0), "10": (3, 1), "5": (-1, 0.5)}, "a shared start is told once"
    labels = [text.get_text() for text in axes.get_legend().get_texts()]
    assert labels == [r"a \$b\$", "c"]


def test_a_user_without_support_is_a_single_dot():
    (axes,) = phi_figure({"a": path((1.0, 1.0))}).axes
    assert [text.get_text() for text in axes.texts] == ["0"]


def influence(*effects):
    return Influence("i7", 0.8, [SupportItem(f"i{k}", 4.5, e) for k, e in enumerate(effects)])


def test_the_heaviest_items_come_first_and_colours_tell_the_sign():
    (axes,) = influence_figure({"u": influence(0.01, -0.3, 0.2)}).axes
    assert [bar.get_width() for bar in axes.patches] == [-0.3, 0.2, 0.01]
    labels = [label.get_text() for label in axes.get_yticklabels()]
    assert labels == [f"i{k} (rated 4.5)" for k in (1, 2, 0)]
    red, green, blue, _ = axes.patches[0].get_facecolor()
    assert f"#{round(255 * red):02x}{round(255 * green):02x}{round(255 * blue):02x}" == SERIES[1]
    assert axes.get_title(loc="left") == "u, prediction for i7: 0.8"


def test_long_lists_and_names_are_cut():
    many = influence(*np.linspace(0.1, 1, 30))
    long = Influence("i7", 0.8, [SupportItem("x" * 80, 1.0, 0.1)])
    first, second = influence_figure({"u": many, "v": long}).axes
    assert len(first.patches) == 8
    assert len(second.get_yticklabels()[0].get_text()) < 45


def test_importing_the_module_does_not_import_matplotlib():
    module = "kapl_jax.explain.modulation_pictures"
    code = f"import sys, {module}; sys.exit(int('matplotlib' in sys.modules))"
    assert subprocess.run([sys.executable, "-c", code], check=False).returncode == 0
