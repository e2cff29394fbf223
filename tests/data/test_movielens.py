import numpy as np
import pytest

from kapl_jax.data.movielens import read_movielens_100k, read_movielens_dat
from kapl_jax.data.rating_formats import read_ratings
from kapl_jax.data.rating_range import AllowedRatings
from tests.data.graph_folders import write
from tests.data.rating_folders import (
    error_of,
    film_100k,
    write_1m,
    write_10m,
    write_100k,
    write_inter,
    write_latest,
)


def fields(entities):
    return {
        field.name: dict(zip(entities.names, field.values, strict=True))
        for field in entities.fields
    }


def test_100k(tmp_path):
    table = read_movielens_100k(write_100k(tmp_path))
    items = fields(table.items)
    assert list(items) == ["year", "genre", "item"]
    assert items["year"] == {
        "1": ("1990s",),
        "2": ("1930s",),
        "3": ("1970s",),
        "4": (),
        "5": ("1990s",),
    }
    assert items["genre"] == {
        "1": ("Animation", "Children's"),
        "2": ("Drama",),
        "3": ("Thriller",),
        "4": (),
        "5": ("Comedy", "Drama", "Romance"),
    }
    assert items["item"]["3"] == ("3",)
    assert table.items.titles[1] == "Les Misérables (1934)"
    assert table.items.years.tolist() == [1995, 1934, 1971, 0, 1998]
    users = fields(table.users)
    assert list(users) == ["gender", "age", "occupation", "zip"]
    ages = ["1", "18", "18", "25", "25", "35", "45", "50", "50", "56"]
    assert [users["age"][str(user + 1)] for user in range(10)] == [(age,) for age in ages]
    assert users["gender"]["2"] == ("F",)
    assert users["occupation"]["1"] == ("artist",)
    assert users["zip"]["1"] == ("V1G",)
    assert table.rating_range == (1, 5)
    assert (len(table.ratings), table.tasks, table.warnings) == (50, None, ())
    np.testing.assert_array_equal(table.ratings.values[:5], [1, 2, 3, 4, 5])


def test_1m(tmp_path):
    table = read_movielens_dat(write_1m(tmp_path))
    items, users = fields(table.items), fields(table.users)
    assert items["genre"] == {"1": ("Animation", "Comedy"), "2": ("Drama",), "9": ("War",)}
    assert items["year"]["9"] == ("1950s",)
    assert table.items.titles == ("Toys (1995)", "Misérables (1934)", "Old (1950)")
    assert users["age"]["0"] == ("1",)
    assert users["age"]["1"] == ("56",)
    assert users["occupation"]["7"] == ("7",)
    assert users["zip"]["7"] == ("012",)
    assert list(users) == ["gender", "age", "occupation", "zip"]
    np.testing.assert_array_equal(table.ratings.values[:3], [2, 3, 5])
    assert table.warnings == ()


def append(path, line):
    path.write_bytes(path.read_bytes() + f"{line}\n".encode("latin-1"))


@pytest.mark.parametrize(
    ("file", "line", "message"),
    [
        ("u.data", "1\t2", ":51: found 2 columns ('1\\t2'), expected 4 separated by tabs: user "),
        ("u.data", "1\t9\t6\t0", ":51: found the rating '6', expected 1 to 5"),
        ("u.data", "1\t9\tx\t0", ":51: found the rating 'x', expected 1 to 5"),
        ("u.item", "9|A film", ":6: found 2 columns ('9|A film'), expected 24 separated by '|'"),
        ("u.item", film_100k(1, "A", ""), ":6: found item '1', which is on line 1 already"),
        (
            "u.item",
            film_100k(9, "A", "")[:-1] + "2",
            ":6: found '2' for the genre Western, expecte",
        ),
        (
            "u.user",
            "99|24|M",
            ":11: found 3 columns ('99|24|M'), expected 5 separated by '|': user",
        ),
        ("u.user", "99|old|M|artist|0", ":11: found the age 'old', expected a number of years"),
    ],
)
def test_unusable_100k(tmp_path, file, line, message):
    append(write_100k(tmp_path) / file, line)
    assert error_of(read_movielens_100k, tmp_path).startswith(f"{tmp_path / file}{message}")


@pytest.mark.parametrize(
    ("file", "line", "message"),
    [
        ("ratings.dat", "1::2::3", ":31: found 3 columns ('1::2::3'), expected 4 separated by"),
        ("ratings.dat", "1::2:3::4", ":31: found 3 columns"),
        ("ratings.dat", "1::7::0::9", ":31: found the rating '0', expected 1 to 5"),
        ("movies.dat", "3::A film", ":4: found 2 columns ('3::A film'), expected 3 separated by"),
        ("users.dat", "3::F::1::1::1", ":11: found user '3', which is on line 4 already"),
    ],
)
def test_unusable_1m(tmp_path, file, line, message):
    append(write_1m(tmp_path) / file, line)
    assert error_of(read_movielens_dat, tmp_path).startswith(f"{tmp_path / file}{message}")


def test_features_that_do_not_fit_the_ratings_are_counted(tmp_path):
    folder = write_1m(tmp_path)
    write(folder / "users.dat", [f"{u}::F::1::1::1" for u in range(1, 12)])
    append(folder / "movies.dat", "3::New (1999)::War")
    users = folder / "users.dat"
    assert read_movielens_dat(folder).warnings == (
        f"{users}:10: 2 of 11 users have no ratings; the first is '10'",
        f"{users}: 1 of 10 rated users are missing, taken as unseen; the first is '0'",
        f"{folder / 'movies.dat'}:4: 1 of 4 items have no ratings; the first is '3'",
    )


def test_10m(tmp_path):
    table = read_movielens_dat(write_10m(tmp_path))
    assert table.rating_range == (0.5, 5)
    assert table.items.titles == ("Toys (1995)", "Misérables (1934)", "Old (1950)")
    assert fields(table.users) == {"user": {str(user): (str(user),) for user in range(10)}}
    np.testing.assert_array_equal(table.ratings.values[:3], [2.5, 3, 5])
    assert table.warnings == ()


def test_latest(tmp_path):
    table = read_ratings(write_latest(tmp_path))
    assert table.rating_range == (0.5, 5)
    assert table.items.titles == ("Toys (1995)", "Misérables, Les (1934)", "Old")
    assert table.items.years.tolist() == [1995, 1934, 0]
    assert fields(table.items) == {
        "year": {"1": ("1990s",), "2": ("1930s",), "9": ()},
        "genre": {"1": ("Animation", "Comedy"), "2": ("Drama",), "9": ()},
        "item": {"1": ("1",), "2": ("2",), "9": ("9",)},
    }
    assert (len(table.ratings), table.warnings) == (30, ())


BARE = {
    "u.data": ["1\t2\t3\t88", "1\t3\t4\t88"],
    "ratings.dat": ["1::2::3.5::88", "1::3::4::88"],
    "ratings.csv": ["userId,movieId,rating,timestamp", "1,2,3,88", "1,3,4,88"],
    "toy.inter": ["user_id:token\titem_id:token\trating:float", "1\t2\t3", "1\t3\t4"],
}


@pytest.mark.parametrize("file", BARE)
def test_ratings_alone(tmp_path, file):
    write(tmp_path / file, BARE[file])
    for place in (tmp_path, tmp_path / file):
        table = read_ratings(place)
        assert (table.users.names, table.items.names) == (("1",), ("2", "3"))
        assert table.ratings.values.tolist()[1] == 4
        assert [field.name for field in table.items.fields] == ["item"]


@pytest.mark.parametrize("separator", ["::", "\t", ",", ";", " "])
@pytest.mark.parametrize(
    "header", ["", "userId movieId rating timestamp", "UserID MovieID Rating ts"]
)
def test_separators_and_headers_of_lines(tmp_path, separator, header):
    rows = [header.split()] * bool(header) + [["1", "2", "3", "88"], ["1", "3", "4", "88"]]
    write(tmp_path / "ratings.dat", [separator.join(row) for row in rows])
    table = read_ratings(tmp_path)
    assert (table.users.names, table.items.names) == (("1",), ("2", "3"))
    assert table.ratings.values.tolist() == [3, 4]


def test_other_scales_are_asked_for(tmp_path):
    write(tmp_path / "ratings.dat", ["1::2::0::88", "1::3::10::88"])
    assert error_of(read_ratings, tmp_path).endswith(":1: found the rating '0', expected 1 to 5")
    assert read_ratings(tmp_path, AllowedRatings((0, 10))).rating_range == (0, 10)
    (warning,) = read_ratings(tmp_path, AllowedRatings(clip=True)).warnings
    assert "2 ratings out of 1 to 5, clipped" in warning


def test_the_later_rating_of_a_film_counts(tmp_path):
    append(write_latest(tmp_path) / "ratings.csv", "0,1,5.0,964982704")
    append(tmp_path / "ratings.csv", "0,2,5.0,964982702")
    table = read_ratings(tmp_path)
    assert (
        dict(zip(table.ratings.lines.tolist(), table.ratings.values.tolist(), strict=True))[32] == 5
    )
    assert len(table.ratings) == 30
    assert 33 not in table.ratings.lines
    (warning,) = table.warnings
    assert "2 items were rated again by the same user, the later rating counts" in warning


def test_recbole(tmp_path):
    table = read_ratings(write_inter(tmp_path))
    assert table.items.titles == ("One two", "Three", "Four")
    assert table.items.years.tolist() == [1995, 0, 1999]
    assert fields(table.items)["class"] == {"0": ("Drama", "War"), "1": ("War",), "2": ()}
    assert fields(table.users) == {"age": {str(user): (str(user % 4),) for user in range(10)}}
    write(tmp_path / "toy.test.inter", BARE["toy.inter"])
    assert "found toy.inter and toy.test.inter, expected all" in error_of(read_ratings, tmp_path)
