"""Ranks among listed entities against ranks among the scores of all."""

from __future__ import annotations

import jax
import numpy as np
from hypothesis import given, settings
from hypothesis import strategies as st

from kapl_jax.evaluation.answer_ranking import Answers, ranks_of_answers
from kapl_jax.evaluation.partial_ranking import ranks_among_listed

QUERIES, LISTED, N, KNOWN = 3, 4, 9, 12
SCORES = st.sampled_from([-np.inf, -1.0, 0.0, 0.5, np.inf, np.nan])
ENTITIES = st.integers(0, N - 1)
PAIRS = st.tuples(st.integers(0, QUERIES - 1), ENTITIES)

compiled = jax.jit(ranks_among_listed, static_argnums=2)
compiled_ranks = jax.jit(ranks_of_answers)


@settings(max_examples=200, deadline=None)
@given(
    rows=st.lists(
        st.dictionaries(ENTITIES, SCORES, max_size=LISTED), min_size=QUERIES, max_size=QUERIES
    ),
    asked=st.lists(PAIRS, min_size=5, max_size=5),
    known=st.sets(PAIRS, max_size=KNOWN),
)
def test_equals_the_ranks_among_the_scores_of_all(rows, asked, known):
    entities = np.full((QUERIES, LISTED), N, np.int32)
    scores, everything = np.zeros((QUERIES, LISTED)), np.zeros((QUERIES, N), np.float32)
    for query, row in enumerate(rows):
        entities[query, : len(row)] = list(row)
        scores[query, : len(row)] = list(row.values())
        everything[query, list(row)] = list(row.values())
    pairs = np.full((KNOWN, 2), QUERIES, np.int32)  # the rest is padding
    pairs[: len(known)] = np.array(sorted(known), np.int32).reshape(-1, 2)
    query, entity = np.array(asked, np.int32).T
    answers = Answers(query, entity, np.arange(5), *pairs.T)
    found = compiled(np.float32(scores), entities, N, answers)
    np.testing.assert_array_equal(found, compiled_ranks(everything, answers))
