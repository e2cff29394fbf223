from __future__ import annotations

import errno
import json
import os
from pathlib import Path

import numpy as np
import pytest

from kapl_jax.errors import UserError
from kapl_jax.runs.files import partial_path, plain, write_all, write_json, write_text


class Killed(Exception):
    """Stands for a kill at any moment."""


def test_plain_gives_jsons_types():
    value = {
        1: (np.float32(0.5), np.int8(-3), np.bool_(True)),
        "array": np.array([[1, 2], [3, 4]], np.int8),
        "lost": [np.nan, float("inf"), -np.inf, np.float32("nan")],
        "rest": ["text", None, 7, 2.5, False],
    }
    assert plain(value) == {
        "1": [0.5, -3, True],
        "array": [[1, 2], [3, 4]],
        "lost": [None] * 4,
        "rest": ["text", None, 7, 2.5, False],
    }
    json.dumps(plain(value), allow_nan=False)


@pytest.mark.parametrize("number", [0.1, 1 / 3, 1e-300, np.float64(0.7) / 3])
def test_numbers_survive_json(tmp_path, number):
    write_json(tmp_path / "a.json", {"number": number})
    assert json.loads((tmp_path / "a.json").read_text())["number"] == number


def test_a_path_that_is_no_text_survives_json(tmp_path):
    path = os.fsdecode(b"/data/gr\xffaph")
    write_json(tmp_path / "a.json", {"dataset_path": path})
    found = json.loads((tmp_path / "a.json").read_text(encoding="utf-8"))
    assert found == {"dataset_path": path}


def test_folders_are_made_and_nothing_is_left_beside(tmp_path):
    write_text(tmp_path / "new" / "folder" / "a.txt", "ä\n")
    assert (tmp_path / "new" / "folder" / "a.txt").read_text(encoding="utf-8") == "ä\n"
    assert [entry.name for entry in (tmp_path / "new" / "folder").iterdir()] == ["a.txt"]


@pytest.mark.parametrize("moment", ["os.fsync", "pathlib.Path.replace"])
def test_a_crash_leaves_the_earlier_file(tmp_path, monkeypatch, moment):
    path = tmp_path / "a.txt"
    write_text(path, "earlier")

    def crash(*_):
        raise Killed

    with monkeypatch.context() as patch:
        patch.setattr(moment, crash)
        with pytest.raises(Killed):
            write_text(path, "new")
    assert path.read_text() == "earlier"
    assert partial_path(path).exists()
    write_text(path, "new")
    assert path.read_text() == "new"
    assert not partial_path(path).exists()


def test_partial_is_beside_the_file():
    assert partial_path(Path("a/b.json")).parent == Path("a")


@pytest.mark.parametrize("moment", ["os.fsync", "pathlib.Path.replace", "pathlib.Path.open"])
@pytest.mark.parametrize(
    ("code", "remedy"),
    [
        (errno.ENOSPC, "there is room"),
        (errno.EFBIG, "there is room"),
        (errno.EROFS, "it can be written"),
    ],
)
def test_a_failure_is_one_line_and_leaves_the_earlier_file(
    tmp_path, monkeypatch, moment, code, remedy
):
    path = tmp_path / "a.txt"
    write_text(path, "earlier")

    def fail(*_, **__):
        raise OSError(code, os.strerror(code))

    with monkeypatch.context() as patch:
        patch.setattr(moment, fail)
        with pytest.raises(UserError, match=f"give the same command again when {remedy}") as caught:
            write_text(path, "new")
    assert str(caught.value).startswith(f"{path}: cannot be written: {os.strerror(code)}; ")
    assert [entry.name for entry in tmp_path.iterdir()] == ["a.txt"]
    assert path.read_text() == "earlier"


def test_all_is_written_however_little_one_call_takes(tmp_path, monkeypatch):
    real = os.write
    monkeypatch.setattr(os, "write", lambda descriptor, content: real(descriptor, content[:3]))
    descriptor = os.open(tmp_path / "a", os.O_WRONLY | os.O_CREAT)
    write_all(descriptor, b"0123456789")
    os.close(descriptor)
    assert (tmp_path / "a").read_bytes() == b"0123456789"
