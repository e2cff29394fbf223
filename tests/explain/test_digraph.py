import numpy as np
from hypothesis import given, settings
from hypothesis import strategies as st

from kapl_jax.explain.attention import LayerAttention
from kapl_jax.explain.digraph import best_ahead, edges_between, strongest_between
from kapl_jax.explain.paths import strongest_paths
from tests.explain.traces import ENTITIES, all_walks, random_trace

SEEDS = st.integers(0, 2**32 - 1)


def edges(layer: LayerAttention):
    columns = (layer.sources, layer.relations, layer.targets, layer.weights)
    return sorted(zip(*(column.tolist() for column in columns), strict=True))


@settings(max_examples=60, deadline=None)
@given(seed=SEEDS, layers=st.integers(1, 4))
def test_exactly_the_edges_on_walks_are_kept(seed, layers):
    rng = np.random.default_rng(seed)
    trace = random_trace(rng, layers, edges=6)
    answer = int(rng.integers(ENTITIES))
    walks = all_walks(trace.layers, trace.query_entity, answer)
    for depth, found in enumerate(edges_between(trace, answer)):
        used = sorted({places[depth] for _, _, places in walks})
        assert edges(found) == edges(trace.layers[depth].take(np.array(used, int)))


@settings(max_examples=40, deadline=None)
@given(seed=SEEDS)
def test_the_best_way_ahead_is_the_best_of_all_walks(seed):
    rng = np.random.default_rng(seed)
    trace = random_trace(rng)
    answer = int(rng.integers(ENTITIES))
    for depth, found in enumerate(best_ahead(trace.layers, answer, ENTITIES)[:-1]):
        for entity in range(ENTITIES):
            walks = all_walks(trace.layers[depth:], entity, answer)
            best = max((weight for _, weight, _ in walks), default=0.0)
            np.testing.assert_allclose(np.exp(found[entity]), best, atol=1e-12)


@settings(max_examples=60, deadline=None)
@given(seed=SEEDS, most=st.integers(1, 8))
def test_a_cut_digraph_holds_the_strongest_walk_and_nothing_that_dangles(seed, most):
    rng = np.random.default_rng(seed)
    trace = random_trace(rng)
    answer = int(rng.integers(ENTITIES))
    whole, paths = edges_between(trace, answer), strongest_paths(trace, answer, 1)
    walk = paths[0].walk if paths else ()
    cut = strongest_between(whole, walk, most, ENTITIES)
    walks = all_walks(cut, trace.query_entity, answer)
    assert not paths or walk in {steps for steps, _, _ in walks}
    for depth, layer in enumerate(cut):
        assert len(layer) <= most or not paths
        assert {places[depth] for _, _, places in walks} == set(range(len(layer)))
        assert set(edges(layer)) <= set(edges(whole[depth]))


def test_those_kept_are_on_strong_walks_not_strong_themselves():
    # 0 -> 1 -> 3 is strong throughout; 0 -> 2 is the strongest edge but leads on weakly.
    first = LayerAttention(*np.int32([[0, 0], [0, 0], [1, 2]]), np.float32([0.8, 0.9]))
    second = LayerAttention(*np.int32([[1, 2, 2], [0, 0, 1], [3, 3, 3]]), np.float32([0.7, 0.1, 0]))
    one, two = strongest_between((first, second), ((0, 0, 1), (1, 0, 3)), 1, 4)
    assert (edges(one)[0][:3], edges(two)[0][:3]) == ((0, 0, 1), (1, 0, 3))
    _, two = strongest_between((first, second), ((0, 0, 1), (1, 0, 3)), 2, 4)
    assert [edge[:3] for edge in edges(two)] == [(1, 0, 3), (2, 0, 3)]


def test_the_way_behind_an_edge_counts_as_the_way_ahead():
    first = LayerAttention(*np.int32([[0] * 3, [0] * 3, [1, 2, 4]]), np.float32([0.9, 0.1, 0.9]))
    last = LayerAttention(*np.int32([[1, 2, 4], [0] * 3, [3] * 3]), np.float32([0.9, 0.5, 0.2]))
    _, cut = strongest_between((first, last), ((0, 0, 1), (1, 0, 3)), 2, 5)
    assert [edge[:3] for edge in edges(cut)] == [(1, 0, 3), (4, 0, 3)]


def test_of_many_edges_between_two_entities_a_few_strong_ones_are_kept():
    weights = np.array([0.5, 0.9, 0.2, 0.7, 0.4, 0.3], np.float32)
    relations = np.arange(6)
    layer = LayerAttention(np.zeros(6, int), relations, np.array([1, 1, 1, 1, 1, 2]), weights)
    stay = LayerAttention(
        np.array([1, 2]), np.array([6, 6]), np.array([1, 1]), np.array([1.0, 1.0], np.float32)
    )
    walk = ((0, 1, 1), (1, 6, 1))
    kept, _ = strongest_between((layer, stay), walk, 10, 3, most_parallel=2)
    assert kept.relations.tolist() == [1, 3, 5]
