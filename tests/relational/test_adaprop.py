"""The graph's arrays on the device, and limits."""

from __future__ import annotations

import numpy as np
import pytest

from kapl_jax.relational.adaprop import Limits, adaprop_graph, limits_for
from kapl_jax.relational.graph import relational_graph

TRIPLES = np.array([[0, 0, 1], [0, 1, 2], [2, 0, 2], [0, 0, 1]])


def test_lists_each_entitys_edges_without_the_identity():
    graph = adaprop_graph(relational_graph(TRIPLES, num_entities=4, num_relations=2))
    assert graph.num_entities == 4
    offsets = np.asarray(graph.offsets)
    found = {
        (entity, int(graph.relations[edge]), int(graph.targets[edge]))
        for entity in range(4)
        for edge in range(offsets[entity], offsets[entity + 1])
    }
    expected = {(0, 0, 1), (0, 1, 2), (2, 0, 2), (1, 2, 0), (2, 3, 0), (2, 2, 2)}
    assert found == expected
    assert offsets[-1] == 8  # the triple that comes twice is two edges


def test_a_graph_without_edges_still_has_arrays_to_look_up():
    graph = adaprop_graph(relational_graph(np.zeros((0, 3), int), 3, 1))
    np.testing.assert_array_equal(graph.offsets, [0, 0, 0, 0])
    assert graph.targets.shape == (1,)


def test_nodes_grow_by_top_k_but_not_above_the_edges_or_all_entities():
    assert Limits(10, (4, 50, 50)).nodes(20) == [1, 5, 15, 20]


def test_limits_for_a_graph_hold_the_largest_degrees():
    graph = relational_graph(TRIPLES, num_entities=4, num_relations=2)
    # Degrees are 3, 3 (a self-loop leaves twice), 2 and 0.
    assert limits_for(graph, 3, top_k=1, most_edges=100).edges == (3, 6, 8)
    assert limits_for(graph, 3, top_k=1, most_edges=5).edges == (3, 5, 5)


@pytest.mark.parametrize(("top_k", "edges"), [(0, (1,)), (1, (0,)), (1, (1 << 24,))])
def test_refuses_limits_that_cannot_be(top_k, edges):
    with pytest.raises(ValueError, match="limits must be positive"):
        Limits(top_k, edges)
