import pytest

from kapl_jax.data.text import quote, read_text_file, split_columns, take_count_line
from kapl_jax.errors import UserError

COLUMNS = ("head", "relation", "tail")


def file_of(tmp_path, content: bytes):
    path = tmp_path / "file.txt"
    path.write_bytes(content)
    return path


def message_of(action, *arguments) -> str:
    with pytest.raises(UserError) as caught:
        action(*arguments)
    message = str(caught.value)
    assert "\n" not in message
    return message


@pytest.mark.parametrize(
    "content",
    [b"a\nb\n", b"a\nb", b"a\r\nb\r\n", b"a\nb\n\n\r\n  \n", b"\xef\xbb\xbfa\nb\n"],
    ids=["unix", "no end", "windows", "blank last lines", "byte order mark"],
)
def test_line_ends_blank_last_lines_and_byte_order_mark(tmp_path, content):
    assert read_text_file(file_of(tmp_path, content)).lines == ["a", "b"]


def test_only_line_feeds_end_a_line(tmp_path):
    content = "a\u2028b\x85c\x0bd\n".encode()
    assert read_text_file(file_of(tmp_path, content)).lines == ["a\u2028b\x85c\x0bd"]


@pytest.mark.parametrize("content", [b"", b"\n \r\n", b"\xef\xbb\xbf"])
def test_empty_file(tmp_path, content):
    path = file_of(tmp_path, content)
    message = message_of(read_text_file, path)
    assert message == f"{path}:1: found an empty file, expected at least one line of text"


@pytest.mark.parametrize("mark", [b"", b"\xef\xbb\xbf"])
def test_latin_1_bytes(tmp_path, mark):
    path = file_of(tmp_path, mark + "ann\nbob\nJos\u00e9\n".encode("latin-1"))
    message = message_of(read_text_file, path)
    offset = 11 + len(mark)
    assert message == f"{path}:3: found byte 0xe9 at byte offset {offset}, expected text in UTF-8"
    assert path.read_bytes()[offset] == 0xE9


def test_missing_file(tmp_path):
    message = message_of(read_text_file, tmp_path / "absent.txt")
    assert message.startswith(f"{tmp_path / 'absent.txt'}: cannot be read: ")


def test_columns_at_tabs_may_hold_spaces(tmp_path):
    file = read_text_file(file_of(tmp_path, b"new york \tin\tusa\nx\tin\ty z\n"))
    assert split_columns(file, COLUMNS) == [["new york", "x"], ["in", "in"], ["usa", "y z"]]


def test_columns_at_white_space(tmp_path):
    file = read_text_file(file_of(tmp_path, b"a  r b \nc\tr d\n"))
    assert split_columns(file, COLUMNS) == [["a", "c"], ["r", "r"], ["b", "d"]]


@pytest.mark.parametrize(
    ("line", "found", "separator"),
    [
        ("c\tr", "2 columns ('c\\tr')", "tabs"),
        ("c\tr\td\te", "4 columns ('c\\tr\\td\\te')", "tabs"),
        ("c\t\td", "3 columns, number 2 empty ('c\\t\\td')", "tabs"),
        ("c r d", "1 column ('c r d')", "tabs"),
        ("", "a blank line", "tabs"),
    ],
)
def test_wrong_number_of_columns(tmp_path, line, found, separator):
    path = file_of(tmp_path, f"a\tr\tb\n{line}\nlast\tr\tb\n".encode())
    message = message_of(split_columns, read_text_file(path), COLUMNS)
    expected = f"3 separated by {separator}: head relation tail"
    assert message == f"{path}:2: found {found}, expected {expected}"


@pytest.mark.parametrize(("line", "count"), [("c r", 2), ("c r d e", 4)])
def test_wrong_number_of_columns_at_white_space(tmp_path, line, count):
    path = file_of(tmp_path, f"a r b\n{line}\n".encode())
    message = message_of(split_columns, read_text_file(path), COLUMNS)
    assert message.startswith(
        f"{path}:2: found {count} columns ({line!r}), expected 3 separated by"
    )


def test_count_line_is_taken_off(tmp_path):
    file = take_count_line(read_text_file(file_of(tmp_path, b"02\r\na\r\nb\r\n\r\n")))
    assert file.lines == ["a", "b"]
    assert file.error(1, "x", "y").args[0] == f"{file.path}:3: found x, expected y"


@pytest.mark.parametrize(
    ("content", "rest"),
    [
        (b"3\na\nb\n", "found the count '3', expected 2, as so many lines follow"),
        (b"1\na\nb\n", "found the count '1', expected 2, as so many lines follow"),
        (b"a\nb\n", "found 'a', expected the number of lines that follow"),
        (b"-1\nb\n", "found '-1', expected the number of lines that follow"),
        (b"0\n", "found nothing after the count, expected at least one line"),
    ],
)
def test_count_line_that_lies(tmp_path, content, rest):
    path = file_of(tmp_path, content)
    assert message_of(take_count_line, read_text_file(path)) == f"{path}:1: {rest}"


def test_quotes_stay_on_one_short_line():
    assert quote("a\nb") == r"'a\nb'"
    assert len(quote("x" * 10_000)) < 80
