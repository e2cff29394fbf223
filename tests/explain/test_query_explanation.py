from xml.etree import ElementTree as ET

from kapl_jax.explain.digraph_pictures import digraph_svg
from kapl_jax.explain.query_explanation import QueryExplanation
from kapl_jax.explain.reasoning import explain_answer
from tests.explain.family_example import NAMES, family_explanation, family_trace


def test_answers_paths_and_rules_are_told():
    lines = family_explanation().text().splitlines()
    assert lines[:4] == [
        "ann -aunt-> ?",
        "   1. carl                2.5000",
        "   3. dora $x$ & <b>      0.0000",
        "   3. bea                 1.0000",
    ]
    assert lines[4:6] == [
        "strongest paths to carl",
        "  ann -father^-1-> bea -sister-> carl (0.54, 2 walks)",
    ]
    assert "rules that give carl" in lines
    assert "  aunt(X, Y) <- father(Z1, X), sister(Z1, Y)  (confidence 0.25)" in lines
    assert not any("bea" in line and "paths to" in line for line in lines)


def test_what_is_out_of_reach_is_said_so_and_not_drawn():
    unreached = explain_answer(family_trace(), 0, NAMES)
    explanation = QueryExplanation(unreached.query, (unreached,))
    lines = explanation.text().splitlines()
    assert lines[1:] == ["   -  ann  out of reach", "ann is not reached from ann in 3 steps"]
    assert explanation.pictures() == {}


def test_names_are_no_markup_and_pictures_repeat():
    explanation = family_explanation()
    pictures = explanation.pictures()
    assert list(pictures) == ["digraph-1.svg", "digraph-2.svg"]
    assert pictures["digraph-1.svg"] == digraph_svg(explanation.answers[0])
    for picture in pictures.values():
        assert ET.fromstring(picture).tag.endswith("svg")
