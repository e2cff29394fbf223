"""Ranks and orders once more, in NumPy, one after the other; and which of them rounding allows."""

from __future__ import annotations

import numpy as np

# How far scores of different programs for the same model may lie apart.
ROUNDING = 1e-5


def slow_rank(scores, target, known):
    """The realistic filtered rank of one query, entity by entity."""
    rank = 1.0
    for entity, score in enumerate(scores):
        if entity == target or entity in known:
            continue
        if np.isnan(score) or np.isnan(scores[target]) or score > scores[target]:
            rank += 1.0
        elif score == scores[target]:
            rank += 0.5
    return rank


def rank_bounds(scores, target, known, rounding=ROUNDING):
    """The lowest and the highest rank where rounding may have moved each score.

    Which of two scores is higher depends on the processor where they differ by rounding alone, as
    those of entities do that look alike from the query. Zeros are exact: what is not reached ties.
    """
    lowest = highest = 1.0
    for entity, score in enumerate(scores):
        if entity == target or entity in known:
            continue
        above = score - scores[target]
        if score == scores[target] == 0:
            lowest, highest = lowest + 0.5, highest + 0.5
        elif above > rounding:
            lowest, highest = lowest + 1, highest + 1
        elif above >= -rounding:
            highest += 1
    return lowest, highest


def assert_ranks_within(ranks, bounds):
    """Check ranks against `rank_bounds` of each, most of which must leave no choice."""
    lowest, highest = np.transpose(bounds)
    assert ((lowest <= ranks) & (ranks <= highest)).all(), (ranks, bounds)
    assert (lowest == highest).mean() > 0.5, bounds


def assert_metrics_within(found, metrics, bounds, rtol=1e-5):
    """Check metrics, by name, against those that `metrics` makes of the bounds of all ranks."""
    lowest, highest = np.transpose(bounds)
    assert (lowest == highest).mean() > 0.5, bounds
    ends = metrics(lowest), metrics(highest)
    assert found.keys() == ends[0].keys()
    for name, value in found.items():
        low, high = sorted(float(one[name]) for one in ends)
        assert low * (1 - rtol) <= value <= high * (1 + rtol), (name, value, low, high)


def ndcg_bounds(predicted, ratings, cutoff, rounding=ROUNDING):
    """The lowest and the highest nDCG where rounding may have moved each prediction.

    Predictions that follow each other closely may stand in any order: in that of their ratings, or
    in the reverse of it.
    """
    predicted, gains = np.asarray(predicted), 2.0 ** np.asarray(ratings) - 1
    discounts = 1 / np.log2(np.arange(2, 2 + len(gains)))
    discounts[cutoff:] = 0
    order = np.argsort(-predicted)
    steps = -np.diff(predicted[order]) > rounding
    group = np.append(0, np.cumsum(steps))
    ends = [gains[order][np.lexsort((sign * gains[order], group))] @ discounts for sign in (1, -1)]
    ideal = np.sort(gains)[::-1] @ discounts
    return float(ends[0] / ideal), float(ends[1] / ideal)
