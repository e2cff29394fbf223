import zipfile

import pytest

from kapl_jax.data.rating_files import (
    filled_columns,
    find_folders,
    read_csv,
    read_member,
    roots,
    split_at,
)
from tests.data.graph_folders import write
from tests.data.rating_folders import error_of, zip_of


def csv_of(tmp_path, text, name="table.csv", encoding="utf-8"):
    path = tmp_path / name
    path.write_bytes(text.encode(encoding))
    return path


def test_columns_cells_and_lines(tmp_path):
    path = csv_of(tmp_path, 'a, b ,c\r\n1,"x, ""y""", z \r\n2,,w\r\n\r\n')
    table = read_csv(path, "a,b,c")
    assert table.columns == {"a": ["1", "2"], "b": ['x, "y"', ""], "c": ["z", "w"]}
    assert table.lines.tolist() == [2, 3]


def test_tabs(tmp_path):
    table = read_csv(csv_of(tmp_path, "a\tb\n1,5\tx y\n", "table.tsv"), "a,b")
    assert table.columns == {"a": ["1,5"], "b": ["x y"]}


@pytest.mark.parametrize(
    ("text", "message"),
    [
        ("a,b\n1,2\n1\n", ":3: found 1 column, expected 2 columns as in the header: a, b"),
        ("a,b\n1,2,3\n", ":2: found 3 columns, expected 2 columns as in the header: a, b"),
        ("a,b\n\n1,2\n", ":2: found a blank line, expected 2 columns as in the header: a, b"),
        ("a,b\n", ":1: found nothing after the header, expected a line of a,b"),
        ("a,a\n1,2\n", ":1: found the header 'a,a', expected different names: a,b"),
        ("a,\n1,2\n", ":1: found the header 'a,', expected different names: a,b"),
        ('a,b\n1,"2\n', ":2: found text that is not CSV (unexpected end of data), expected quoted"),
        ("", ":1: found an empty file, expected at least one line of text"),
    ],
)
def test_malformed_csv(tmp_path, text, message):
    path = csv_of(tmp_path, text)
    assert error_of(read_csv, path, "a,b").startswith(f"{path}{message}")


@pytest.mark.parametrize("name", ["table.txt", "table", "TABLE.CSV"])
@pytest.mark.parametrize("separator", [",", ";", "\t"])
def test_the_separator_of_other_names_is_looked_for(tmp_path, name, separator):
    text = "a,b\n1,x y\n".replace(",", separator)
    assert read_csv(csv_of(tmp_path, text, name), "a,b").columns == {"a": ["1"], "b": ["x y"]}


def test_latin_1_bytes_in_csv(tmp_path):
    path = csv_of(tmp_path, "a,b\n1,\u00e9\n", encoding="latin-1")
    message = error_of(read_csv, path, "a,b")
    assert message == f"{path}:2: found byte 0xe9 at byte offset 6, expected text in UTF-8"


def test_filled_columns(tmp_path):
    table = read_csv(csv_of(tmp_path, "a,b,c\n1,2,3\n4,,6\n"), "a,b")
    assert filled_columns(table, ("c", "a")) == [["3", "6"], ["1", "4"]]
    message = error_of(filled_columns, table, ("a", "b"))
    assert message == f"{table.path}:3: found no b, expected a cell in each of the columns"


@pytest.mark.parametrize("separator", [",", ";", "\t"])
def test_separators_of_csv(tmp_path, separator):
    text = f'"a"{separator}"b"\n"1{separator}"{separator}2\n'
    table = read_csv(csv_of(tmp_path, text), "a,b")
    assert table.columns == {"a": [f"1{separator}".strip()], "b": ["2"]}


@pytest.mark.parametrize("encoding", ["latin-1", "utf-8", "utf-8-sig"])
def test_encodings_of_old_and_new_files(tmp_path, encoding):
    path = csv_of(tmp_path, "Mis\u00e9rables\n", encoding=encoding)
    assert read_member(path, or_latin_1=True).lines == ["Mis\u00e9rables"]


def test_archive_that_unpacks_to_more_than_memory(tmp_path):
    archive = tmp_path / "bomb.zip"
    with (
        zipfile.ZipFile(archive, "w", zipfile.ZIP_DEFLATED) as writer,
        writer.open("u.data", "w") as member,
    ):
        for _ in range(80):
            member.write(b"1" * 2**20)
    (root,) = roots(archive)
    message = error_of(read_member, root / "u.data")
    assert message.startswith(f"{archive}/u.data: found ")
    assert "bytes that unpack to 83886080, expected a text file" in message


def test_split_at(tmp_path):
    file = read_member(
        csv_of(tmp_path, "1::\u00e9::\n2::b::c\n", encoding="latin-1"), or_latin_1=True
    )
    assert split_at(file, "::", ("x", "y", "z")) == [["1", "2"], ["\u00e9", "b"], ["", "c"]]
    message = error_of(split_at, file, "::", ("x", "y"))
    assert ":1: found 3 columns ('1::\u00e9::'), expected 2 separated by '::': x, y" in message


@pytest.mark.parametrize("below", ["here.txt", "a/here.txt", "a/b/here.txt"])
def test_folders_and_archives_are_searched_alike(tmp_path, below):
    write(tmp_path / "data" / below, ["line"])
    archive = zip_of(tmp_path / "data", tmp_path / "z" / "data.zip", "top")
    (folder,) = find_folders(tmp_path / "data", "here.txt")
    assert read_member(folder / "here.txt").lines == ["line"]
    for place in (archive, archive.parent):
        found = [folder for root in roots(place) for folder in find_folders(root, "here.txt")]
        if below.count("/") < 2:
            assert read_member(found[0] / "here.txt").lines == ["line"]
        else:
            assert found == []


def test_nearest_folders_win(tmp_path):
    for below in ("b/x", "a/x", "a/deeper/x"):
        write(tmp_path / below, ["line"])
    assert find_folders(tmp_path, "x") == [tmp_path / "a", tmp_path / "b"]


def test_messages_name_the_archive_and_the_file(tmp_path):
    (tmp_path / "data").mkdir()
    (tmp_path / "data" / "x").touch()
    archive = zip_of(tmp_path / "data", tmp_path / "data.zip", "top")
    (root,) = roots(archive)
    (folder,) = find_folders(root, "x")
    assert error_of(read_member, folder / "x").startswith(f"{archive}/top/x:1: found an empty file")


def test_damaged_archives(tmp_path):
    path = tmp_path / "data.zip"
    path.write_bytes(b"no archive")
    assert error_of(lambda: list(roots(path))).startswith(f"{path}: found no archive")
    with zipfile.ZipFile(path, "w") as writer:
        writer.writestr("x", "text that is stored as it is")
    path.write_bytes(path.read_bytes().replace(b"stored", b"broken"))
    (root,) = roots(path)
    assert error_of(read_member, root / "x").startswith(f"{path}/x: cannot be read: Bad CRC-32")
