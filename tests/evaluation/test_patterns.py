"""Relation patterns against their definition, and metrics by kind against plain averages."""

from __future__ import annotations

import numpy as np
import pytest

from kapl_jax.data.knowledge_graph import load_knowledge_graph
from kapl_jax.evaluation.patterns import (
    RelationPatterns,
    metrics_by_pattern,
    metrics_by_relation,
    relation_patterns,
)


def slow_pattern(pairs, relation):
    own = pairs[relation]
    if not own:
        return "general"
    reversed_pairs = {(t, h) for h, t in own}
    shares = [len(reversed_pairs & other) / len(own) for other in pairs]
    if shares[relation] >= 0.5:
        return "symmetric"
    if max([0, *shares[:relation], *shares[relation + 1 :]]) >= 0.5:
        return "inverse"
    return "antisymmetric" if shares[relation] <= 0.01 else "general"


def slow_cardinality(own):
    if not own:
        return "N-N"
    heads_per_tail = np.mean([sum(t == tail for _, t in own) for tail in {t for _, t in own}])
    tails_per_head = np.mean([sum(h == head for h, _ in own) for head in {h for h, _ in own}])
    return ("1-" if heads_per_tail < 1.5 else "N-") + ("1" if tails_per_head < 1.5 else "N")


@pytest.mark.parametrize("seed", range(12))
def test_equals_the_definition_on_random_graphs(seed):
    rng = np.random.default_rng(seed)
    num_relations = 6
    triples = np.stack([rng.integers(0, n, 70) for n in (9, num_relations - 1, 9)], axis=1)
    forward = triples[triples[:, 1] == 0]
    partly = rng.random(len(forward)) < rng.random()
    triples = np.concatenate([triples, forward[partly][:, ::-1] + [0, seed % 2, 0]])
    pairs = [set() for _ in range(num_relations)]
    for h, r, t in triples.tolist():
        pairs[r].add((h, t))
    found = relation_patterns(triples, num_relations)
    assert found.pattern == tuple(slow_pattern(pairs, r) for r in range(num_relations))
    assert found.cardinality == tuple(map(slow_cardinality, pairs))


def test_knows_textbook_relations():
    married = [[0, 0, 1], [1, 0, 0], [2, 0, 3], [3, 0, 2], [4, 0, 5]]  # one reversal held out
    parent = [[0, 1, 6], [0, 1, 7], [0, 1, 8], [2, 1, 9], [2, 1, 10]]
    child = [[6, 2, 0], [7, 2, 0], [8, 2, 0], [9, 2, 2]]
    lives_in = [[person, 3, 11 + person % 2] for person in range(8)]
    likes = [[h, 4, t] for h in range(4) for t in range(4, 8)] + [[4, 4, 0], [5, 4, 1]]
    found = relation_patterns(np.array(married + parent + child + lives_in + likes), 6)
    assert found.pattern == (
        "symmetric",
        "inverse",
        "inverse",
        "antisymmetric",
        "general",
        "general",  # without triples
    )
    assert found.cardinality == ("1-1", "1-N", "N-1", "N-1", "N-N", "N-N")


def test_finds_the_symmetric_relations_of_wn18rr(shared_data):
    graph = load_knowledge_graph(str(shared_data / "kg" / "WN18RR"))
    found = relation_patterns(graph.training_triples, graph.num_relations)
    symmetric = {
        name
        for name, pattern in zip(graph.relations, found.pattern, strict=True)
        if pattern == "symmetric"
    }
    assert symmetric == {
        "_also_see",
        "_derivationally_related_form",
        "_similar_to",
        "_verb_group",
    }


def test_no_triples_at_all():
    found = relation_patterns(np.zeros((0, 3), np.int32), 2)
    assert found == RelationPatterns(("general", "general"), ("N-N", "N-N"))


RANKS = np.array([[1.0, 2.0, 4.0, 20.0], [1.0, 1.0, 10.5, 5.0]], np.float32)
TRIPLES = np.array([[0, 0, 1], [1, 2, 0], [2, 2, 3], [3, 3, 0]], np.int32)
KINDS = RelationPatterns(
    ("symmetric", "general", "inverse", "symmetric"), ("1-1", "1-1", "1-N", "1-N")
)
RELATION_2 = {
    "count": 2,
    "pattern": "inverse",
    "cardinality": "1-N",
    "mrr": (1 / 2 + 1 + 1 / 4 + 1 / 10.5) / 4,
    "hits_at_1": 1 / 4,
    "hits_at_3": 2 / 4,
    "hits_at_10": 3 / 4,
    "mean_rank": 17.5 / 4,
}


def test_metrics_of_each_relation_that_has_triples():
    found = metrics_by_relation(RANKS, TRIPLES, KINDS, ("a", "b", "c", "d"))
    assert list(found) == ["a", "c", "d"]
    assert found["c"] == pytest.approx(RELATION_2)
    assert list(found["c"]) == list(RELATION_2)
    assert type(found["c"]["count"]) is int
    assert found["a"]["mrr"] == 1.0


def test_metrics_of_each_pattern_and_cardinality():
    found = metrics_by_pattern(RANKS, TRIPLES, KINDS)
    assert list(found) == ["symmetric", "inverse", "1-1", "1-N"]
    assert {label: metrics["count"] for label, metrics in found.items()} == {
        "symmetric": 2,
        "inverse": 2,
        "1-1": 1,
        "1-N": 3,
    }
    assert found["symmetric"]["mrr"] == pytest.approx((1 + 1 + 1 / 20 + 1 / 5) / 4)
    assert found["inverse"]["mean_rank"] == pytest.approx(17.5 / 4)
    assert found["1-N"]["hits_at_10"] == pytest.approx(4 / 6)


def test_seeds_are_averaged_over():
    seeds = np.stack([RANKS, RANKS + 1.0])
    alone = [metrics_by_pattern(ranks, TRIPLES, KINDS) for ranks in seeds]
    together = metrics_by_pattern(seeds, TRIPLES, KINDS)
    for label, metrics in together.items():
        assert metrics["count"] == alone[0][label]["count"]
        assert metrics["mrr"] == pytest.approx(np.mean([one[label]["mrr"] for one in alone]))
