import pytest

from kapl_jax.data.rating_csv import read_csv_folder, read_ratings_file
from tests.data.graph_folders import write
from tests.data.rating_folders import error_of, write_csv


def fields(entities):
    return {field.name: field.values for field in entities.fields}


@pytest.mark.parametrize("ending", ["csv", "tsv"])
def test_ids_are_the_fields_where_there_are_no_features(tmp_path, ending):
    table = read_csv_folder(write_csv(tmp_path, users=2, items=3, ending=ending))
    assert table.users.names == ("u0", "u1")
    assert fields(table.users) == {"user": [("u0",), ("u1",)]}
    assert fields(table.items) == {"item": [("i0",), ("i1",), ("i2",)]}
    assert table.rating_range == (1, 3)
    assert (table.items.titles, table.items.years, table.tasks) == ((), None, None)


def test_columns_are_found_by_name(tmp_path):
    path = tmp_path / "any.csv"
    write(path, ["rating,time,item,user", "0.5,now,p,ann", "2,then,q,ann"])
    table = read_ratings_file(path)
    assert (table.users.names, table.items.names) == (("ann",), ("p", "q"))
    assert table.ratings.values.tolist() == [0.5, 2]
    assert table.rating_range == (0.5, 2)


def test_features(tmp_path):
    folder = write_csv(tmp_path, users=2, items=2)
    write(folder / "users.csv", ["name,age,likes", "u1,30, a | b |a", "u0,,"])
    write(folder / "items.tsv", ["id\ttitle\tyear\tkind", "i0\tOne, two\t1999\tx", "i1\tTwo\t\ty"])
    table = read_csv_folder(folder)
    assert fields(table.users) == {"age": [(), ("30",)], "likes": [(), ("a", "b")]}
    assert fields(table.items) == {
        "year": [("1999",), ()],
        "kind": [("x",), ("y",)],
        "item": [("i0",), ("i1",)],
    }
    assert table.items.titles == ("One, two", "Two")
    assert table.items.years.tolist() == [1999, 0]
    assert table.warnings == ()


def test_titles_alone_are_enough_for_items(tmp_path):
    folder = write_csv(tmp_path, users=1, items=2)
    write(folder / "items.csv", ["item,title", "i0,One", "i1,Two"])
    table = read_csv_folder(folder)
    assert fields(table.items) == {"item": [("i0",), ("i1",)]}
    assert table.items.titles == ("One", "Two")


def test_features_of_others(tmp_path):
    folder = write_csv(tmp_path, users=2, items=1)
    write(folder / "users.csv", ["name,age", "u1,30", "u7,30", "u8,30"])
    users = folder / "users.csv"
    assert read_csv_folder(folder).warnings == (
        f"{users}:3: 2 of 3 users have no ratings; the first is 'u7'",
        f"{users}: 1 of 2 rated users are missing, taken as unseen; the first is 'u0'",
    )


@pytest.mark.parametrize(
    ("file", "lines", "message"),
    [
        ("ratings", ["user,item", "a,p"], ":1: found the header 'user,item' without rating, expec"),
        ("ratings", ["user,item,rating"], ":1: found nothing after the header, expected a line of"),
        ("ratings", ["user,item,rating", "a,p,x"], ":2: found the rating 'x', expected a number"),
        ("ratings", ["user,item,rating", ",p,1"], ":2: found no user, expected a cell in each"),
        ("ratings", ["user,item,rating", "a,p,1"], ":2: found the rating 1 and no other, expected"),
        ("ratings", [], ":1: found an empty file, expected at least one line of text"),
        ("users", ["user", "u0"], ":1: found the header 'user', expected at least one feature"),
        ("users", ["id,user", "u0,a"], ":1: found a feature called user, expected user as first"),
        ("items", ["item,x", "i0,a", "i0,b"], ":3: found item 'i0', which is on line 2 already"),
        ("items", ["item,x", ",a"], ":2: found no item, expected a cell in each of the columns"),
    ],
)
def test_unusable_files(tmp_path, file, lines, message):
    folder = write_csv(tmp_path)
    write(folder / f"{file}.csv", lines)
    assert error_of(read_csv_folder, folder).startswith(f"{folder / file}.csv{message}")


@pytest.mark.parametrize(
    "header",
    [
        "userId,movieId,rating,timestamp",
        "user_id,item_id,rating,timestamp",
        "uid,iid,score,ts",
        '"User-ID";"ISBN";"Book-Rating";"Date"',
        "user\titem\tRating\ttime",
        "reviewerID,asin,overall,unixReviewTime",
        "user_id:token,item_id:token,rating:float,timestamp:float",
    ],
)
def test_usual_words_for_the_columns(tmp_path, header):
    separator = next(mark for mark in ";\t," if mark in header)
    rows = ["a,p,1,1", "a,q,2,1"]
    write(tmp_path / "ratings.csv", [header, *(row.replace(",", separator) for row in rows)])
    table = read_csv_folder(tmp_path)
    assert (table.users.names, table.items.names) == (("a",), ("p", "q"))
    assert table.ratings.values.tolist() == [1, 2]


@pytest.mark.parametrize(
    ("file", "lines"),
    [
        ("ratings", ["1,2,5", "1,3,4"]),
        ("ratings", ["1,1,1", "1,3,4"]),
        ("ratings", ["ann,p,4.5", "ann,q,3"]),
        ("users", ["u0,F,artist", "u1,M,writer"]),
        ("users", ["1,24", "2,31"]),
        ("items", ["i0,One", "i1,Two"]),
    ],
)
def test_data_in_place_of_a_header(tmp_path, file, lines):
    folder = write_csv(tmp_path)
    write(folder / f"{file}.csv", lines)
    message = error_of(read_csv_folder, folder)
    assert message.startswith(
        f"{folder / file}.csv:1: found data, {lines[0]!r}, in place of a header"
    )
