import math

import pytest

from kapl_jax.runs.report.formatting import count, duration, number, spread, value


@pytest.mark.parametrize(
    ("mean", "deviation", "shown"),
    [
        (0.94104, 0.0031, "0.9410 ± 0.0031"),
        (0.5, None, "0.5000"),
        (12.345, 0.678, "12.35 ± 0.68"),
        (1234.5, 1.25, "1,234.5 ± 1.2"),
        (None, 0.1, "–"),
        (math.nan, 0.1, "– "),
    ],
)
def test_spread_has_the_precision_of_its_mean(
    mean: float | None, deviation: float | None, shown: str
) -> None:
    assert spread(mean, deviation).startswith(shown.strip())
    assert "nan" not in spread(mean, deviation)


@pytest.mark.parametrize("missing", [None, math.nan, math.inf])
def test_missing_numbers_are_a_dash(missing: float | None) -> None:
    assert number(missing) == "–"
    assert duration(missing) == "–"


@pytest.mark.parametrize(
    ("seconds", "shown"),
    [
        (0.44, "0.4 s"),
        (61, "1 min 01 s"),
        (3599.6, "1 h 00 min"),
        (7380, "2 h 03 min"),
        (90000, "1 d 01 h"),
    ],
)
def test_duration(seconds: float, shown: str) -> None:
    assert duration(seconds) == shown


def test_count_separates_thousands() -> None:
    assert count(1234567) == "1,234,567"
    assert count(None) == "–"


@pytest.mark.parametrize(
    ("setting", "shown"),
    [
        (True, "yes"),
        (None, "–"),
        (0.000123456, "0.0001235"),
        (1024, "1,024"),
        ("a b", "a b"),
        ({"learning_rate": 0.1, "on": False}, "learning rate: 0.1, on: no"),
        ([1, 2], "[1, 2]"),
    ],
)
def test_any_setting_is_one_line(setting: object, shown: str) -> None:
    assert value(setting) == shown
