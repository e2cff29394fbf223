import re

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st
from matplotlib.figure import Figure
from matplotlib.patches import Rectangle

from kapl_jax.explain.modulation import (
    draw_modulation,
    modulation_expressions,
    modulation_latex,
)

STRUCTURE = np.array([[0, 0, 1, 1], [1, 0, 0, 0], [0, 1, 0, 0]], bool)
structures = st.lists(st.lists(st.booleans(), min_size=4, max_size=4), min_size=1, max_size=6)
FOUND = np.array([[0, 0, 0, 1], [1, 0, 0, 1], [0, 0, 1, 0], [1, 1, 1, 1], [0, 0, 0, 0]], bool)


def test_expressions():
    assert modulation_expressions(FOUND) == [
        "h0 = leaky_relu([item, user] + φ4)",
        "h1 = leaky_relu(max(W1 h0 + b1, φ1) + φ4)",
        "h2 = leaky_relu((W2 h1 + b2) · φ3)",
        "h3 = leaky_relu(min(max(W3 h2 + b3, φ1), φ2) · φ3 + φ4)",
        "h4 = leaky_relu(W4 h3 + b4)",
    ]


def leaky_relu(x):
    return np.where(x > 0, x, 0.01 * x)


def modulated(row, x, phi):
    """What the operations do, one after the other."""
    x = np.maximum(x, phi[0]) if row[0] else x
    x = np.minimum(x, phi[1]) if row[1] else x
    x = x * phi[2] if row[2] else x
    return x + phi[3] if row[3] else x


@given(structure=structures, seed=st.integers(0, 2**32 - 1))
def test_expressions_compute_what_the_structure_does(structure, seed):
    rng = np.random.default_rng(seed)
    x = rng.normal(size=3)
    names = {"leaky_relu": leaky_relu, "max": np.maximum, "min": np.minimum}
    for position, expression in enumerate(modulation_expressions(np.array(structure))):
        weights, bias, phi = rng.normal(size=(3, 3)), rng.normal(size=3), rng.normal(size=(4, 3))
        layer = weights @ x + bias if position else x
        expected = leaky_relu(modulated(structure[position], layer, phi))
        names |= {f"φ{k + 1}": phi[k] for k in range(4)}
        names |= {"WEIGHTS": weights, "BIAS": bias, "INPUT": x}
        target, right = expression.split(" = ")
        assert target == f"h{position}"
        right = right.replace(f"W{position} h{position - 1}", "WEIGHTS @ INPUT")
        right = right.replace("[item, user]", "INPUT").replace(f"b{position}", "BIAS")
        found = eval(right.replace("·", "*"), {"__builtins__": {}}, names)
        np.testing.assert_allclose(found, expected)
        x = expected


def test_latex():
    lines = modulation_latex(FOUND[:3]).splitlines()
    assert lines == [
        r"\begin{aligned}",
        r"h_{0} &= \mathrm{lrelu}([\mathrm{item}, \mathrm{user}] + \phi^{(0)}_{4}) \\",
        r"h_{1} &= \mathrm{lrelu}(\max(W_{1} h_{0} + b_{1}, \phi^{(1)}_{1}) + \phi^{(1)}_{4}) \\",
        r"h_{2} &= \mathrm{lrelu}((W_{2} h_{1} + b_{2}) \odot \phi^{(2)}_{3})",
        r"\end{aligned}",
    ]


@pytest.mark.parametrize("write", ["text", "latex"])
@given(structure=structures)
def test_parameters_are_those_of_the_operations_present(write, structure):
    lines = {
        "text": modulation_expressions,
        "latex": lambda given: modulation_latex(given).splitlines()[1:-1],
    }[write](np.array(structure))
    for row, line in zip(structure, lines, strict=True):
        used = {int(found[1]) - 1 for found in re.finditer(r"(?:φ|\)}_\{)(\d)", line)}
        assert used == {k for k in range(4) if row[k]}
        assert line.count("(") == line.count(")")


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
