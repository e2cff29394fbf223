"""Following edges up to a limit, against plain Python."""

from __future__ import annotations

import jax
import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from kapl_jax.relational.adaprop import adaprop_graph
from kapl_jax.relational.adaprop_expansion import follow, shares, spread
from kapl_jax.relational.graph import relational_graph

N, R, LIMIT = 9, 2, 12
compiled_shares = jax.jit(shares, static_argnums=1)
compiled_spread = jax.jit(spread)


def slow_shares(degrees, limit):
    """Deal edges in rounds, one to each row that has more, as long as a whole round is left."""
    kept = [0] * len(degrees)
    while limit:
        open_rows = [row for row, degree in enumerate(degrees) if kept[row] < degree]
        if not open_rows:
            break
        for row in open_rows[:limit]:
            kept[row] += 1
        limit -= min(limit, len(open_rows))
    return kept


@settings(max_examples=200, deadline=None)
@given(st.lists(st.integers(0, 30), min_size=5, max_size=5))
def test_shares_are_dealt_in_rounds(degrees):
    kept = compiled_shares(np.array([degrees], np.int32), LIMIT)[0]
    np.testing.assert_array_equal(kept, slow_shares(degrees, LIMIT))


def test_shares_of_degrees_whose_sum_overflows():
    kept = compiled_shares(np.full((1, 5), 1 << 30, np.int32), LIMIT)[0]
    np.testing.assert_array_equal(kept, [3, 3, 2, 2, 2])


@settings(max_examples=200, deadline=None)
@given(st.integers(1, 1 << 17), st.integers(0, (1 << 31) - 1))
def test_kept_edges_are_distinct_and_evenly_spread(kept, more):
    degree = min(kept + more, (1 << 31) - 1)
    ranks = np.linspace(0, kept - 1, 1000).astype(np.int32)
    positions = np.asarray(compiled_spread(ranks, np.int32(degree), np.int32(kept)), np.int64)
    assert positions[0] == 0
    assert positions[-1] < degree
    assert (np.diff(positions) >= np.diff(ranks)).all()
    # float32 has 24 bits for up to 17 of them.
    np.testing.assert_allclose(positions, ranks * (degree / kept), atol=1.1)


def test_where_nothing_is_left_out_each_edge_is_kept():
    ranks = np.arange(1000, dtype=np.int32)
    np.testing.assert_array_equal(compiled_spread(ranks, np.int32(1000), np.int32(1000)), ranks)


@pytest.fixture(scope="module")
def compiled_follow():
    return jax.jit(follow, static_argnames="limit")


def slow_follow(graph, rows, limit):
    """Return the edges (row, relation, target) of one query."""
    edges = [(row, 2 * R, entity) for row, entity in enumerate(rows) if entity < N]
    lists = [
        [
            (row, int(graph.relations[e]), int(graph.targets[e]))
            for e in range(graph.offsets[entity], graph.offsets[entity + 1])
            if graph.relations[e] != 2 * R
        ]
        if entity < N
        else []
        for row, entity in enumerate(rows)
    ]
    kept = slow_shares([len(listed) for listed in lists], limit)
    for listed, count in zip(lists, kept, strict=True):
        edges += [listed[rank * len(listed) // count] for rank in range(count)]
    return edges


@pytest.mark.parametrize("seed", range(20))
def test_follows_the_edges_of_rows(compiled_follow, seed):
    rng = np.random.default_rng(seed)
    triples = np.stack([rng.integers(0, high, 10) for high in (N - 1, R, N - 1)], axis=1)
    graph = relational_graph(triples, N, R)
    rows = np.full((3, 4), N, np.int32)
    for query, count in enumerate(rng.integers(1, 5, 3)):
        rows[query, :count] = rng.choice(N, count, replace=False)
    step = compiled_follow(adaprop_graph(graph), rows, limit=LIMIT)
    for query in range(3):
        expected = slow_follow(graph, rows[query], LIMIT)
        real = np.asarray(step.firsts[query]) < step.firsts.shape[1]
        found = [np.asarray(part[query])[real] for part in (step.sources, step.relations)]
        targets = np.asarray(step.targets[query])
        assert list(zip(*found, targets[real], strict=True)) == expected
        assert (targets[~real] == N).all()
        # What stands for a target is the first row that holds it.
        firsts = [targets.tolist().index(target) for target in targets[real]]
        np.testing.assert_array_equal(np.asarray(step.firsts[query])[real], firsts)
        new = set(targets[np.asarray(step.new[query])])
        assert new == {target for *_, target in expected} - set(rows[query])


def test_padding_rows_follow_nothing(compiled_follow):
    # The last entity has edges; padding is the number after it.
    triples = np.array([[N - 1, 0, N - 2]] * 9 + [[0, 0, 1]])
    rows = np.array([[0, N, N, N]] * 3, np.int32)
    graph = adaprop_graph(relational_graph(triples, N, R))
    step = compiled_follow(graph, rows, limit=LIMIT)
    assert ((step.firsts < step.firsts.shape[1]).sum(axis=1) == 2).all()
