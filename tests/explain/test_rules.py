import json

import pytest

from kapl_jax.errors import UserError
from kapl_jax.explain.attention import GraphNames
from kapl_jax.explain.paths import Path
from kapl_jax.explain.rules import (
    CountedRule,
    Rule,
    RuleRanking,
    RuleRow,
    RulesExplanation,
    collect_rules,
    rule_latex,
    rule_of_path,
    rule_text,
)

NAMES = GraphNames([], ["aunt", "sister", "child_of$"])
R = 3


def path(*relations: int, weight: float = 0.5) -> Path:
    return Path(tuple((0, relation, 0) for relation in relations), weight, 1, ())


def test_relations_of_a_path_become_the_body():
    assert rule_of_path(0, path(1, 5), R) == Rule(0, (1, 5))


def test_a_query_for_heads_gives_the_rule_of_the_query_for_tails():
    # aunt^-1 from Y: the way from X to Y, walked back.
    assert rule_of_path(3, path(2, 4), R) == rule_of_path(0, path(1, 5), R)


@pytest.mark.parametrize("body", [(), (0,), (0, 3, 0), (0, 3, 0, 3, 0)])
def test_bodies_that_the_head_itself_satisfies_are_no_rules(body):
    assert rule_of_path(0, path(*body), R) is None
    back = tuple(reversed([(relation + R) % (2 * R) for relation in body]))
    assert rule_of_path(3, path(*back), R) is None


@pytest.mark.parametrize("body", [(3,), (0, 3), (0, 0), (1, 3, 0), (3, 0, 3), (0, 0, 3)])
def test_other_bodies_with_the_head_are_rules(body):
    assert rule_of_path(0, path(*body), R) == Rule(0, body)


def test_rules_are_counted_once_an_answer_by_their_strongest_path():
    found = collect_rules(
        [
            (0, [path(1, weight=0.5), path(1, weight=0.75), path(0), path(1, 1, weight=2.0)]),
            (3, [path(4, weight=0.25)]),
            (1, [path(0, weight=0.1)]),
            (2, []),
        ],
        R,
    )
    assert found == [
        CountedRule(Rule(0, (1, 1)), 1, 2.0),
        CountedRule(Rule(0, (1,)), 2, 1.0),
        CountedRule(Rule(1, (0,)), 1, 0.1),
    ]


def test_text_swaps_the_arguments_of_inverse_relations():
    assert rule_text(Rule(0, (1, 5, 0)), NAMES) == (
        "aunt(X, Y) <- sister(X, Z1), child_of$(Z2, Z1), aunt(Z2, Y)"
    )
    assert rule_text(Rule(1, (4,)), NAMES) == "sister(X, Y) <- sister(Y, X)"


def test_latex_escapes_names():
    assert rule_latex(Rule(0, (1, 5)), NAMES) == (
        r"\text{aunt}(X, Y) \leftarrow \text{sister}(X, Z_{1}) \wedge "
        r"\text{child\_of\$}(Y, Z_{1})"
    )


def row(relation: str, rule: str, confidence: float, support: int = 3, **more: float) -> RuleRow:
    known = {"head_coverage": 0.5, "weight": 1.0, "answers": 1, **more}
    return RuleRow(relation=relation, rule=rule, confidence=confidence, support=support, **known)  # type: ignore[arg-type]


def test_rules_of_a_relation_come_by_confidence_and_relations_in_their_order():
    table = (
        row("b", "b(X, Y) <- c(X, Y)", 0.25),
        row("b", "b(X, Y) <- d(X, Y)", 0.75, support=12345),
        row("a", "a(X, Y) <- b(Y, X)", 0.9, head_coverage=0.125),
    )
    lines = RulesExplanation(RuleRanking(0.5, 0.75), table).text().splitlines()
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
    table = (row("a", "one", 0.5, counted=0.25), row("a", "two", 0.4, counted=1.0))
    first, second = RulesExplanation(table=table).text().splitlines()[1:3]
    assert first.startswith("≈")
    assert "≈" not in second
    assert first.index("one") == second.index("two")


@pytest.mark.parametrize("count", [4, 5, 6, 9])
def test_only_the_best_five_are_shown_and_the_others_counted(count):
    table = tuple(row("a", f"rule{index}", index / 10) for index in range(count))
    text = RulesExplanation(table=table).text()
    left = max(0, count - 5)
    assert [f"rule{k}" in text for k in range(count)] == [k >= left for k in range(count)]
    assert (f"and {left} more" in text) == (left > 0)


def test_without_rules_or_figures_there_are_dashes_and_no_pictures():
    nothing = RulesExplanation()
    assert [line.split()[-1] for line in nothing.text().splitlines()[1:]] == ["-", "-"]
    assert nothing.pictures() == {}


def test_rules_that_are_written_are_read_again():
    rules = RulesExplanation(RuleRanking(0.5, None), (row("a", "one", 0.5, counted=0.25),))
    written = json.loads(json.dumps(rules.to_json()))
    assert written["mrr"] == {"rules": 0.5, "model": None}
    assert RulesExplanation.from_json(written) == rules
    assert RulesExplanation.from_json({}) == RulesExplanation()
    (entry,) = written["table"]
    del entry["latex"], entry["counted"]
    assert RulesExplanation.from_json({"table": [entry]}).table[0].counted == 1.0
    with pytest.raises(UserError, match=r"^x\.table\[0\]\.support: found text, expected a whole"):
        RulesExplanation.from_json({"table": [{**entry, "support": "3"}]}, "x")
