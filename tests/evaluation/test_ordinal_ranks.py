"""The published program's ranks: right without ties, too good out of reach."""

from __future__ import annotations

import numpy as np

from kapl_jax.evaluation.ordinal_ranks import ordinal_ranks


def brute_force(scores, known, answers):
    """Return the filtered ranks of a query without equal scores."""
    rivals = [scores[entity] for entity in range(len(scores)) if not known[entity]]
    return [1 + sum(rival > scores[one] for rival in rivals) for one in np.flatnonzero(answers)]


def test_ranks_without_ties_are_the_filtered_ones():
    rng = np.random.default_rng(0)
    scores = rng.permuted(np.tile(np.arange(30.0), (8, 1)), axis=1)
    known = rng.random((8, 30)) < 0.3
    answers = known & (rng.random((8, 30)) < 0.5)
    expected = [
        rank for row in zip(scores, known, answers, strict=True) for rank in brute_force(*row)
    ]
    np.testing.assert_array_equal(ordinal_ranks(scores, known, answers), expected)


def test_an_answer_out_of_reach_stands_behind_reached_entities_after_it_only():
    scores = np.zeros((1, 50))
    scores[0, [3, 7, 40]] = 5.0, 4.0, 3.0
    for answer, expected in ((20, 2), (45, 1), (1, 4)):
        answers = np.arange(50)[None] == answer
        assert ordinal_ranks(scores, answers, answers) == [expected]
