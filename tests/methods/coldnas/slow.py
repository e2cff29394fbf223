"""ColdNAS's predictor once more, slow: one user, one item, one operation after the other."""

from __future__ import annotations

import dataclasses
import math
from collections.abc import Sequence
from typing import Any

import numpy as np

from tests.modulation.slow import SlowModulate, leaky, linear

Fields = list[list[int]]
"""For each field the rows of its table that a user or an item has."""


@dataclasses.dataclass
class SlowUser:
    """A user without any padding; ratings are between 0 and 1."""

    fields: Fields
    rated: list[tuple[Fields, float]]
    asked: list[tuple[Fields, float]]


def slow_embedding(tables: dict[str, np.ndarray], fields: Fields) -> np.ndarray:
    """Return the mean of each field's rows, one behind the other."""
    parts = []
    for index, rows in enumerate(fields):
        table = tables[f"field_{index}"]
        total = np.zeros(table.shape[1])
        for row in rows:
            total = total + table[row]
        parts.append(total / len(rows) if rows else total)
    return np.concatenate(parts)


def slow_phi(parameters: Any, widths: Sequence[int], user: SlowUser) -> list[np.ndarray]:
    """Return φ float64[4, width] of each position."""
    encoder = parameters["encoder"]
    own = slow_embedding(parameters["users"], user.fields)
    context = np.zeros(len(encoder["item"]["bias"]))
    for fields, rating in user.rated:
        item = slow_embedding(parameters["items"], fields)
        context = context + leaky(linear(encoder["item"], np.array([*item, rating, *own])))
    if user.rated:
        context = context / len(user.rated)
    phi = linear(encoder["phi"], context).reshape(4, sum(widths))
    phi[2] = [math.log(1 + math.exp(value)) / math.log(2) for value in phi[2]]
    ends = np.cumsum(widths)
    return [phi[:, end - width : end] for width, end in zip(widths, ends, strict=True)]


def slow_predictions(
    parameters: Any, widths: Sequence[int], modulate: SlowModulate, user: SlowUser
) -> list[float]:
    """Return the prediction for each item asked."""
    phi = slow_phi(parameters, widths, user)
    own = slow_embedding(parameters["users"], user.fields)
    predictions = []
    for fields, _ in user.asked:
        x = np.array([*slow_embedding(parameters["items"], fields), *own])
        x = modulate(0, x, phi[0])
        for position in range(1, len(widths)):
            x = linear(parameters[f"hidden_{position - 1}"], leaky(x))
            x = modulate(position, x, phi[position])
        predictions.append(1 / (1 + math.exp(-linear(parameters["out"], leaky(x))[0])))
    return predictions


def slow_loss(
    parameters: Any, widths: Sequence[int], modulate: SlowModulate, users: Sequence[SlowUser]
) -> float:
    """Return the mean over users of the mean squared error of the items asked."""
    errors = []
    for user in users:
        predicted = slow_predictions(parameters, widths, modulate, user)
        squares = [(p - r) ** 2 for p, (_, r) in zip(predicted, user.asked, strict=True)]
        errors.append(sum(squares) / len(squares))
    return sum(errors) / len(errors)
