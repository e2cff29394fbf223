import numpy as np
import pytest

from kapl_jax.data.lastfm import read_lastfm
from tests.data.graph_folders import write
from tests.data.rating_folders import error_of, write_lastfm


@pytest.fixture
def folder(tmp_path):
    return write_lastfm(tmp_path)


def named(table, tasks):
    return [
        (
            table.users.names[task.user],
            *(
                [table.items.names[item] for item in table.ratings.items[rows]]
                for rows in (task.support, task.query)
            ),
        )
        for task in tasks
    ]


def test_tasks_are_those_of_the_files(folder):
    table = read_lastfm(folder)
    assert table.users.names == ("ann", "bob", "cid", "dan")
    assert table.items.names == tuple("pqrstuvw")
    assert table.rating_range == (0, 1)
    assert named(table, table.tasks.train) == [("ann", ["p", "q", "r"], ["s"])]
    assert named(table, table.tasks.valid) == [("bob", ["p", "q"], ["t"])]
    assert named(table, table.tasks.test) == [("cid", ["q", "u"], ["v"])]
    np.testing.assert_array_equal(table.ratings.values[table.tasks.train[0].support], [0, 1, 0])
    assert table.warnings == ()


def test_tasks_stand_in_the_order_of_their_numbers(folder):
    with (folder / "ratings_final.txt").open("a") as file:
        file.write("eve\tp\t1\neve\tq\t0\nfay\tp\t1\nfay\tq\t0\n")
    evidence = folder / "training" / "evidence"
    for number, user in ((10, "eve"), (2, "fay")):
        write(evidence / f"supp_x_{number}_u_m_ids.txt", [f"{user}\tp"])
        write(evidence / f"query_x_{number}_u_m_ids.txt", [f"{user}\tq"])
    table = read_lastfm(folder)
    assert [task[0] for task in named(table, table.tasks.train)] == ["ann", "fay", "eve"]


@pytest.mark.parametrize(
    ("file", "lines", "message"),
    [
        ("supp", ["bob\tp", "ann\tq"], ":2: found user 'ann', expected 'bob' as on the first line"),
        ("query", ["ann\tq"], ":1: found user 'ann', expected 'bob' as on the first line"),
        ("query", ["bob\tw"], ":1: found item 'w', expected one that the user rates in ratings_"),
        ("supp", ["bob\tp", "bob\tp"], ":2: found item 'p', which is at "),
        ("query", ["bob\tt", "bob\tq"], ":2: found item 'q', which is at "),
        ("supp", [], ":1: found an empty file, expected at least one line of text"),
        ("query", [" "], ":1: found an empty file, expected at least one line of text"),
        ("supp", ["bob"], ":1: found 1 column ('bob'), expected 2 separated by white space"),
    ],
)
def test_unusable_task(folder, file, lines, message):
    path = folder / "validation" / "evidence" / f"{file}_x_0_u_m_ids.txt"
    write(path, lines)
    assert error_of(read_lastfm, folder).startswith(f"{path}{message}")


def test_second_task_of_a_user(folder):
    place = folder / "testing" / "evidence"
    write(place / "supp_x_0_u_m_ids.txt", ["ann\tp"])
    message = error_of(read_lastfm, folder)
    other = folder / "training" / "evidence" / "supp_x_0_u_m_ids.txt"
    assert message.startswith(
        f"{place}/supp_x_0_u_m_ids.txt:1: found user 'ann', whose task is in "
    )
    assert str(other) in message


def test_missing_query(folder):
    (folder / "training" / "evidence" / "query_x_0_u_m_ids.txt").unlink()
    assert "query_x_0_u_m_ids.txt: cannot be read: " in error_of(read_lastfm, folder)


def test_no_tasks(folder):
    evidence = folder / "testing" / "evidence"
    (evidence / "supp_x_0_u_m_ids.txt").unlink()
    message = error_of(read_lastfm, folder)
    assert message == f"{evidence}: found no tasks, expected supp_x_0_u_m_ids.txt and so on"
    (evidence / "query_x_0_u_m_ids.txt").unlink()
    evidence.rmdir()
    assert error_of(read_lastfm, folder) == message


@pytest.mark.parametrize(
    ("line", "message"),
    [
        ("dan\tw\t2", ":12: found the rating '2', expected 0 to 1"),
        ("dan\tw", ":12: found 2 columns ('dan\\tw'), expected 3 separated by tabs"),
    ],
)
def test_unusable_rating(folder, line, message):
    path = folder / "ratings_final.txt"
    path.write_text(path.read_text() + line + "\n")
    assert error_of(read_lastfm, folder).startswith(f"{path}{message}")
