"""Predictions and metrics of cold-start data, user by user, from a model's parameters."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any

import numpy as np

from kapl_jax.data.cold_start import ColdStartData, FeatureTable, UserTasks
from tests.modulation.slow import Fields, SlowUser, slow_modulate, slow_predictions


def features_of(table: FeatureTable, row: int) -> Fields:
    return [[int(value) for value in values[row] if value >= 0] for values in table.values]


def slow_user(data: ColdStartData, tasks: UserTasks, place: int) -> SlowUser:
    """Return a user of a split without padding."""
    low, high = data.rating_range

    def rated(part: str) -> list[tuple[Fields, float]]:
        items, ratings, mask = (
            getattr(tasks, f"{part}_{name}")[place] for name in ("items", "ratings", "mask")
        )
        return [
            (features_of(data.item_features, item), float((rating - low) / (high - low)))
            for item, rating in zip(items[mask], ratings[mask], strict=True)
        ]

    fields = features_of(data.user_features, int(tasks.users[place]))
    return SlowUser(fields, rated("support"), rated("query"))


def widths_of(parameters: Any) -> list[int]:
    """Return the width of each position: the predictor's input, then its hidden layers."""
    hidden = [name for name in sorted(parameters) if name.startswith("hidden_")]
    first = parameters[hidden[0]]["kernel"].shape[0]
    return [first, *(parameters[name]["kernel"].shape[1] for name in hidden)]


def predictions_by_hand(
    parameters: Any, structure: np.ndarray, data: ColdStartData, user: SlowUser
) -> np.ndarray:
    """Return the predicted ratings of the items that a user is asked for."""
    low, high = data.rating_range
    scaled = slow_predictions(parameters, widths_of(parameters), slow_modulate(structure), user)
    return low + (high - low) * np.array(scaled)


def slow_metrics(
    parameters: Any, structure: np.ndarray, data: ColdStartData, tasks: UserTasks
) -> dict[str, float]:
    """Return the mean over users of each metric."""
    low, high = data.rating_range
    found = []
    for place in range(tasks.num_users):
        user = slow_user(data, tasks, place)
        predicted = predictions_by_hand(parameters, structure, data, user)
        ratings = np.array([low + (high - low) * rating for _, rating in user.asked])
        error = predicted - ratings
        found.append(
            {
                "mse": float((error**2).mean()),
                "mae": float(np.abs(error).mean()),
                "ndcg_at_3": slow_ndcg(predicted, ratings, 3),
                "ndcg_at_5": slow_ndcg(predicted, ratings, 5),
            }
        )
    return {name: float(np.mean([one[name] for one in found])) for name in found[0]}


def smallest_gap(
    parameters: Any, structure: np.ndarray, data: ColdStartData, tasks: UserTasks
) -> float:
    """Return by how much the two nearest predictions of a user differ."""
    users = [slow_user(data, tasks, place) for place in range(tasks.num_users)]
    sorted_ = [np.sort(predictions_by_hand(parameters, structure, data, one)) for one in users]
    return float(min(np.diff(one).min() for one in sorted_))


def slow_ndcg(predicted: Sequence[float], ratings: Sequence[float], cutoff: int) -> float:
    """Return nDCG of an order without ties."""
    gains = 2.0 ** np.asarray(ratings) - 1
    discounts = 1 / np.log2(np.arange(2, 2 + len(gains)))
    discounts[cutoff:] = 0
    reached = gains[np.argsort(-np.asarray(predicted))] @ discounts
    return float(reached / (np.sort(gains)[::-1] @ discounts))
