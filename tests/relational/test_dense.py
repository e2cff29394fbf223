"""The arrays of a whole graph, and its weighted adjacency."""

from __future__ import annotations

import jax.numpy as jnp
import numpy as np
import pytest

from kapl_jax.relational.choices import Offered
from kapl_jax.relational.dense import adjacency, dense_graph
from kapl_jax.relational.graph import relational_graph
from kapl_jax.relational.searched_layer import is_linear

N, R, QUERIES = 6, 2, 3


def random_graph(seed):
    triples = np.random.default_rng(seed).integers(0, (N, R, N), (15, 3))
    triples[1] = triples[0]
    return relational_graph(triples, N, R)


def test_pairs_are_the_distinct_sources_and_relations():
    graph = random_graph(0)
    dense = dense_graph(graph)
    np.testing.assert_array_equal(dense.pair_sources[dense.pairs], graph.sources)
    np.testing.assert_array_equal(dense.pair_relations[dense.pairs], graph.relations)
    distinct = set(zip(graph.sources.tolist(), graph.relations.tolist(), strict=True))
    assert np.max(dense.pairs) == len(distinct) - 1


def test_graphs_of_equally_many_edges_have_equal_shapes():
    one, other = dense_graph(random_graph(1)), dense_graph(random_graph(2))
    assert one.pair_sources.shape == other.pair_sources.shape == (256,)
    assert one.sources.shape == other.sources.shape


def test_adjacency_adds_the_attention_of_all_edges_between_two_entities():
    graph = random_graph(3)
    alpha = np.random.default_rng(0).random((graph.num_edges, QUERIES)).astype(np.float32)
    of_source, of_relation = adjacency(dense_graph(graph), jnp.asarray(alpha))
    expected = np.zeros((QUERIES, N, N)), np.zeros((QUERIES, N, 2 * R + 1))
    for edge in range(graph.num_edges):
        target = graph.targets[edge]
        for query in range(QUERIES):
            expected[0][query, target, graph.sources[edge]] += alpha[edge, query]
            expected[1][query, target, graph.relations[edge]] += alpha[edge, query]
    np.testing.assert_allclose(of_source, expected[0], rtol=1e-5)
    np.testing.assert_allclose(of_relation, expected[1], rtol=1e-5)


@pytest.mark.parametrize(
    ("offered", "expected"),
    [
        (Offered(), True),
        (Offered(aggregations=("mean", "sum"), activations=("tanh", "relu")), True),
        (Offered(aggregations=("sum", "max")), False),
        (Offered(aggregations=("pna", "sum")), False),
        (Offered(gates=("concat",), attention_dims=(0, 5)), True),
        (Offered(messages=("sum", "product")), False),
        (Offered(messages=("rotation",)), False),
    ],
)
def test_only_what_is_linear_in_the_messages_is_linear(offered, expected):
    assert is_linear(offered) is expected
