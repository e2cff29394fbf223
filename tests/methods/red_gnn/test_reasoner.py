"""A trained model over a graph: its scores and its attention, against the slow model."""

from __future__ import annotations

import numpy as np
import pytest

from kapl_jax.methods.red_gnn.reasoner import make_reasoner
from kapl_jax.relational.graph import relational_graph
from tests.methods.red_gnn.tiny import (
    DESCRIPTION,
    ENTITIES,
    RELATIONS,
    random_parameters,
    slow_scores,
    structure_made_of,
    tiny_data,
)
from tests.relational.slow import slow_edges, slow_pass

pytestmark = pytest.mark.usefixtures("compiled_plainly")
QUERIES = np.array([[3, 0], [0, 3], [5, 1], [3, 2], [3, 0]]).T
TOLERANCE = {"rtol": 1e-4, "atol": 1e-5}


def triples():
    """Return the triples of a graph, one of them twice, without those of the last entity."""
    found = tiny_data().graph.training_triples
    found = found[(found[:, [0, 2]] < ENTITIES - 1).all(axis=1)]
    return np.concatenate([found, found[:1]])


@pytest.fixture(scope="module")
def reasoner():
    graph = relational_graph(triples(), ENTITIES, RELATIONS)
    return make_reasoner(random_parameters(3), DESCRIPTION, graph)


@pytest.fixture(scope="module")
def traces(reasoner):
    return reasoner.traces(*QUERIES)


def expected_scores(heads, relations, of=None, entities=ENTITIES):
    # Of parameters for three units of attention the structure has the first two.
    of = triples() if of is None else of
    return slow_scores(random_parameters(3), structure_made_of(), of, entities, heads, relations)


def test_scores_are_those_of_the_slow_model(reasoner):
    scores, _ = reasoner.scores(*QUERIES)
    assert scores.shape == (5, ENTITIES)
    assert scores.dtype == np.float32
    np.testing.assert_allclose(scores, expected_scores(*QUERIES), **TOLERANCE)
    np.testing.assert_allclose(scores[0], scores[4], **TOLERANCE)


def test_a_batch_of_another_size_gives_the_same_scores(reasoner):
    one, _ = reasoner.scores(*QUERIES[:, 1:2])
    np.testing.assert_allclose(one[0], reasoner.scores(*QUERIES)[0][1], **TOLERANCE)


def test_what_is_out_of_reach_scores_zero(reasoner):
    last = ENTITIES - 1
    (scores,), (reached,) = reasoner.scores(np.array([last]), np.array([0]))
    assert np.flatnonzero(scores).tolist() == [last]
    assert np.flatnonzero(reached).tolist() == [last]


def test_what_is_reached_is_known_apart_from_scores(reasoner, traces):
    _, reached = reasoner.scores(*QUERIES)
    edges = slow_edges(triples(), ENTITIES, RELATIONS)
    for within, trace, head in zip(reached, traces, QUERIES[0].tolist(), strict=True):
        expected = {head}
        for _ in range(2):
            expected |= {target for source, _, target in edges if source in expected}
        assert set(np.flatnonzero(within).tolist()) == expected
        assert set(np.flatnonzero(trace.reached).tolist()) == expected


def test_traces_hold_the_attention_of_each_edge_that_a_message_travels(traces):
    edges = slow_edges(triples(), ENTITIES, RELATIONS)
    tables = {name: np.float64(table) for name, table in random_parameters(3).items()}
    for trace, head, relation in zip(traces, *QUERIES.tolist(), strict=True):
        assert (trace.query_entity, trace.query_relation) == (head, relation)
        assert trace.num_relations == RELATIONS
        passed = slow_pass(tables, structure_made_of(), edges, ENTITIES, (head, relation))
        np.testing.assert_allclose(trace.scores, passed.scores, **TOLERANCE)
        for layer, weights in zip(trace.layers, passed.attention, strict=True):
            columns = (layer.sources, layer.relations, layer.targets)
            found = list(zip(*(column.tolist() for column in columns), strict=True))
            # An edge that comes twice in the graph is there twice.
            assert sorted(found) == sorted(edge for edge in edges if edge in weights)
            expected = [weights[edge] for edge in found]
            np.testing.assert_allclose(layer.weights, expected, **TOLERANCE)


def test_the_first_layer_leaves_the_query_entity(traces):
    for trace in traces:
        assert set(trace.layers[0].sources.tolist()) == {trace.query_entity}


def test_reasons_over_another_graph_than_it_was_trained_on():
    second = tiny_data(inductive=True).inductive
    size = second.num_entities
    graph = relational_graph(second.training_triples, size, RELATIONS)
    scores, _ = make_reasoner(random_parameters(3), DESCRIPTION, graph).scores(*QUERIES)
    assert scores.shape == (5, size)
    expected = expected_scores(*QUERIES, second.training_triples, size)
    np.testing.assert_allclose(scores, expected, **TOLERANCE)


def edges_of(layer):
    """Return the edges of a layer with their weights, in order."""
    columns = (layer.sources, layer.relations, layer.targets, layer.weights)
    return np.array(sorted(zip(*(column.tolist() for column in columns), strict=True)))


def test_a_model_that_keeps_all_nodes_reasons_like_one_that_does_not_choose(reasoner, traces):
    """Of AdaProp."""
    description = {**DESCRIPTION, "top_k": ENTITIES, "most_edges": 1000}
    parameters = {**random_parameters(3), "sampling": np.ones((2, 4), np.float32)}
    adaprop = make_reasoner(parameters, description, reasoner.graph)
    for of_one, of_other in zip(adaprop.scores(*QUERIES), reasoner.scores(*QUERIES), strict=True):
        np.testing.assert_allclose(of_one, of_other, **TOLERANCE)
    for found, expected in zip(adaprop.traces(*QUERIES), traces, strict=True):
        np.testing.assert_allclose(found.scores, expected.scores, **TOLERANCE)
        for one, other in zip(found.layers, expected.layers, strict=True):
            np.testing.assert_allclose(edges_of(one), edges_of(other), **TOLERANCE)


def test_a_model_that_keeps_one_node_a_layer_reaches_no_more(reasoner):
    description = {**DESCRIPTION, "top_k": 1, "most_edges": 1000}
    parameters = {**random_parameters(3), "sampling": np.ones((2, 4), np.float32)}
    adaprop = make_reasoner(parameters, description, reasoner.graph)
    scores, kept = adaprop.scores(*QUERIES)
    assert (np.count_nonzero(kept, axis=1) <= 3).all()
    assert not scores[~kept].any()
    assert (np.count_nonzero(reasoner.scores(*QUERIES)[1], axis=1) > 3).any()
    for index, trace in enumerate(adaprop.traces(*QUERIES)):
        np.testing.assert_allclose(trace.scores, scores[index], **TOLERANCE)
        np.testing.assert_array_equal(trace.reached, kept[index])
        assert set(trace.layers[0].sources.tolist()) == {QUERIES[0, index]}
        assert len(set(trace.layers[1].sources.tolist())) <= 2
