"""What a model answers, against the scores of all entities."""

from __future__ import annotations

import numpy as np

from tests.evaluation.slow import ROUNDING


def assert_best_answers(found, scores, first="entity"):
    """Check `Answers`, for entities that are called `first` and their number.

    Those out of reach score 0. Which entities come is checked by their scores: where rounding alone
    parts two of them, either may come first.
    """
    reached = np.flatnonzero(scores)
    best = np.sort(scores[reached])[::-1][: len(found.best)]
    np.testing.assert_allclose([one.score for one in found.best], best, rtol=1e-4, atol=1e-5)
    assert len({one.entity for one in found.best}) == len(found.best)
    shifted = np.exp(scores - scores.max())
    for one in found.best:
        entity = int(one.entity.removeprefix(f"{first}_"))
        np.testing.assert_allclose(one.score, scores[entity], rtol=1e-4, atol=1e-5)
        expected = (shifted / shifted.sum())[entity]
        np.testing.assert_allclose(one.probability, expected, rtol=1e-3)
        above = scores - scores[entity]
        assert 1 + np.sum(above > ROUNDING) <= one.rank <= np.sum(above >= -ROUNDING)
    missing = len(scores) - len(reached)
    assert (found.out_of_reach.count if found.out_of_reach else 0) == missing
    if missing:
        assert found.out_of_reach.rank == np.sum(scores > 0) + (missing + 1) / 2
