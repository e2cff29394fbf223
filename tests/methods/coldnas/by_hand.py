"""Predictions and metrics of cold-start data, user by user, from a model's parameters."""

from __future__ import annotations

from typing import Any

import numpy as np

from kapl_jax.data.cold_start import ColdStartData, FeatureTable, UserTasks
from tests.evaluation.slow import ndcg_bounds
from tests.methods.coldnas.slow import Fields, SlowUser, slow_predictions
from tests.modulation.slow import slow_modulate


def features_of(table: FeatureTable, row: int) -> Fields:
    return [[int(value) for value in values[row] if value >= 0] for values in table.values]


def slow_user(data: ColdStartData, tasks: UserTasks, index: int) -> SlowUser:
    """Return a user of a split without padding."""
    low, high = data.rating_range

    def rated(part: str) -> list[tuple[Fields, float]]:
        items, ratings, mask = (
            getattr(tasks, f"{part}_{name}")[index] for name in ("items", "ratings", "mask")
        )
        return [
            (features_of(data.item_features, item), float((rating - low) / (high - low)))
            for item, rating in zip(items[mask], ratings[mask], strict=True)
        ]

    fields = features_of(data.user_features, int(tasks.users[index]))
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
) -> dict[str, tuple[float, float]]:
    """Return the lowest and the highest mean over users of each metric that rounding allows."""
    low, high = data.rating_range
    found = []
    for index in range(tasks.num_users):
        user = slow_user(data, tasks, index)
        predicted = predictions_by_hand(parameters, structure, data, user)
        ratings = np.array([low + (high - low) * rating for _, rating in user.asked])
        error = predicted - ratings
        found.append(
            {
                "mse": ((error**2).mean(),) * 2,
                "mae": (np.abs(error).mean(),) * 2,
                "ndcg_at_3": ndcg_bounds(predicted, ratings, 3),
                "ndcg_at_5": ndcg_bounds(predicted, ratings, 5),
            }
        )
    return {name: tuple(np.mean([one[name] for one in found], axis=0)) for name in found[0]}
