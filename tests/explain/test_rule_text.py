from __future__ import annotations

import pytest

from kapl_jax.explain.rule_text import rules_text


def row(relation, rule, confidence, support=3, coverage=0.5, **more):
    return {
        "relation": relation,
        "rule": rule,
        "confidence": confidence,
        "support": support,
        "head_coverage": coverage,
        **more,
    }


def test_rules_of_a_relation_come_by_confidence_and_relations_in_their_order():
    table = [
        row("b", "b(X, Y) <- c(X, Y)", 0.25),
        row("b", "b(X, Y) <- d(X, Y)", 0.75, support=12345),
        row("a", "a(X, Y) <- b(Y, X)", 0.9, coverage=0.125),
    ]
    lines = rules_text({"mrr": {"rules": 0.5, "model": 0.75}, "table": table}).splitlines()
    assert lines[0].split() == ["confidence", "coverage", "support", "rule"]
    assert [line.split(maxsplit=3) for line in lines[1:4]] == [
        ["0.750", "0.500", "12345", "b(X, Y) <- d(X, Y)"],
        ["0.250", "0.500", "3", "b(X, Y) <- c(X, Y)"],
        ["0.900", "0.125", "3", "a(X, Y) <- b(Y, X)"],
    ]
    # Columns are as wide as their titles.
    assert len({line.index(line.split(maxsplit=3)[3]) for line in lines[1:4]}) == 1
    assert lines[1].index("b(X") == lines[0].index("rule")
    assert lines[4].split() == ["test", "MRR", "of", "the", "rules", "alone", "0.5000"]
    assert lines[5].split() == ["test", "MRR", "of", "the", "model", "0.7500"]


def test_what_is_counted_on_a_sample_is_marked():
    table = [row("a", "one", 0.5, counted=0.25), row("a", "two", 0.4, counted=1.0)]
    first, second = rules_text({"mrr": {}, "table": table}).splitlines()[1:3]
    assert first.startswith("≈")
    assert "≈" not in second
    assert first.index("one") == second.index("two")


@pytest.mark.parametrize(("shown", "left"), [(2, 2), (3, 1), (4, 0), (9, 0)])
def test_only_the_best_are_shown_and_the_others_counted(shown, left):
    table = [row("a", f"rule{place}", place / 10) for place in range(4)]
    text = rules_text({"mrr": {}, "table": table}, shown)
    assert [f"rule{place}" in text for place in range(4)] == [place >= left for place in range(4)]
    assert (f"and {left} more" in text) == (left > 0)


def test_without_rules_or_figures_there_are_dashes():
    lines = rules_text({"mrr": {"rules": None}, "table": []}).splitlines()
    assert [line.split()[-1] for line in lines[1:]] == ["-", "-"]
