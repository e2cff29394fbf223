"""What can be reached, against the expansion that messages travel on."""

from __future__ import annotations

import numpy as np
import pytest

from kapl_jax.relational.expansion import Expander
from kapl_jax.relational.graph import relational_graph
from kapl_jax.relational.reach import within_reach

N, R = 150, 3


@pytest.mark.parametrize("num_layers", [1, 2, 4])
def test_reached_is_what_is_expanded(num_layers):
    rng = np.random.default_rng(num_layers)
    graph = relational_graph(rng.integers(0, (N - 1, R, N - 1), (110, 3)), N, R)
    triples = rng.integers(0, (N, R, N), (400, 3))
    expansion = Expander(graph, num_layers).expand(triples[:, 0])
    reached = set(zip(expansion.queries.tolist(), expansion.entities.tolist(), strict=True))
    expected = [(index, tail) in reached for index, tail in enumerate(triples[:, 2].tolist())]
    assert 0 < sum(expected) < len(expected)
    np.testing.assert_array_equal(within_reach(graph, triples, num_layers), expected)


def test_an_entity_reaches_itself_alone_where_there_are_no_steps():
    graph = relational_graph(np.array([[0, 0, 1]]), 3, 1)
    triples = np.array([[0, 0, 1], [2, 0, 2]])
    assert within_reach(graph, triples, 0).tolist() == [False, True]
