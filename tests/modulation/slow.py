"""Modulation once more, slow: one example, one operation after the other."""

from __future__ import annotations

import math
from collections.abc import Callable

import numpy as np

SlowModulate = Callable[[int, np.ndarray, np.ndarray], np.ndarray]
"""`(position, x [d], phi [4, d]) -> [d]`."""


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


def linear(layer: dict[str, np.ndarray], x: np.ndarray) -> np.ndarray:
    return x @ layer["kernel"] + layer["bias"]


def leaky(x: np.ndarray) -> np.ndarray:
    return np.array([value if value > 0 else 0.01 * value for value in x])
