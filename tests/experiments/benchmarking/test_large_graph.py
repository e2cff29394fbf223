"""The report on large graphs, of a small one."""

from __future__ import annotations

import dataclasses

import jax
import numpy as np
import pytest

from experiments.benchmarking import large_graph
from experiments.benchmarking.large_graph import (
    LargeGraphSettings,
    evaluate,
    large_graph_report,
    random_triples,
)
from kapl_jax.evaluation.answer_ranking import asked_queries, in_order
from kapl_jax.relational import frontier_layers
from kapl_jax.relational.adaptive import adaptive_graph, limits_for
from kapl_jax.relational.choices import Offered, choices
from kapl_jax.relational.expansion import Expander
from kapl_jax.relational.frontier import SizeLadder, pad
from kapl_jax.relational.graph import relational_graph, with_inverses
from kapl_jax.relational.layers import keep_all
from tests.evaluation.slow import assert_ranks_within, rank_bounds

pytestmark = pytest.mark.usefixtures("compiled_plainly")
SMALL = LargeGraphSettings(
    num_triples=300,
    num_entities=60,
    num_relations=4,
    num_queries=4,
    num_layers=2,
    hidden_dim=4,
    attention_dim=2,
    most_edges=20,
)


def test_triples_follow_their_seed_and_a_power_law():
    triples = random_triples(20_000, 1000, 5, seed=1)
    np.testing.assert_array_equal(triples, random_triples(20_000, 1000, 5, seed=1))
    assert triples.dtype == np.int32
    assert (triples.min(axis=0) >= 0).all()
    assert (triples.max(axis=0) < [1000, 5, 1000]).all()
    counts = np.sort(np.bincount(triples[:, 0], minlength=1000))[::-1]
    # The first n of N have a share of (n / N) ** (1 - skew).
    assert counts[:100].sum() / 20_000 == pytest.approx(0.1**0.4, abs=0.02)


def test_the_report_of_a_small_graph():
    report = large_graph_report(dataclasses.replace(SMALL, num_layers=1), [(3, 2)])
    assert report.num_edges == 2 * 300 + 60
    assert report.graph_bytes == 4 * (2 * 600 + 61)
    assert report.seconds_to_build > 0
    assert report.peak_bytes_to_build > 0
    (case,) = report.cases
    assert (case.batch_size, case.top_k) == (3, 2)
    assert 1 < case.nodes <= 1 + 2
    assert 0 < case.left_out < 1
    assert 0 < case.mrr <= 1
    assert case.seconds_per_query > 0
    assert case.temporary_bytes > 0


def test_ranks_equal_those_of_all_scores_where_nothing_is_left_out():
    size, width = SMALL.num_entities, SMALL.num_relations
    triples = random_triples(300, size, width, seed=0)
    graph = relational_graph(triples, size, width)
    queries = with_inverses(random_triples(4, size, width, seed=1), width)
    known = np.concatenate([queries, with_inverses(triples, width)])
    asked = asked_queries(queries, known, size, batch_size=8)
    parameters = large_graph._parameters(SMALL)
    limits = limits_for(graph, SMALL.num_layers, size, 10_000)
    found = jax.jit(evaluate, static_argnames="limits")(
        parameters,
        adaptive_graph(graph),
        asked.heads,
        asked.relations,
        asked.answers,
        limits=limits,
    )
    assert not np.asarray(found["left_out"]).any()

    expansion = Expander(graph, SMALL.num_layers).expand(asked.heads[0])
    sizes = SizeLadder([expansion]).sizes(expansion)
    frontier = pad(expansion, sizes, asked.relations[0], size)
    chosen = choices(np.zeros(5, np.int32))
    offered = Offered(attention_dims=(SMALL.attention_dim,))
    propagate = jax.jit(frontier_layers.propagate, static_argnums=(1, 4))
    rows, _ = propagate(parameters, offered, chosen, frontier, keep_all)
    scores = np.zeros((8, size), np.float32)
    real = frontier.entities < size
    scores[frontier.queries[real], frontier.entities[real]] = rows[real]
    by_query = dict(zip(zip(asked.heads[0], asked.relations[0], strict=True), scores, strict=True))
    bounds = []
    for head, relation, tail in queries.tolist():
        same = (known[:, 0] == head) & (known[:, 1] == relation)
        bounds.append(rank_bounds(by_query[head, relation], tail, set(known[same, 2].tolist())))
    assert_ranks_within(in_order(asked, np.asarray(found["ranks"])), bounds)
