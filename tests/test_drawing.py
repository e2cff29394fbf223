"""Names of any script in pictures: no warnings, and nothing of them is lost."""

from __future__ import annotations

import warnings

import pytest
from matplotlib.figure import Figure

from kapl_jax import drawing
from kapl_jax.drawing import any_script, drawable, families, room_around
from kapl_jax.explain.digraph_pictures import digraph_svg
from kapl_jax.explain.reasoning import AnswerExplanation
from kapl_jax.explain.user_explanation import ModulationExplanation

STEP = ["北京", "首都 $x$ ^a_b", "مصر😀"]


@pytest.fixture(autouse=True)
def _no_warning():
    with warnings.catch_warnings():
        warnings.simplefilter("error")
        yield


@pytest.fixture
def first_font_alone(monkeypatch):
    """As on a machine without other fonts."""
    cached = (drawing.families, drawing._fonts, drawing._has)
    for one in cached:
        one.cache_clear()
    monkeypatch.setattr(drawing, "_MORE", ())
    yield
    for one in cached:
        one.cache_clear()


@pytest.mark.usefixtures("first_font_alone")
def test_a_digraph_keeps_its_names_as_text():
    query = {"entity": STEP[0], "relation": STEP[1]}
    edge = dict(zip(("source", "relation", "target"), STEP, strict=True), weight=0.5)
    path = {"steps": [STEP], "walk": [STEP], "weight": 0.5, "walks": 1}
    entry = {"query": query, "answer": STEP[2], "layers": [[edge]], "paths": [path]}
    drawing = digraph_svg(AnswerExplanation.from_json(entry)).decode()
    for name in STEP:
        assert name in drawing


@pytest.mark.usefixtures("first_font_alone")
def test_a_picture_of_dots_writes_out_what_no_font_has():
    assert drawable("Zoë 北") == r"Zoë \u5317"
    item = {"item": "한국 $a$", "rating": 1.0, "effect": 0.2}
    influence = {"query_item": "東京 $5", "prediction": 1.0, "items": [item]}
    users = [{"user": "用户", "support_sizes": [1], "influence": influence}]
    entry = {"structure": "-", "expressions": [], "users": users}
    pictures = ModulationExplanation.from_json(entry).pictures()
    assert pictures["influence.png"].startswith(b"\x89PNG")


def test_all_fonts_at_hand_are_used_and_the_first_is_always_there():
    figure = Figure()
    text = figure.text(0, 0, "x")
    with any_script(figure):
        assert text.get_fontfamily() == families()
    assert families()[0] == "DejaVu Sans"


@pytest.mark.parametrize("value", [0.0, 0.5, -3.0, 1e6])
def test_around_a_single_value_there_is_room(value):
    low, high = room_around(value, value)
    assert low < value < high
    assert high - low >= 0.1 * abs(value)
    assert room_around(1.0, 2.0) == pytest.approx((0.92, 2.08))
