"""Filtered ranking against a slow ranker, against PyKEEN's, and on scores that are not numbers."""

from __future__ import annotations

from functools import partial

import jax
import jax.numpy as jnp
import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from kapl_jax.evaluation import ranking
from tests.evaluation.slow import slow_rank


def slow_ranks_of_triples(triples, known_triples, tail_scores, head_scores):
    known = {tuple(t) for t in known_triples.tolist()}
    ranks = np.zeros((2, len(triples)), np.float32)
    num_entities = tail_scores.shape[1]
    for q, (h, r, t) in enumerate(triples.tolist()):
        tails = {e for e in range(num_entities) if (h, r, e) in known}
        heads = {e for e in range(num_entities) if (e, r, t) in known}
        ranks[0, q] = slow_rank(tail_scores[q], t, tails)
        ranks[1, q] = slow_rank(head_scores[q], h, heads)
    return ranks


SCORES = st.sampled_from([-np.inf, -1.0, 0.0, 0.5, 1.0, np.inf, np.nan])


NUM_QUERIES, NUM_ENTITIES = 3, 6  # one shape: compiled once
ENTITIES = st.integers(0, NUM_ENTITIES - 1)
ROWS = st.lists(SCORES, min_size=NUM_ENTITIES, max_size=NUM_ENTITIES)


compiled_ranks = jax.jit(ranking.filtered_ranks)


@settings(max_examples=200, deadline=None)
@given(
    rows=st.lists(ROWS, min_size=NUM_QUERIES, max_size=NUM_QUERIES),
    targets=st.lists(ENTITIES, min_size=NUM_QUERIES, max_size=NUM_QUERIES),
    known=st.sets(st.tuples(st.integers(0, NUM_QUERIES - 1), ENTITIES)),
)
def test_equals_the_slow_ranker_with_ties_and_without_numbers(rows, targets, known):
    pairs = np.full((2, NUM_QUERIES * NUM_ENTITIES + 1), NUM_QUERIES, np.int32)  # some padding
    pairs[:, : len(known)] = np.array(sorted(known), np.int32).reshape(-1, 2).T
    ranks = compiled_ranks(np.float32(rows), np.int32(targets), *pairs)
    expected = [
        slow_rank(np.float32(rows[q]), targets[q], {e for row, e in known if row == q})
        for q in range(NUM_QUERIES)
    ]
    np.testing.assert_array_equal(ranks, np.float32(expected))


def test_a_target_that_is_not_a_number_takes_the_last_place():
    scores, target = np.float32([[0.0, np.nan, 1.0, 2.0]]), np.int32([1])
    entity = np.int32([3])
    assert compiled_ranks(scores, target, np.int32([1]), entity) == 4.0  # padding: nothing known
    assert compiled_ranks(scores, target, np.int32([0]), entity) == 3.0


def random_problem(rng, num_queries=53, num_entities=17, num_relations=3):
    known = np.stack(
        [rng.integers(0, n, 300) for n in (num_entities, num_relations, num_entities)], axis=1
    ).astype(np.int32)
    triples = known[rng.integers(0, len(known), num_queries)]
    return triples, known, num_entities, num_relations


@pytest.mark.parametrize("batch_size", [1, 7, 53, 1000])
def test_rank_all_equals_the_slow_ranker(batch_size):
    rng = np.random.default_rng(batch_size)
    triples, known, num_entities, num_relations = random_problem(rng)
    # Few distinct values: many ties. One table a direction, looked up by the triple.
    shape = (num_entities, num_relations, num_entities)
    by_head, by_tail = rng.integers(0, 4, (2, *shape)).astype(np.float32)
    batches = ranking.build_ranking_batches(triples, known, num_entities, num_relations, batch_size)
    assert batches.triples.shape[1] <= batch_size
    ranks = jax.jit(
        lambda batches: ranking.rank_all(
            batches,
            lambda t: jnp.asarray(by_head)[t[:, 0], t[:, 1]],
            lambda t: jnp.asarray(by_tail)[t[:, 2], t[:, 1]],
        )
    )(batches)
    h, r, t = triples.T
    expected = slow_ranks_of_triples(triples, known, by_head[h, r], by_tail[t, r])
    found = ranking.in_query_order(batches, ranks)
    np.testing.assert_array_equal(found, expected)

    metrics = ranking.mean_rank_metrics(found[None])
    assert tuple(metrics) == ranking.METRIC_NAMES
    np.testing.assert_allclose(metrics["mrr"], [np.mean(1 / expected)], rtol=1e-5)
    np.testing.assert_allclose(metrics["hits_at_3"], [np.mean(expected <= 3)], rtol=1e-5)
    np.testing.assert_allclose(metrics["mean_rank"], [np.mean(expected)], rtol=1e-5)


def test_ranks_of_a_population_equal_those_of_each_alone():
    rng = np.random.default_rng(0)
    triples, known, num_entities, num_relations = random_problem(rng)
    batches = ranking.build_ranking_batches(triples, known, num_entities, num_relations, 16)
    tables = jnp.asarray(rng.integers(0, 4, (3, num_relations, num_entities)).astype(np.float32))

    def ranks_of(table):
        score = partial(lambda table, triples: table[triples[:, 1]], table)
        return ranking.rank_all(batches, score, score)

    together = ranking.in_query_order(batches, jax.vmap(ranks_of)(tables))
    assert together.shape == (3, 2, len(triples))
    for member, table in enumerate(tables):
        alone = ranking.in_query_order(batches, ranks_of(table))
        np.testing.assert_array_equal(together[member], alone)


def test_padding_counts_nothing_even_where_its_rank_is_not_finite():
    triples = np.zeros((3, 3), int)
    batches = ranking.build_ranking_batches(triples, triples, 30, 1, 2)
    assert np.asarray(batches.weight).sum(axis=1).tolist() == [2.0, 1.0]
    # In the order of the batches, here that of the triples; the fourth fills up.
    first = np.array([[1.0, 2.0, 2.0, np.nan], [4.0, 20.0, 10.0, 0.0]])
    ranks = np.stack([first, np.full((2, 4), 3.0)])
    ranks = ranks[..., np.minimum(np.asarray(batches.position).reshape(-1), 3)]
    metrics = ranking.mean_rank_metrics(ranking.in_query_order(batches, ranks))
    of_first = [1, 1 / 2, 1 / 2, 1 / 4, 1 / 20, 1 / 10]
    np.testing.assert_allclose(metrics["mrr"], [np.mean(of_first), 1 / 3], rtol=1e-6)
    np.testing.assert_allclose(metrics["hits_at_1"], [1 / 6, 0])
    np.testing.assert_allclose(metrics["hits_at_3"], [1 / 2, 1])
    np.testing.assert_allclose(metrics["hits_at_10"], [5 / 6, 1])
    np.testing.assert_allclose(metrics["mean_rank"], [39 / 6, 3])


def test_metrics_of_no_rank_are_not_numbers():
    with pytest.warns(RuntimeWarning):
        metrics = ranking.mean_rank_metrics(np.zeros((2, 2, 0), np.float32))
    assert all(value.shape == (2,) and np.isnan(value).all() for value in metrics.values())


def test_batches_hold_each_triple_once_and_share_the_known_pairs():
    rng = np.random.default_rng(5)
    triples = np.stack(
        [rng.integers(0, 200, 640), rng.integers(0, 2, 640), rng.integers(0, 200, 640)], axis=1
    ).astype(np.int32)
    # One hub has many heads; dealt in the order given, its queries would all meet in one batch.
    triples[::10, 1:] = [0, 7]
    batches = ranking.build_ranking_batches(triples, triples, 200, 2, 64)
    real = np.asarray(batches.weight) > 0
    np.testing.assert_array_equal(np.sort(batches.position[real]), np.arange(640))
    np.testing.assert_array_equal(triples[batches.position[real]], batches.triples[real])
    pairs = (np.asarray(batches.heads.query) < batches.triples.shape[1]).sum(axis=1)
    assert pairs.max() <= 1.1 * pairs.mean()


@pytest.mark.parametrize(("count", "batch_size"), [(0, 8), (4, 0)])
def test_nothing_to_rank_is_an_error(count, batch_size):
    with pytest.raises(ValueError, match="must be positive"):
        ranking.build_ranking_batches(np.zeros((count, 3), int), np.zeros((0, 3)), 2, 1, batch_size)


def test_equals_pykeen_on_the_same_scores():
    torch = pytest.importorskip("torch")
    evaluation = pytest.importorskip("pykeen.evaluation")
    rng = np.random.default_rng(11)
    triples, known, num_entities, num_relations = random_problem(rng, num_entities=31)
    triples = np.unique(triples, axis=0)
    known_set = {tuple(t) for t in known.tolist()}
    tables = rng.integers(0, 6, (2, num_entities, num_relations, num_entities)).astype(np.float32)

    evaluator = evaluation.RankBasedEvaluator(filtered=True, clear_on_finalize=False)
    for row, (column, target, name) in enumerate([(0, 2, "tail"), (2, 0, "head")]):
        scores = tables[row][triples[:, column], triples[:, 1]]
        truth = torch.tensor(scores[np.arange(len(triples)), triples[:, target]])[:, None]
        filtered = scores.copy()
        for q, triple in enumerate(triples.tolist()):
            for entity in range(num_entities):
                other = list(triple)
                other[target] = entity
                if entity != triple[target] and tuple(other) in known_set:
                    filtered[q, entity] = np.nan  # PyKEEN's mark for what is filtered
        evaluator.process_scores_(
            torch.tensor(triples, dtype=torch.long), name, torch.tensor(filtered), truth
        )
    expected = evaluator.finalize()

    batches = ranking.build_ranking_batches(triples, known, num_entities, num_relations, 10)
    ranks = ranking.rank_all(
        batches,
        lambda t: jnp.asarray(tables[0])[t[:, 0], t[:, 1]],
        lambda t: jnp.asarray(tables[1])[t[:, 2], t[:, 1]],
    )
    ours = ranking.mean_rank_metrics(ranking.in_query_order(batches, ranks)[None])
    theirs = {
        "mrr": "both.realistic.inverse_harmonic_mean_rank",
        "hits_at_1": "both.realistic.hits_at_1",
        "hits_at_3": "both.realistic.hits_at_3",
        "hits_at_10": "both.realistic.hits_at_10",
        "mean_rank": "both.realistic.arithmetic_mean_rank",
    }
    for name, metric in theirs.items():
        np.testing.assert_allclose(ours[name], [expected.get_metric(metric)], rtol=1e-5)
