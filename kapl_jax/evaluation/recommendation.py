"""Recommendation metrics: errors of predicted ratings, and nDCG of the order they give.

Each metric is computed for a user over their query items, then averaged over users, as in ColdNAS
(WWW 2023). Gains are `2^rating - 1` and the discount of position p (from 1) is `1 / log2(p + 1)`;
the cutoff is the number of query items where there are fewer. Items with equal predictions get the
mean of DCG over all their orders (McSherry and Najork, ECIR 2008), so that a constant prediction
gains nothing from the order in which items happen to be listed.

Positions are counted by comparing items in pairs, of which there are few: nothing is sorted, and a
population of predictions is one more axis. The ideal order depends on the ratings alone; mapped
over predictions it is computed once.
"""

from __future__ import annotations

import jax
import jax.numpy as jnp
import numpy as np

METRIC_NAMES = ("mse", "mae", "ndcg_at_3", "ndcg_at_5")


def user_metrics(
    predictions: jax.Array, ratings: jax.Array, mask: jax.Array
) -> dict[str, jax.Array]:
    """Return the metrics of each user over their query items.

    A user whose ideal DCG is 0 (all their ratings are) has nDCG 1, as in the published code: no
    order is better than another. A prediction that is not a number makes all metrics of its user
    NaN. A user without query items has errors 0 and nDCG 1; give them no weight.

    Args:
        predictions: `float32[U, Q]`.
        ratings: `float32[U, Q]`, not negative.
        mask: `bool[U, Q]`, which entries are query items.

    Returns:
        `float32[U]` by metric name (`METRIC_NAMES`).
    """
    ratings = jnp.where(mask, ratings, 0.0)
    predictions = jnp.where(mask, predictions, 0.0)
    error = predictions - ratings
    count = jnp.maximum(jnp.sum(mask, axis=1), 1).astype(error.dtype)
    # What is masked takes the last positions and gains nothing.
    scores = jnp.where(mask, predictions, -jnp.inf)
    gains = jnp.exp2(ratings) - 1.0
    return {
        "mse": jnp.sum(error**2, axis=1) / count,
        "mae": jnp.sum(jnp.abs(error), axis=1) / count,
        **{f"ndcg_at_{k}": _ndcg(scores, gains, k) for k in (3, 5)},
    }


def _ndcg(scores: jax.Array, gains: jax.Array, cutoff: int) -> jax.Array:
    reached = jnp.sum(_expected_discounts(scores, cutoff) * gains, axis=1)
    ideal = jnp.sum(_expected_discounts(gains, cutoff) * gains, axis=1)
    nothing = ideal == 0
    # A sum, not 1: with nothing to gain DCG is 0, or NaN, which has to be seen.
    return jnp.where(nothing, 1.0 + reached, reached / jnp.where(nothing, 1.0, ideal))


def _expected_discounts(scores: jax.Array, cutoff: int) -> jax.Array:
    """Return the mean discount of each item over all orders of the items tied with it.

    An item with b items before it and t as good as it, itself among them, stands in each of the
    positions b .. b + t - 1 (from 0) equally often; positions beyond the cutoff have discount 0.

    The loop over items is unrolled and users are the last axis, so that the counts of all pairs
    become one pass over whole vectors; a reduction over pairs was measured to be many times slower.

    Args:
        scores: `float32[U, Q]`, higher is ranked before.
        cutoff: Number of positions that count.

    Returns:
        `float32[U, Q]`; NaN where the score is.
    """
    columns = scores.T
    before = sum((other[None] > columns).astype(jnp.float32) for other in columns)
    tied = sum((other[None] == columns).astype(jnp.float32) for other in columns)
    discounts = 1.0 / np.log2(np.arange(cutoff) + 2.0)
    counted = (
        jnp.where((before <= position) & (position < before + tied), float(discount), 0.0)
        for position, discount in enumerate(discounts)
    )
    total = sum(counted, start=jnp.zeros_like(columns))
    return (total / tied).T
