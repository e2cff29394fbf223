"""ColdNAS's mathematics once more, slow: one user, one item, one operation after the other."""

from __future__ import annotations

import dataclasses
import math
from collections.abc import Callable, Sequence
from typing import Any

import numpy as np

Fields = list[list[int]]
"""For each field the rows of its table that a user or an item has."""

SlowModulate = Callable[[int, np.ndarray, np.ndarray], np.ndarray]
"""`(position, x [d], phi [4, d]) -> [d]`."""


@dataclasses.dataclass
class SlowUser:
    """A user without any padding; ratings are between 0 and 1."""

    fields: Fields
    rated: list[tuple[Fields, float]]
    asked: list[tuple[Fields, float]]


def slow_modulate(structure: np.ndarray) -> SlowModulate:
    def apply(position: int, x: np.ndarray, phi: np.ndarray) -> np.ndarray:
        has_max, has_min, has_scale, has_shift = structure[position]
        result = []
        for before, (lowest, highest, factor, summand) in zip(x, phi.T, strict=True):
            value = max(before, lowest) if has_max else before
            value = min(value, highest) if has_min else value
            value = value * factor if has_scale else value
            result.append(value + summand if has_shift else value)
        return np.array(result)

    return apply


def slow_relaxed(gates: np.ndarray) -> SlowModulate:
    def apply(position: int, x: np.ndarray, phi: np.ndarray) -> np.ndarray:
        steps = (
            lambda x: np.array([max(a, b) for a, b in zip(x, phi[0], strict=True)]),
            lambda x: np.array([min(a, b) for a, b in zip(x, phi[1], strict=True)]),
            lambda x: x * phi[2],
            lambda x: x + phi[3],
        )
        for gate, step in zip(gates[position], steps, strict=True):
            new = step(x)
            size, new_size = np.abs(x).sum(), np.abs(new).sum()
            direction = np.zeros_like(x)
            if new_size:
                direction = direction + gate * new / new_size
            if size:
                direction = direction + (1 - gate) * x / size
            x = direction * (gate * new_size + (1 - gate) * size)
        return x

    return apply


def slow_network(weights: np.ndarray, hidden: int) -> SlowModulate:
    def apply(position: int, x: np.ndarray, phi: np.ndarray) -> np.ndarray:
        one = [float(weight) for weight in weights[position]]
        linear, rest = one[:6], one[6:]
        rows = [rest[6 * unit : 6 * unit + 6] for unit in range(hidden)]
        bias, out = rest[6 * hidden : 7 * hidden], rest[7 * hidden :]
        result = []
        for value, (p1, p2, p3, p4) in zip(x, phi.T, strict=True):
            inputs = [value, p1, p2, p3 - 1, p4, value * (p3 - 1)]
            total = sum(a * b for a, b in zip(linear, inputs, strict=True))
            for unit in range(hidden):
                inner = sum(a * b for a, b in zip(rows[unit], inputs, strict=True))
                total += out[unit] * math.tanh(inner + bias[unit])
            result.append(total)
        return np.array(result)

    return apply


def slow_embedding(tables: dict[str, np.ndarray], fields: Fields) -> np.ndarray:
    """Return the mean of each field's rows, one behind the other."""
    parts = []
    for place, rows in enumerate(fields):
        table = tables[f"field_{place}"]
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


def linear(layer: dict[str, np.ndarray], x: np.ndarray) -> np.ndarray:
    return x @ layer["kernel"] + layer["bias"]


def leaky(x: np.ndarray) -> np.ndarray:
    return np.array([value if value > 0 else 0.01 * value for value in x])
