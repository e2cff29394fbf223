"""Padded sizes: each expansion fits, and there are few."""

from __future__ import annotations

import itertools

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from kapl_jax.relational.expansion import Expander
from kapl_jax.relational.frontier import SizeLadder, Sizes, pad
from kapl_jax.relational.graph import relational_graph

N, R, L, QUERIES = 60, 2, 3, 4


@pytest.fixture(scope="module")
def expansions():
    rng = np.random.default_rng(0)
    graph = relational_graph(rng.integers(0, (N, R, N), (90, 3)), N, R)
    expander = Expander(graph, L)
    return [expander.expand(rng.integers(0, N, QUERIES)) for _ in range(60)]


def test_a_rung_holds_each_expansion_and_the_sample_has_few(expansions):
    ladder = SizeLadder(expansions[:20])
    for expansion in expansions:
        assert ladder.sizes(expansion).hold(expansion)
    assert len({ladder.sizes(expansion) for expansion in expansions[:20]}) <= 4
    assert len({ladder.sizes(expansion) for expansion in expansions}) <= 6


def test_the_lowest_rung_that_holds_is_taken(expansions):
    ladder = SizeLadder(expansions[:20])
    for expansion in expansions:
        rungs = [ladder.rung(number) for number in range(12)]
        assert ladder.sizes(expansion) == next(rung for rung in rungs if rung.hold(expansion))


def test_a_rung_does_not_shrink_and_the_number_of_queries_stays(expansions):
    ladder = SizeLadder(expansions[:20])
    rungs = [ladder.rung(number) for number in range(9)]
    for lower, higher in itertools.pairwise(rungs):
        assert np.all(np.array(lower.rows) <= higher.rows)
        assert np.all(np.array(lower.edges) <= higher.edges)
    for rung in rungs:
        assert rung.rows[0] == QUERIES
        assert list(rung.rows) == sorted(rung.rows)
        assert list(rung.edges) == sorted(rung.edges)
    assert rungs[8].edges[-1] > 2 * rungs[3].edges[-1]


@settings(deadline=None, max_examples=30)
@given(st.integers(1, 30), st.integers(0, 1000))
def test_the_order_of_the_sample_does_not_matter(expansions, count, seed):
    sample = expansions[:count]
    other = [sample[index] for index in np.random.default_rng(seed).permutation(count)]
    one, two = SizeLadder(sample), SizeLadder(other)
    assert one.rung(3) == two.rung(3)
    for expansion in sample:
        assert one.sizes(expansion).hold(expansion)


def test_sizes_hold_what_they_equal_but_not_one_more(expansions):
    expansion = expansions[0]
    rows, edges = np.cumsum(expansion.row_counts), np.cumsum(expansion.edge_counts)
    exact = Sizes(tuple(rows.tolist()), tuple(edges.tolist()))
    assert exact.hold(expansion)
    for layer in range(L):
        less = edges.copy()
        less[layer] -= 1
        assert not Sizes(exact.rows, tuple(less.tolist())).hold(expansion)
        less = rows.copy()
        less[layer + 1] -= 1
        assert not Sizes(tuple(less.tolist()), exact.edges).hold(expansion)


def test_padding_is_told_from_what_is_real(expansions):
    expansion = expansions[0]
    sizes = SizeLadder([expansion]).rung(1)
    frontier = pad(expansion, sizes, np.arange(QUERIES), N)
    rows, edges = len(expansion.queries), len(expansion.sources)
    assert frontier.queries.shape == frontier.entities.shape == (sizes.rows[-1],)
    assert frontier.sources.shape == frontier.targets.shape == (sizes.edges[-1],)
    assert set(frontier.queries[rows:]) <= {QUERIES}
    assert set(frontier.entities[rows:]) <= {N}
    for name in ("queries", "entities"):
        np.testing.assert_array_equal(getattr(frontier, name)[:rows], getattr(expansion, name))
    for name in ("sources", "relations", "targets"):
        np.testing.assert_array_equal(getattr(frontier, name)[:edges], getattr(expansion, name))
    assert frontier.row_counts[-1] == rows
    assert frontier.edge_counts[-1] == edges
