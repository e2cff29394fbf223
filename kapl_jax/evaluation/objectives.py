"""Which way a metric is better."""

from __future__ import annotations

LOWER_IS_BETTER = frozenset({"mse", "mae", "mean_rank"})
"""Metrics by name of which less is better; of all others more is."""


def sign(metric: str) -> float:
    """Return 1 where more of `metric` is better, else -1.

    The metric times its sign is a score, of which more is always better; a score times the sign is
    the metric again.
    """
    return -1.0 if metric in LOWER_IS_BETTER else 1.0
