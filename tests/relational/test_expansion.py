"""What queries reach, against sets."""

from __future__ import annotations

import numpy as np
from hypothesis import given, settings
from hypothesis import strategies as st

from kapl_jax.relational.expansion import Expander
from kapl_jax.relational.graph import relational_graph
from tests.relational.slow import slow_edges

N, R, L = 8, 2, 3
TRIPLES = st.lists(
    st.tuples(st.integers(0, N - 2), st.integers(0, R - 1), st.integers(0, N - 2)), max_size=14
)
HEADS = st.lists(st.integers(0, N - 1), min_size=1, max_size=5)


def reached_in_steps(edges, head):
    """Return the sets of entities reached in 0, 1, ..., L steps."""
    known = [{head}]
    for _ in range(L):
        known.append({target for source, _, target in edges if source in known[-1]})
    return known


def as_array(triples):
    return np.array(triples, int).reshape(-1, 3)


@settings(deadline=None)
@given(TRIPLES, HEADS)
def test_rows_of_a_block_are_what_the_step_reaches_anew(triples, heads):
    expansion = Expander(relational_graph(as_array(triples), N, R), L).expand(np.array(heads))
    ends = np.cumsum(expansion.row_counts)
    edges = slow_edges(as_array(triples), N, R)
    for step, (end, count) in enumerate(zip(ends, expansion.row_counts, strict=True)):
        block = slice(end - count, end)
        found = list(zip(expansion.queries[block], expansion.entities[block], strict=True))
        expected = set()
        for query, head in enumerate(heads):
            reached = reached_in_steps(edges, head)
            before = reached[step - 1] if step else set()
            expected |= {(query, entity) for entity in reached[step] - before}
        assert len(found) == len(set(found))
        assert set(found) == expected
    assert expansion.queries[: len(heads)].tolist() == list(range(len(heads)))
    assert expansion.entities[: len(heads)].tolist() == heads


@settings(deadline=None)
@given(TRIPLES, HEADS)
def test_the_first_edges_are_those_that_leave_what_was_reached(triples, heads):
    expansion = Expander(relational_graph(as_array(triples), N, R), L).expand(np.array(heads))
    edges = slow_edges(as_array(triples), N, R)
    ends = np.cumsum(expansion.edge_counts)
    rows = np.cumsum(expansion.row_counts)
    for step, end in enumerate(ends):
        sources, targets = expansion.sources[:end], expansion.targets[:end]
        queries = expansion.queries[sources]
        # No edge leads from one query to another, and none beyond the rows of the layer.
        assert np.array_equal(queries, expansion.queries[targets])
        assert sources.max() < rows[step]
        assert targets.max() < rows[step + 1]
        found = zip(
            queries.tolist(),
            expansion.entities[sources].tolist(),
            expansion.relations[:end].tolist(),
            expansion.entities[targets].tolist(),
            strict=True,
        )
        expected = [
            (query, *edge)
            for query, head in enumerate(heads)
            for edge in edges
            if edge[0] in reached_in_steps(edges, head)[step]
        ]
        assert sorted(found) == sorted(expected)


def test_memory_kept_from_batch_to_batch_changes_nothing():
    rng = np.random.default_rng(0)
    graph = relational_graph(rng.integers(0, (N, R, N), (14, 3)), N, R)
    expander = Expander(graph, L)
    for count in (3, 1, 6, 3):
        heads = rng.integers(0, N, count)
        kept, fresh = expander.expand(heads), Expander(graph, L).expand(heads)
        for name, value in vars(fresh).items():
            np.testing.assert_array_equal(getattr(kept, name), value)


def test_a_graph_without_triples_reaches_the_heads_alone():
    expansion = Expander(relational_graph(np.zeros((0, 3), int), N, R), L).expand(np.array([2, 2]))
    assert expansion.row_counts == (2, 0, 0, 0)
    assert expansion.edge_counts == (2, 0, 0)
    assert expansion.relations.tolist() == [2 * R, 2 * R]
