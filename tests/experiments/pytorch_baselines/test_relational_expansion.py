"""The vectorised expansion reaches what loops over edges reach."""

from collections import Counter

import numpy as np
from hypothesis import given, settings
from hypothesis import strategies as st

from experiments.pytorch_baselines.relational_expansion import Adjacency

_ENTITIES, _KINDS = 6, 3
_IDS = st.integers(0, _ENTITIES - 1)


def _edges(triples):
    identity = [(entity, _KINDS - 1, entity) for entity in range(_ENTITIES)]
    return np.array([*triples, *identity], np.int32)


def _found(expansion, layer):
    """The edges of a layer as (query, head, relation, tail), each pair's relation looked up."""
    nodes = np.repeat(np.arange(layer.num_nodes), np.diff(layer.offsets))
    assert np.array_equal(expansion.pair_sources[layer.pairs], layer.sources)
    assert np.array_equal(expansion.queries[nodes], expansion.queries[layer.sources])
    columns = (
        expansion.queries[nodes],
        expansion.entities[layer.sources],
        expansion.pair_relations[layer.pairs],
        expansion.entities[nodes],
    )
    return Counter(zip(*(column.tolist() for column in columns), strict=True))


@settings(max_examples=60, deadline=None)
@given(
    st.lists(st.tuples(_IDS, st.integers(0, _KINDS - 2), _IDS), max_size=12),
    st.lists(_IDS, min_size=1, max_size=3),
)
def test_each_layer_has_the_edges_that_leave_what_is_reached(triples, heads):
    edges = _edges(triples)
    expansion = Adjacency(edges, _ENTITIES).expand(np.array(heads, np.int32), 3)
    reached = set(enumerate(heads))
    for layer in expansion.layers:
        expected = Counter(
            (query, *edge) for query, entity in reached for edge in edges.tolist()
            if edge[0] == entity
        )  # fmt: skip
        assert layer.num_sources == len(reached)
        assert _found(expansion, layer) == expected
        reached = {(query, tail) for query, _, _, tail in expected}
        assert layer.num_nodes == len(reached)
        nodes = slice(layer.num_nodes)
        listed = zip(expansion.queries[nodes].tolist(), expansion.entities[nodes], strict=True)
        assert set(listed) == reached


@settings(max_examples=20, deadline=None)
@given(st.lists(st.tuples(_IDS, st.integers(0, _KINDS - 2), _IDS), max_size=12))
def test_pairs_list_their_tails(triples):
    edges = _edges(triples)
    expansion = Adjacency(edges, _ENTITIES).expand(np.array([0, 3], np.int32), 2)
    pairs = zip(expansion.pair_sources, expansion.pair_relations, strict=True)
    for index, (source, relation) in enumerate(pairs):
        assert expansion.source_offsets[source] <= index < expansion.source_offsets[source + 1]
        tails = expansion.tails[slice(*expansion.pair_offsets[index : index + 2])]
        leaving = edges[(edges[:, 0] == expansion.entities[source]) & (edges[:, 1] == relation), 2]
        assert sorted(expansion.entities[tails]) == sorted(leaving)
        assert set(expansion.queries[tails]) == {expansion.queries[source]}


def test_nodes_are_found_by_entity():
    expansion = Adjacency(_edges([(0, 0, 1)]), _ENTITIES).expand(np.array([0, 2], np.int32), 1)
    nodes = expansion.nodes_of(np.array([1, 1]))
    assert nodes[1] == -1
    assert (expansion.queries[nodes[0]], expansion.entities[nodes[0]]) == (0, 1)
