import numpy as np
from hypothesis import given, settings
from hypothesis import strategies as st

from kapl_jax.explain.relation_matrices import RelationMatrices
from kapl_jax.explain.rule_answers import noisy_or, rule_evidence
from kapl_jax.explain.rules import Rule
from tests.explain.random_graphs import ENTITIES, RELATIONS, joined, random_rule, random_triples


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
    np.testing.assert_allclose(noisy_or(found), 1 - fails, atol=1e-5)


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
