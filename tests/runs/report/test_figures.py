import math

import numpy as np
import pytest

from kapl_jax.runs.report.figures import Level, Search, trajectory


def limits(values: list[float], direction: float, level: float) -> tuple[float, float]:
    best = list(values)
    figure = trajectory([Search("a", values, best)], [Level("b", level)], "y", direction)
    return figure.axes[0].get_ylim()


@pytest.mark.parametrize("seed", range(3))
def test_the_worst_quarter_is_hidden_in_either_direction(seed: int) -> None:
    values = np.random.default_rng(seed).normal(size=40).tolist()
    for direction in (1.0, -1.0):
        low, high = limits([direction * value for value in values], direction, 0.0)
        shown = [value for value in values if low <= direction * value <= high]
        hidden = set(values) - set(shown)
        assert 0 < len(hidden) <= len(values) / 4
        assert max(hidden) < min(shown)


def test_a_search_drawn_upside_down_has_mirrored_limits() -> None:
    values = [0.1, 0.5, math.inf, 0.4, 0.9]
    low, high = limits(values, 1.0, 0.6)
    mirrored = limits([-value for value in values], -1.0, -0.6)
    assert mirrored == pytest.approx((-high, -low))


def test_a_level_is_seen_even_where_it_is_bad() -> None:
    low, high = limits([0.2, 0.21, 0.22, 0.23], -1.0, 0.5)
    assert low < 0.2
    assert high > 0.5
