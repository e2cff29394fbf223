import pytest

from kapl_jax.explain.attention import GraphNames
from kapl_jax.explain.paths import Path
from kapl_jax.explain.rules import (
    CountedRule,
    Rule,
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
