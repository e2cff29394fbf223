"""Ranks of the answers of distinct queries, against the slow ranker and that of single triples."""

from __future__ import annotations

import jax
import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from kapl_jax.evaluation.answer_ranking import (
    Answers,
    asked_queries,
    in_order,
    ranks_of_answers,
)
from kapl_jax.evaluation.ranking import filtered_ranks
from tests.evaluation.slow import slow_rank

N, R, BATCH = 7, 2, 3
compiled = jax.jit(ranks_of_answers)
TRIPLES = st.tuples(st.integers(0, N - 1), st.integers(0, R - 1), st.integers(0, N - 1))


def scores_of(head, relation):
    """Return scores of a query, with many ties."""
    rng = np.random.default_rng([head, relation])
    return rng.choice([-1.0, 0.0, 0.5, 1.0], N).astype(np.float32)


def ranks(asked):
    """Return ranks in the order of the triples, batch by batch without a program for each shape."""
    found = []
    for number, heads in enumerate(asked.heads):
        scores = [scores_of(*query) for query in zip(heads, asked.relations[number], strict=True)]
        answers = jax.tree.map(lambda leaf, at=number: leaf[at], asked.answers)
        found.append(compiled(np.stack(scores), widened(answers)))
    width = asked.answers.position.shape[1]
    return in_order(asked, np.stack(found)[:, :width])


def widened(answers):
    """Return the same with so much padding that all shapes are equal."""
    fills = {"query": 0, "entity": 0, "position": -1, "known_query": BATCH, "known_entity": 0}
    return Answers(
        **{
            name: np.append(getattr(answers, name), np.full(60, fill, np.int32))[:60]
            for name, fill in fills.items()
        }
    )


@settings(max_examples=60, deadline=None)
@given(st.lists(TRIPLES, min_size=1, max_size=20), st.lists(TRIPLES, max_size=20), st.booleans())
def test_equals_the_slow_ranker(triples, known, answers_are_known):
    known = known + triples if answers_are_known else known
    asked = asked_queries(np.array(triples), np.array(known, int).reshape(-1, 3), N, BATCH)
    expected = [
        slow_rank(
            scores_of(h, r), t, {e for head, relation, e in known if (head, relation) == (h, r)}
        )
        for h, r, t in triples
    ]
    np.testing.assert_array_equal(ranks(asked), np.float32(expected))


@pytest.mark.parametrize("seed", range(3))
def test_equals_the_ranks_of_single_triples(seed):
    rng = np.random.default_rng(seed)
    triples, known = rng.integers(0, (N, R, N), (2, 20, 3))
    known = np.unique(np.concatenate([triples, known]), axis=0)
    scores = np.stack([scores_of(h, r) for h, r, _ in triples])
    query, index = np.nonzero((triples[:, None, :2] == known[None, :, :2]).all(axis=2))
    expected = filtered_ranks(scores, triples[:, 2], query, known[index, 2])
    np.testing.assert_array_equal(ranks(asked_queries(triples, known, N, BATCH)), expected)


@given(st.lists(TRIPLES, min_size=1, max_size=20), st.integers(1, 9))
def test_each_query_is_asked_once_and_the_last_batch_is_filled_up(triples, batch_size):
    asked = asked_queries(np.array(triples), np.array(triples), N, batch_size)
    flat = list(zip(asked.heads.ravel().tolist(), asked.relations.ravel().tolist(), strict=True))
    distinct = {(head, relation) for head, relation, _ in triples}
    assert len(flat) == -(-len(distinct) // batch_size) * batch_size
    assert set(flat) == distinct
    assert set(flat[len(distinct) - 1 :]) == {flat[len(distinct) - 1]}
    assert asked.count == len(triples)
    assert asked.heads.dtype == asked.relations.dtype == np.int32


@given(st.lists(TRIPLES, min_size=1, max_size=20), st.integers(1, 9))
def test_answers_and_known_pairs_are_those_of_their_batch(triples, batch_size):
    asked = asked_queries(np.array(triples), np.array(triples), N, batch_size)
    answers, found, known = asked.answers, {}, set()
    for batch, heads in enumerate(asked.heads.tolist()):
        queries = list(zip(heads, asked.relations[batch].tolist(), strict=True))
        for index, position in enumerate(answers.position[batch].tolist()):
            if position >= 0:
                assert position not in found
                query = queries[answers.query[batch, index]]
                found[position] = (*query, int(answers.entity[batch, index]))
        for query, entity in zip(
            answers.known_query[batch].tolist(), answers.known_entity[batch].tolist(), strict=True
        ):
            if query < batch_size:
                known.add((*queries[query], entity))
    assert [found[position] for position in range(len(triples))] == triples
    assert known == set(triples)


def test_ranks_keep_leading_axes():
    triples = np.random.default_rng(0).integers(0, (N, R, N), (11, 3))
    asked = asked_queries(triples, triples, N, BATCH)
    positions = np.asarray(asked.answers.position, np.float32)
    ordered = in_order(asked, np.stack([positions, positions + 100]))
    np.testing.assert_array_equal(ordered, [np.arange(11), np.arange(11) + 100])


def test_the_order_of_queries_is_the_same_for_the_same_triples():
    triples = np.random.default_rng(1).integers(0, (N, R, N), (15, 3))
    one, other = (asked_queries(triples, triples, N, BATCH) for _ in range(2))
    np.testing.assert_array_equal(one.heads, other.heads)
    # Random, so that batches are alike: not as the triples are sorted.
    assert one.heads.ravel().tolist() != sorted(one.heads.ravel().tolist())
