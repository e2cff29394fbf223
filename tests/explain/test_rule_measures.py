import json

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from kapl_jax.explain.attention import GraphNames
from kapl_jax.explain.rule_measures import (
    RelationMatrices,
    RuleMeasures,
    measure_rule,
    rule_evidence,
    rule_row,
)
from kapl_jax.explain.rules import CountedRule, Rule
from tests.explain.random_graphs import (
    ENTITIES,
    RELATIONS,
    joined,
    pairs_of,
    random_rule,
    random_triples,
)


@settings(max_examples=150, deadline=None)
@given(seed=st.integers(0, 2**32 - 1), at_once=st.sampled_from([1, 7, 10**6]))
def test_counts_are_those_of_all_pairs(seed, at_once):
    rng = np.random.default_rng(seed)
    triples, rule = random_triples(rng), random_rule(rng)
    found = measure_rule(RelationMatrices(triples, ENTITIES, RELATIONS), rule, most_at_once=at_once)
    body, head = joined(triples, rule.body), pairs_of(triples, rule.head)
    assert found == RuleMeasures(len(body & head), len(body), len(head), 1.0)
    assert found.confidence == (len(body & head) / len(body) if body else 0.0)
    assert found.head_coverage == (len(body & head) / len(head) if head else 0.0)


def hub_graph(count: int = 400) -> RelationMatrices:
    """Return a graph where all entities meet in one, and every fourth pair with 1 is a fact."""
    spokes = [(entity, 0, 0) for entity in range(count)]
    facts = [(entity, 1, other) for entity in range(count) for other in range(0, count, 4)]
    return RelationMatrices(np.array(spokes + facts), count, 2)


def test_a_rule_over_a_hub_is_counted_on_a_sample_and_says_so():
    rule, graph = Rule(1, (0, 2)), hub_graph()
    whole = measure_rule(graph, rule)
    assert (whole.support, whole.body_pairs, whole.counted) == (40_000, 160_000, 1.0)
    sampled = measure_rule(graph, rule, most_work=20_000)
    assert 0 < sampled.counted < 0.2
    assert sampled.confidence == pytest.approx(whole.confidence, rel=0.01)
    assert sampled.body_pairs == pytest.approx(whole.body_pairs, rel=0.01)
    assert sampled.head_coverage <= 1.0
    assert sampled == measure_rule(graph, rule, most_work=20_000)


def test_walks_that_meet_again_cost_no_more_than_the_edges_there_are():
    # 400 ** 3 walks, but 400 * (1 + 400 + 400 + 400) edges from all x together.
    counted = measure_rule(hub_graph(), Rule(1, (0, 2, 0, 2)), most_work=500_000)
    assert (counted.counted, counted.body_pairs) == (1.0, 160_000)


def test_a_row_tells_all_by_name_and_is_fit_for_json():
    names = GraphNames([], ["aunt", "sister"])
    counted = CountedRule(Rule(0, (1, 2)), 3, 1.5)
    row = rule_row(counted, RuleMeasures(2, 4, 8, 1.0), names)
    assert json.loads(json.dumps(row.to_json())) == {
        "rule": "aunt(X, Y) <- sister(X, Z1), aunt(Y, Z1)",
        "relation": "aunt",
        "latex": r"\text{aunt}(X, Y) \leftarrow "
        r"\text{sister}(X, Z_{1}) \wedge \text{aunt}(Y, Z_{1})",
        "support": 2,
        "confidence": 0.5,
        "head_coverage": 0.25,
        "weight": 1.5,
        "answers": 3,
        "counted": 1.0,
    }


@settings(max_examples=80, deadline=None)
@given(seed=st.integers(0, 2**32 - 1))
def test_an_answer_fails_only_where_all_its_rules_fail(seed):
    rng = np.random.default_rng(seed)
    triples = random_triples(rng)
    rules = sorted({random_rule(rng) for _ in range(8)}, key=lambda _: rng.random())
    confidences = rng.random(len(rules))
    entities = rng.integers(0, ENTITIES, 9)
    relations = rng.integers(0, 2 * RELATIONS, 9)
    graph = RelationMatrices(triples, ENTITIES, RELATIONS)
    found = rule_evidence(graph, rules, confidences, entities, relations)
    assert (found.shape, found.dtype) == ((9, ENTITIES), np.float32)
    fails = np.ones((9, ENTITIES))
    for row, (entity, relation) in enumerate(zip(entities, relations, strict=True)):
        for rule, confidence in zip(rules, confidences, strict=True):
            if rule.head == relation % RELATIONS:
                for x, y in joined(triples, rule.body):
                    asked, given_ = (y, x) if relation < RELATIONS else (x, y)
                    if given_ == entity:
                        fails[row, asked] *= 1 - confidence
    np.testing.assert_allclose(-np.expm1(-found), 1 - fails, atol=1e-5)


def test_certain_rules_add_up_and_stay_finite():
    graph = RelationMatrices(np.array([(0, 0, 1), (0, 1, 1), (0, 1, 2)]), 3, 3)
    rules = [Rule(2, (0,)), Rule(2, (1,))]
    (row,) = rule_evidence(graph, rules, np.ones(2), np.array([0]), np.array([2]))
    assert np.isfinite(row).all()
    assert row[1] > row[2] > row[0] == 0


def test_there_may_be_no_rule():
    graph = RelationMatrices(np.zeros((0, 3), int), 3, 1)
    found = rule_evidence(graph, [], np.zeros(0), np.array([0, 1]), np.array([0, 1]))
    assert found.tolist() == [[0, 0, 0]] * 2
