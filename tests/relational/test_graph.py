"""Edges of a graph: triples, inverses, identities."""

from __future__ import annotations

import numpy as np
from hypothesis import given
from hypothesis import strategies as st

from kapl_jax.relational.graph import relational_graph, with_inverses
from tests.relational.slow import slow_edges

N, R = 5, 2
TRIPLES = st.lists(
    st.tuples(st.integers(0, N - 1), st.integers(0, R - 1), st.integers(0, N - 1)), max_size=12
)


def edges_of(graph):
    return list(
        zip(graph.sources.tolist(), graph.relations.tolist(), graph.targets.tolist(), strict=True)
    )


@given(TRIPLES)
def test_has_each_edge_as_often_as_its_triple_comes(triples):
    graph = relational_graph(np.array(triples, int).reshape(-1, 3), N, R)
    assert sorted(edges_of(graph)) == sorted(slow_edges(np.array(triples), N, R))
    assert graph.num_edges == 2 * len(triples) + N
    assert graph.sources.dtype == graph.relations.dtype == graph.targets.dtype == np.int32


@given(TRIPLES)
def test_edges_that_leave_an_entity_are_one_stretch(triples):
    graph = relational_graph(np.array(triples, int).reshape(-1, 3), N, R)
    for entity in range(N):
        stretch = graph.sources[graph.offsets[entity] : graph.offsets[entity + 1]]
        assert set(stretch.tolist()) == {entity}
        assert len(stretch) == graph.degrees[entity]
    assert graph.offsets[-1] == graph.num_edges


def test_inverses_follow_the_triples():
    asked = with_inverses(np.array([[0, 1, 3], [2, 0, 2]]), R)
    assert asked.tolist() == [[0, 1, 3], [2, 0, 2], [3, 3, 0], [2, 2, 2]]
