from kapl_jax.explain.reasoning import explain_answer
from kapl_jax.explain.reasoning_text import reasoning_text
from tests.explain.family_example import NAMES, family_explanation, family_trace


def test_answers_paths_and_rules_are_told():
    lines = reasoning_text(family_explanation()).splitlines()
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


def test_what_is_out_of_reach_is_said_so():
    entry = explain_answer(family_trace(), 0, NAMES)
    text = reasoning_text({"query": entry["query"], "answers": [entry]})
    lines = text.splitlines()
    assert lines[1:] == ["   -  ann  out of reach", "ann is not reached from ann in 3 steps"]
