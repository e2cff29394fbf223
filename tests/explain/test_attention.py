"""Traces beside walks and rankings found the slow way."""

import numpy as np
from hypothesis import given, settings
from hypothesis import strategies as st

from kapl_jax.explain.attention import GraphNames, LayerAttention, inverse, traces_of
from tests.explain.traces import ENTITIES, all_walks, random_trace

SEEDS = st.integers(0, 2**32 - 1)


def test_relations_have_one_readable_form():
    names = GraphNames(["a"], ["sister", "aunt"])
    assert [names.relation(k) for k in range(5)] == [
        *("sister", "aunt", "sister^-1", "aunt^-1", "stays")
    ]


def test_the_inverse_leads_back():
    assert [inverse(relation, 2) for relation in range(5)] == [2, 3, 0, 1, 4]
    assert [inverse(relation, 3) for relation in range(7)] == [3, 4, 5, 0, 1, 2, 6]


@settings(max_examples=60, deadline=None)
@given(seed=SEEDS, layers=st.integers(1, 4))
def test_what_is_reached_is_where_walks_end(seed, layers):
    trace = random_trace(np.random.default_rng(seed), layers, edges=5)
    ends = [bool(all_walks(trace.layers, trace.query_entity, entity)) for entity in range(ENTITIES)]
    assert trace.reached.tolist() == ends


@settings(max_examples=60, deadline=None)
@given(seed=SEEDS)
def test_answers_are_ranked_as_in_a_list_of_the_reached_before_all_others(seed):
    rng = np.random.default_rng(seed)
    trace = random_trace(rng, 2, edges=6)
    # Scores that are often equal, as those of entities out of reach are.
    trace.scores[:] = rng.integers(0, 3, ENTITIES) * trace.reached
    reached = [entity for entity in range(ENTITIES) if trace.reached[entity]]
    order = sorted(range(ENTITIES), key=lambda e: (-trace.scores[e], not trace.reached[e], e))
    for entity in range(ENTITIES):
        expected = 1 + order.index(entity) if entity in reached else None
        assert trace.rank(entity) == expected
    best = sorted(reached, key=lambda entity: (-trace.scores[entity], entity))
    for most in (1, 2, ENTITIES):
        assert trace.best(most) == best[:most]


def test_the_traces_of_a_batch_are_those_of_its_queries():
    rng = np.random.default_rng(0)
    one, other = random_trace(rng, 2), random_trace(rng, 2)
    heads = np.array([one.query_entity, other.query_entity])
    layers = list(zip(one.layers, other.layers, strict=True))
    found = traces_of(heads, np.array([1, 3]), 2, np.stack([one.scores, other.scores]), layers)
    assert [trace.query_relation for trace in found] == [1, 3]
    for trace, expected in zip(found, (one, other), strict=True):
        assert trace.query_entity == expected.query_entity
        assert trace.layers == expected.layers
        np.testing.assert_array_equal(trace.scores, expected.scores)


def test_edges_are_taken_by_place_or_mask():
    layer = LayerAttention(
        *np.int32([[5, 6, 7], [0, 1, 2], [8, 9, 3]]), np.float32([0.1, 0.2, 0.3])
    )
    taken = layer.take(np.array([2, 0]))
    columns = (taken.sources, taken.relations, taken.targets, taken.weights)
    np.testing.assert_allclose(np.stack(columns), [[7, 5], [2, 0], [3, 8], [0.3, 0.1]])
    assert len(layer.take(np.array([True, False, True]))) == 2
