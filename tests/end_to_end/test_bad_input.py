"""Every kind of bad input ends in one line that names the place, or in a counted warning."""

from __future__ import annotations

from pathlib import Path

import pytest

from tests.data.graph_folders import small_graph, write_openke
from tests.end_to_end.programs import SMALL, Done, assert_one_line_error, run_program
from tests.methods.autoblm.tiny import write_tiny_graph

pytestmark = pytest.mark.usefixtures("compiled")


def search(folder: Path, *arguments: str) -> Done:
    return run_program(folder, "autoblm", "--dataset=graph", "--workdir=run", *SMALL, *arguments)


def change_line(path: Path, number: int, change) -> None:
    """Replace line `number` (from 1) by `change(line)`, in bytes."""
    lines = path.read_bytes().split(b"\n")
    lines[number - 1] = change(lines[number - 1])
    path.write_bytes(b"\n".join(lines))


@pytest.mark.parametrize(
    ("file", "number", "change", "words"),
    [
        ("valid.txt", 2, lambda line: line.rsplit(b"\t", 1)[0], ("2 columns", "expected 3")),
        ("test.txt", 3, lambda line: b"stranger\t" + line.split(b"\t", 1)[1], ("'stranger'",)),
        ("train.txt", 5, lambda line: b"caf\xe9" + line, ("byte 0xe9", "expected text in UTF-8")),
        ("test.txt", 4, lambda line: b"", ("blank line",)),
    ],
    ids=["two columns", "unknown entity in test", "Latin-1", "blank line"],
)
def test_a_bad_line_of_names(tmp_path, file, number, change, words):
    write_tiny_graph(tmp_path / "graph")
    change_line(tmp_path / "graph" / file, number, change)
    assert_one_line_error(search(tmp_path), f"graph/{file}:{number}: ", *words)
    assert not (tmp_path / "run").exists()


@pytest.mark.parametrize(
    ("file", "number", "change", "words"),
    [
        ("train2id.txt", 1, lambda line: b"7", ("the count '7'", "expected 2")),
        ("valid2id.txt", 2, lambda line: b"0 99 0", ("99",)),
        ("test2id.txt", 2, lambda line: b"0 1 -1", ("-1",)),
        ("entity2id.txt", 3, lambda line: b"bob\t7", ("7",)),
    ],
    ids=["a count that lies", "entity out of range", "relation out of range", "id out of range"],
)
def test_a_bad_line_of_ids(tmp_path, file, number, change, words):
    write_openke(tmp_path / "graph", small_graph())
    change_line(tmp_path / "graph" / file, number, change)
    assert_one_line_error(search(tmp_path), f"graph/{file}:{number}: ", *words)


@pytest.mark.parametrize("file", ["train.txt", "valid.txt", "test.txt"])
def test_an_empty_file(tmp_path, file):
    write_tiny_graph(tmp_path / "graph")
    (tmp_path / "graph" / file).write_bytes(b"")
    assert_one_line_error(search(tmp_path), f"graph/{file}:1: found an empty file")


def test_a_missing_file_or_folder(tmp_path):
    write_tiny_graph(tmp_path / "graph")
    (tmp_path / "graph" / "valid.txt").unlink()
    assert_one_line_error(search(tmp_path), "graph: found test.txt, train.txt", "valid.txt")
    assert_one_line_error(search(tmp_path, "--dataset=nowhere"), "--dataset", "'nowhere'")
    flags = ("--dataset=nations", "--data_dir=nowhere")
    assert_one_line_error(search(tmp_path, *flags), "--data_dir", "nowhere")


@pytest.mark.parametrize(
    ("flag", "words"),
    [
        ("--candidates=0", ("--candidates=0: out of range, expected at least 1",)),
        ("--learning_rate=-1", ("--learning_rate=-1.0: out of range",)),
        ("--embedding_dim=10", ("--embedding_dim=10: expected a multiple of --num_blocks=4",)),
        ("--epochs=many", ("--epochs=many",)),
        ("--searcher=oracle", ("--searcher=oracle", "evolutionary")),
        ("--candidate=3", ("candidate", "candidates")),
        ("--structure=oracle", ("--structure", "'oracle'")),
        ("--structure=1 0; 0", ("--structure: row 2",)),
        ("--presets=oracle", ("--presets", "'oracle'")),
        ("more", ("more: unexpected argument",)),
    ],
)
def test_a_bad_flag(tmp_path, flag, words):
    assert_one_line_error(search(tmp_path, flag), *words)


def test_a_workdir_that_cannot_be_used(tmp_path):
    write_tiny_graph(tmp_path / "graph")
    assert_one_line_error(search(tmp_path, "--workdir=graph"), "graph: the folder is not empty")
    (tmp_path / "file").write_text("")
    assert_one_line_error(search(tmp_path, "--workdir=file"), "file: cannot write")
    assert_one_line_error(search(tmp_path, "--workdir=file/run"), "file/run: cannot write")


def test_oddities_are_counted_and_another_run_is_refused(tmp_path):
    folder = write_tiny_graph(tmp_path / "graph")
    lines = {name: (folder / f"{name}.txt").read_text().splitlines() for name in ("train", "test")}
    # Lines 41 and 42 of training are there already; line 13 of test is the second of training.
    train = [*lines["train"], lines["train"][0], lines["train"][4]]
    (folder / "train.txt").write_text("\n".join(train) + "\n")
    (folder / "test.txt").write_text("\n".join([*lines["test"], lines["train"][1]]) + "\n")
    done = search(tmp_path, "--structure=distmult|complex|analogy|simple")
    assert done.returncode == 0, done.stderr
    first, second = done.stderr.splitlines()
    assert first.startswith("warning: graph/train.txt:41: 2 triples duplicate, dropped")
    assert second.startswith("warning: graph/test.txt:13: 1 triple also in training, kept")
    before = (tmp_path / "run" / "results.json").read_bytes()
    other = search(tmp_path, "--structure=distmult")
    assert_one_line_error(other, "run: holds another run", "--structure=", "another --workdir")
    assert (tmp_path / "run" / "results.json").read_bytes() == before
