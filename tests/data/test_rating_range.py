from pathlib import Path

import numpy as np
import pytest

from kapl_jax.data.rating_range import (
    ANY_RATING,
    AllowedRatings,
    parse_allowed_ratings,
    parse_ratings,
    range_of,
)
from tests.data.rating_folders import error_of

PATH = Path("ratings.txt")
STARS = AllowedRatings((1.0, 5.0))


def lines(count):
    return np.arange(1, count + 1)


@pytest.mark.parametrize(
    "cell", ["", "good", "nan", "inf", "-Infinity", "1_0", "1,5", "--1", "1 2", "1e999", "9" * 5000]
)
def test_what_is_no_number(cell):
    message = error_of(parse_ratings, PATH, ["1", cell], lines(2), ANY_RATING)
    assert message.startswith("ratings.txt:2: found the rating ")
    assert ", expected a number" in message


@pytest.mark.parametrize("cell", ["1e99", "-1e10", "1000000001", "9" * 40])
def test_what_no_float_holds_well(cell):
    message = error_of(parse_ratings, PATH, ["1", cell], lines(2), ANY_RATING)
    assert message.endswith(", expected -1e+09 to 1e+09")


@pytest.mark.parametrize("cell", ["0", "5.5", "-1", "1e50"])
def test_rating_out_of_the_range(cell):
    message = error_of(parse_ratings, PATH, ["1", "5", cell], lines(3), STARS)
    assert message == f"ratings.txt:3: found the rating {cell!r}, expected 1 to 5"


def test_a_header():
    message = error_of(parse_ratings, PATH, ["label", "1"], lines(2), STARS)
    hint = "if this is a header, remove it"
    assert message == f"ratings.txt:1: found the rating 'label', expected 1 to 5; {hint}"


def test_clipping_is_counted():
    clip = AllowedRatings((1.0, 5.0), clip=True)
    cells = ["1", "2.5", "99999", "-1", "5", "1e50"]
    values, (warning,) = parse_ratings(PATH, cells, lines(6), clip)
    assert values.tolist() == [1, 2.5, 5, 1, 5, 5]
    assert values.dtype == np.float32
    assert warning == "ratings.txt:3: 3 ratings out of 1 to 5, clipped; the first is '99999'"
    assert parse_ratings(PATH, ["1", "5"], lines(2), clip)[1] == ()
    assert error_of(parse_ratings, PATH, ["1", "x"], lines(2), clip).startswith("ratings.txt:2: ")


@pytest.mark.parametrize(
    ("limits", "out_of_range", "expected"),
    [
        ("", "refuse", AllowedRatings(None, clip=False)),
        ("1,5", "refuse", AllowedRatings((1.0, 5.0), clip=False)),
        (" -0.5 , 1e1", "clip", AllowedRatings((-0.5, 10.0), clip=True)),
    ],
)
def test_flags(limits, out_of_range, expected):
    assert parse_allowed_ratings(limits, out_of_range) == expected


@pytest.mark.parametrize("limits", ["1", "5,1", "1,1", "1,2,3", "a,b", "nan,5", "1,inf", "1,1e99"])
def test_unusable_flags(limits):
    message = error_of(parse_allowed_ratings, limits, "refuse")
    assert message == (
        f"--rating_range: found {limits!r}, expected the least and the largest rating, such as 1,5"
    )


def warnings_of(values):
    values = np.array(values, dtype=np.float32)
    return range_of(PATH, values, lines(len(values)))[1]


STARS_1_TO_5 = [1, 2, 3, 4, 5] * 40
FAR = {
    "one of a thousandfold": [*STARS_1_TO_5, 99999],
    "ten times": [*STARS_1_TO_5, 45],
    "another scale": [*STARS_1_TO_5, 10],
    "a few": [*STARS_1_TO_5, 99999, 88888],
    "often, for none": [*STARS_1_TO_5, *[99] * 50],
    "labels": [*[0, 1] * 50, 7],
    "fractions": [*np.linspace(0, 1, 101), 50],
    "counts": [*range(1, 300), 10**8],
    "below zero": [*STARS_1_TO_5, -1],
    "often below zero": [*STARS_1_TO_5, *[-1] * 50],
    "far below zero": [*STARS_1_TO_5, -99, -98],
    "Jester's mark of none": [*np.linspace(-9.99, 9.9, 400).round(2), *[99] * 200],
    "in few": [1, 2, 3, 4, 5, 4, 3, 500],
}


@pytest.mark.parametrize("values", FAR.values(), ids=FAR)
def test_far_from_the_others(values):
    (warning,) = warnings_of(values)
    above = max(values) > 5 and max(values) > -min(values)
    odd = max(values) if above else min(values)
    assert warning.startswith(
        f"ratings.txt:{list(values).index(odd) + 1}: the rating {odd:g}, far "
    )
    assert f"makes the range {min(values):g} to {max(values):g} (" in warning
    assert "--rating_range" in warning


RNG = np.random.default_rng(0)
USUAL = {
    "1 to 5": STARS_1_TO_5,
    "half stars": np.arange(1, 11) / 2,
    "1 to 10": [*[8, 9, 10] * 100, 1],
    "0 to 10": [*[0] * 500, *range(1, 11)],
    "labels": [*[0] * 999, 1],
    "signed labels": [-1, 1] * 20,
    "three labels": [-1, 0, 1] * 20,
    "differences": [*range(-5, 6)] * 3,
    "jokes": RNG.uniform(-10, 10, 2000),
    "few stars": [4, 5, 4.5, 4, 5, 1],
    "percent": [*range(60, 101), 3],
    "counts of Zipf": RNG.zipf(1.8, 5000).clip(max=10**7),
    "geometric counts": RNG.geometric(0.3, 5000),
    "Poisson counts": RNG.poisson(3, 5000),
    "log-normal": RNG.lognormal(0, 2, 5000),
    "normal": RNG.normal(3, 1, 5000),
    "large": [10**8, 2 * 10**8, 3 * 10**8],
    "two": [3, 4],
}


@pytest.mark.parametrize("values", USUAL.values(), ids=USUAL)
def test_usual_ratings_give_no_warning(values):
    assert warnings_of(values) == ()


def test_counts_of_many_kinds_give_no_warning():
    """Heavy tails leave gaps, but between sizes of one order."""
    for seed in range(200):
        rng = np.random.default_rng(seed)
        assert warnings_of(rng.lognormal(1, 2, 1000).astype(int)) == ()
        assert warnings_of(rng.geometric(0.3, 1000)) == ()
        assert warnings_of(rng.negative_binomial(1, 0.02, 1000)) == ()


def test_both_ends():
    above, below = warnings_of([*STARS_1_TO_5, 99999, -1])
    assert "the rating 99999, far" in above
    assert "the rating -1, far" in below


def test_all_the_same():
    message = error_of(range_of, PATH, np.array([2.0, 2.0]), lines(2))
    assert message == "ratings.txt:1: found the rating 2 and no other, expected different ratings"


def test_times_are_no_ratings():
    """As where the columns are user, item, time."""
    values = np.array([881250949, 891717742, 878887116], dtype=np.float32)
    message = error_of(range_of, PATH, values, lines(3))
    assert message.startswith("ratings.txt:1: found the rating 88125094")
    assert "which like all others reads like a time" in message
