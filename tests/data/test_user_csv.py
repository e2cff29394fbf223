import numpy as np
import pytest

from kapl_jax.data.cold_start_loading import load_cold_start
from kapl_jax.data.cold_start_protocol import Protocol
from kapl_jax.data.user_csv import parse_user_features, read_new_user
from tests.data.graph_folders import write
from tests.data.rating_folders import error_of, film_100k, write_100k, write_lastfm


@pytest.fixture
def lastfm(tmp_path):
    return load_cold_start(str(write_lastfm(tmp_path / "lastfm")), None, Protocol())


@pytest.fixture
def films(tmp_path):
    """Films 6 and 7 are called the same, and nobody rated them."""
    folder = write_100k(tmp_path / "films")
    with (folder / "u.item").open("a") as file:
        for number in (6, 7):
            file.write(film_100k(number, "Twice, A (1990)", "", 1) + "\n")
    return load_cold_start(str(folder), None, Protocol(min_ratings=3, query_items=2))


def csv_of(tmp_path, *lines, name="user.csv"):
    write(tmp_path / name, list(lines))
    return tmp_path / name


def test_support(tmp_path, lastfm):
    user = read_new_user(csv_of(tmp_path, "item,rating", "q,1", "p,0"), lastfm)
    assert [lastfm.items[item] for item in user.support_items] == ["q", "p"]
    assert user.support_items.dtype == np.int32
    np.testing.assert_array_equal(user.support_ratings, np.array([1, 0], dtype=np.float32))
    assert user.support_ratings.dtype == np.float32
    assert [rows.tolist() for rows in user.features.rows] == [[0]]
    assert (user.unseen, user.warnings) == ((), ())


def test_items_that_training_never_saw_work(tmp_path, lastfm):
    user = read_new_user(csv_of(tmp_path, "item,rating", "q,1", "w,1", "t,0"), lastfm)
    assert user.unseen == ("w", "t")
    rows = lastfm.item_features.values[0][user.support_items]
    assert (rows[:, 0] == 0).tolist() == [False, True, True]


def test_items_called_by_title(tmp_path, films):
    path = csv_of(tmp_path, "rating,item", "3,Les Misérables (1934)", '5,"7"', "1,1")
    user = read_new_user(path, films)
    assert [films.items[item] for item in user.support_items] == ["2", "7", "1"]
    assert user.unseen == ("7",)


def test_title_of_two_items(tmp_path, films):
    path = csv_of(tmp_path, "item,rating", '"Twice, A (1990)",3')
    message = error_of(read_new_user, path, films)
    assert message == f"{path}:2: found the title 'Twice, A (1990)', expected one of the items 6, 7"


def test_identical_repetition_is_merged(tmp_path, films):
    path = csv_of(tmp_path, "item,rating", "1,3", "2,4", "Toys (1995),3.0", "1,3")
    user = read_new_user(path, films)
    assert user.support_ratings.tolist() == [3, 4]
    (warning,) = user.warnings
    assert warning.startswith(f"{path}:4: 2 ratings stand there already, dropped; the first is of ")


@pytest.mark.parametrize(
    ("lines", "message"),
    [
        ([], ":1: found an empty file, expected at least one line of text"),
        (["item,rating"], ":1: found nothing after the header, expected a line of item,rating"),
        (["q,r"], ":1: found nothing after the header"),
        (
            ["item,thumbs", "q,1"],
            ":1: found the header 'item,thumbs' without rating, expected the ",
        ),
        (["q,1", "p,0"], ":1: found data, 'q,1', in place of a header, expected the names of the "),
        (["item,rating", "q,2"], ":2: found the rating '2', expected 0 to 1"),
        (["item,rating", "q,-0.1"], ":2: found the rating '-0.1', expected 0 to 1"),
        (["item,rating", "q,good"], ":2: found the rating 'good', expected 0 to 1"),
        (["item,rating", "q,"], ":2: found no rating, expected a cell in each of the columns"),
        (["item,rating", "q"], ":2: found 1 column, expected 2 columns as in the header"),
        (["item,rating", "zzz,1"], ":2: found unknown item 'zzz', expected one of the 8 of lastfm"),
    ],
)
def test_unusable_ratings(tmp_path, lastfm, lines, message):
    path = csv_of(tmp_path, *lines)
    assert error_of(read_new_user, path, lastfm).startswith(f"{path}{message}")


def test_the_later_rating_of_an_item_counts(tmp_path, lastfm):
    path = csv_of(tmp_path, "item,rating", "q,1", "p,1", "q,0")
    user = read_new_user(path, lastfm)
    assert user.support_ratings.tolist() == [1, 0]
    (warning,) = user.warnings
    assert warning.startswith(f"{path}:2: 1 item was rated again by the same user")


def test_times_tell_which_rating_is_later(tmp_path, lastfm):
    path = csv_of(tmp_path, "item,rating,timestamp", "q,1,300", "q,0,200", "p,0,100")
    user = read_new_user(path, lastfm)
    assert dict(zip(user.support_items.tolist(), user.support_ratings.tolist(), strict=True)) == {
        lastfm.items.index("q"): 1,
        lastfm.items.index("p"): 0,
    }


def test_ratings_of_several_users(tmp_path, lastfm):
    """They are not taken for those of one."""
    path = csv_of(tmp_path, "userId,movieId,rating", "7,q,1", "7,p,0", "8,q,0")
    assert error_of(read_new_user, path, lastfm) == (
        f"{path}:4: found a rating by '8' below those by '7', expected the ratings of one user"
    )
    path = csv_of(tmp_path, "userId,movieId,rating", "7,q,1", "7,p,0")
    assert len(read_new_user(path, lastfm).support_items) == 2


def test_usual_words_for_the_columns(tmp_path, films):
    path = csv_of(tmp_path, "movieId,title,Stars", "1,Toys,3", "2,Les,4")
    assert read_new_user(path, films).support_ratings.tolist() == [3, 4]


def test_unknown_item_has_nearest_names(tmp_path, films):
    path = csv_of(tmp_path, "item,rating", "Toy (1995),3")
    assert "(did you mean 'Toys (1995)'" in error_of(read_new_user, path, films)


def rows_by_field(features, table):
    return {name: rows.tolist() for name, rows in zip(table.fields, features.rows, strict=True)}


def test_features_written_in_a_flag(tmp_path, films):
    table = films.user_features
    features = parse_user_features(" gender=F, occupation = artist ", table)
    gender, _, occupation, _ = table.vocabularies
    assert rows_by_field(features, table) == {
        "gender": [gender["F"]],
        "age": [0],
        "occupation": [occupation["artist"]],
        "zip": [0],
    }
    assert features.warnings == ()
    path = csv_of(tmp_path, "item,rating", "1,3")
    assert read_new_user(path, films, features).features is features


def test_no_features(films):
    features = parse_user_features("", films.user_features)
    assert [rows.tolist() for rows in features.rows] == [[0]] * 4


def test_value_that_training_never_showed(films):
    features = parse_user_features("gender=X", films.user_features)
    assert features.rows[0].tolist() == [0]
    (warning,) = features.warnings
    expected = "--user_features: gender 'X' does not occur in training, taken as unseen; known are "
    assert warning.startswith(expected)


@pytest.mark.parametrize(
    ("text", "message"),
    [
        ("gender", "--user_features: found 'gender', expected field=value,field=value"),
        ("gender=", "--user_features: found 'gender=', expected field=value,field=value"),
        ("=F", "--user_features: found '=F', expected field=value,field=value"),
        ("gender=F,gender=M", "--user_features: found gender twice, expected each field once"),
        ("gendr=F", "--user_features: found the field 'gendr' (did you mean 'gender'?), expected"),
    ],
)
def test_unusable_features(films, text, message):
    assert error_of(parse_user_features, text, films.user_features).startswith(message)


def test_several_values(tmp_path):
    folder = tmp_path / "csv"
    lines = [f"u{u},i{i},{(u + i) % 3}" for u in range(10) for i in range(4)]
    write(folder / "ratings.csv", ["user,item,rating", *lines])
    write(
        folder / "users.csv",
        ["user,likes", *[f"u{u},{'a|b|c' if u % 2 else 'a'}" for u in range(10)]],
    )
    data = load_cold_start(str(folder), None, Protocol(min_ratings=3, query_items=2))
    likes = data.user_features.vocabularies[0]
    features = parse_user_features("likes=c|a|d|e", data.user_features)
    assert features.rows[0].tolist() == [likes["c"], likes["a"], 0]
    assert len(features.warnings) == 2
    assert parse_user_features("likes=b", data.user_features).rows[0].tolist() == [
        likes["b"],
        -1,
        -1,
    ]
