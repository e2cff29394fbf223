from __future__ import annotations

import pytest

from kapl_jax.errors import UserError
from kapl_jax.methods.queries import query_from_flags, read_queries


def test_one_end_is_asked():
    query = query_from_flags("ann", "likes", None)
    assert (query.head, query.relation, query.tail) == ("ann", "likes", None)
    query = query_from_flags("", "likes", "bob")
    assert (query.head, query.relation, query.tail) == (None, "likes", "bob")
    assert query.place == "--tail=bob --relation=likes"


@pytest.mark.parametrize(
    ("flags", "message"),
    [
        (("ann", None, None), "--relation: missing"),
        (("ann", "", None), "--relation: missing"),
        (("ann", "likes", "bob"), "both given, expected exactly one"),
        ((None, "likes", ""), "neither given, expected exactly one"),
    ],
)
def test_flags_that_are_no_query(flags, message):
    with pytest.raises(UserError, match=message):
        query_from_flags(*flags)


def test_a_file_of_queries(tmp_path):
    path = tmp_path / "queries.txt"
    path.write_bytes(
        "\ufeffann likes ?\n\n ?\tis friend of\tbob\u2028marley \r\nzoë likes ?\n".encode()
    )
    queries = read_queries(path)
    assert [(one.head, one.relation, one.tail) for one in queries] == [
        ("ann", "likes", None),
        (None, "is friend of", "bob\u2028marley"),
        ("zoë", "likes", None),
    ]
    assert [one.place for one in queries] == [f"{path}:{line}" for line in (1, 3, 4)]


@pytest.mark.parametrize(
    ("content", "message"),
    [
        (b"", ":1: found an empty file"),
        (b"\n \n", ":1: found an empty file"),
        (b"ann likes ?\nann likes\n", ":2: found 2 columns, expected 3"),
        (b"ann likes very much\n", ":1: found 4 columns"),
        (b"ann likes bob\n", ":1: found 'ann likes bob', expected exactly one \\?"),
        (b"? likes ?\n", "expected exactly one"),
        (b"ann ? bob\n", "expected exactly one"),
        (b"ann ? ?\n", "expected exactly one"),
        (b"ann likes ?\nzo\xeb likes ?\n", ":2: found byte 0xeb .* expected text in UTF-8"),
    ],
)
def test_files_that_are_no_queries(tmp_path, content, message):
    path = tmp_path / "queries.txt"
    path.write_bytes(content)
    with pytest.raises(UserError, match=message) as caught:
        read_queries(path)
    assert str(caught.value).startswith(str(path))
    assert "\n" not in str(caught.value)


def test_a_file_that_is_not_there(tmp_path):
    for path in (tmp_path / "missing.txt", tmp_path):
        with pytest.raises(UserError, match="cannot be read"):
            read_queries(path)
