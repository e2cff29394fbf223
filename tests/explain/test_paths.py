import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from kapl_jax.explain.attention import AttentionTrace, LayerAttention
from kapl_jax.explain.paths import best_ahead, edges_between, strongest_between, strongest_paths
from tests.explain.traces import ENTITIES, RELATIONS, all_walks, random_trace

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
        used = sorted({indices[depth] for _, _, indices in walks})
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
        assert {indices[depth] for _, _, indices in walks} == set(range(len(layer)))
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


def all_paths(trace, answer):
    """Return best weight and number of walks of each path."""
    found: dict = {}
    for walk, weight, _ in all_walks(trace.layers, trace.query_entity, answer):
        steps = tuple(step for step in walk if step[1] != 2 * RELATIONS)
        best, walks = found.get(steps, (0.0, 0))
        found[steps] = max(best, weight), walks + 1
    return found


@settings(max_examples=100, deadline=None)
@given(seed=SEEDS, layers=st.integers(1, 4), most=st.integers(1, 12))
def test_the_strongest_paths_are_those_of_all_walks(seed, layers, most):
    rng = np.random.default_rng(seed)
    trace = random_trace(rng, layers, edges=10)
    answer = int(rng.integers(ENTITIES))
    expected = all_paths(trace, answer)
    found = strongest_paths(trace, answer, most)
    best = sorted((weight for weight, _ in expected.values()), reverse=True)[:most]
    np.testing.assert_allclose([path.weight for path in found], best, atol=1e-12)
    assert len({path.steps for path in found}) == len(found)
    for path in found:
        weight, walks = expected[path.steps]
        assert path.weight == pytest.approx(weight)
        assert path.walks == walks
        assert tuple(step for step in path.walk if step[1] != 2 * RELATIONS) == path.steps


@settings(max_examples=40, deadline=None)
@given(seed=SEEDS, beam=st.integers(1, 4))
def test_a_small_beam_finds_true_paths_and_the_best(seed, beam):
    rng = np.random.default_rng(seed)
    trace = random_trace(rng)
    answer = int(rng.integers(ENTITIES))
    expected = all_paths(trace, answer)
    found = strongest_paths(trace, answer, 3, beam)
    for path in found:
        assert path.weight <= expected[path.steps][0] + 1e-12
    best = max((weight for weight, _ in expected.values()), default=None)
    assert [path.weight for path in found[:1]] == pytest.approx([] if best is None else [best])


@settings(max_examples=20, deadline=None)
@given(seed=SEEDS)
def test_ids_of_entities_mean_nothing(seed):
    rng = np.random.default_rng(seed)
    trace = random_trace(rng)
    order = rng.permutation(ENTITIES).astype(np.int32)
    layers = tuple(
        LayerAttention(order[one.sources], one.relations, order[one.targets], one.weights)
        for one in trace.layers
    )
    renamed = AttentionTrace(int(order[trace.query_entity]), 1, RELATIONS, trace.scores, layers)
    for answer in range(ENTITIES):
        first = strongest_paths(trace, answer, 100)
        second = strongest_paths(renamed, int(order[answer]), 100)
        assert {
            tuple((order[s], r, order[t]) for s, r, t in path.steps): path.walks for path in first
        } == {path.steps: path.walks for path in second}


def test_staying_at_the_query_entity_is_a_path_without_steps():
    stay = LayerAttention(*np.int32([[0], [2], [0]]), np.float32([0.5]))
    trace = AttentionTrace(0, 0, 1, np.zeros(2, np.float32), (stay, stay))
    (path,) = strongest_paths(trace, 0, 5)
    assert (path.steps, path.weight, path.walks) == ((), 0.25, 1)
    assert strongest_paths(trace, 1, 5) == []


def test_a_path_with_many_walks_does_not_crowd_out_another():
    # The first path can be taken at any step, the second only at the first one.
    triples = np.int32([(0, 0, 1), (0, 4, 0), (1, 4, 1), (0, 1, 1)]).T
    weights = np.float32([0.9, 0.9, 0.9, 0.1])
    both = LayerAttention(*triples, weights)
    one = both.take(np.arange(3))
    trace = AttentionTrace(0, 0, 2, np.zeros(2, np.float32), (both, one, one))
    found = strongest_paths(trace, 1, 2)
    assert [path.steps for path in found] == [((0, 0, 1),), ((0, 1, 1),)]
    assert [path.walks for path in found] == [3, 1]
    assert len(strongest_paths(trace, 1, 2, beam=2)) == 1
