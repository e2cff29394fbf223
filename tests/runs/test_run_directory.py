from __future__ import annotations

import errno
import json
import os

import pytest

from kapl_jax.errors import UserError
from kapl_jax.runs import run_directory
from kapl_jax.runs.files import partial_path
from kapl_jax.runs.run_directory import CONFIG, METRICS, RESULTS, RunDirectory, read_run

CONFIG_A = {
    "method": "toy",
    "settings": {"rate": 0.5, "size": 3, "dims": (1, 2)},
    "dataset": {"name": "g", "entities": 7},
    "versions": {"python": "3.11"},
}


def open_and_log(folder, *events, config=CONFIG_A):
    run = RunDirectory.open(folder, config)
    run.log(*events)
    run.close()
    return run


def scores(events):
    return [event["score"] for event in events]


def test_what_was_logged_is_read(tmp_path):
    folder = tmp_path / "deep" / "run"
    run = RunDirectory.open(folder, CONFIG_A)
    run.log({"event": "candidate", "stage": "search", "score": float("nan")})
    run.log({"event": "candidate", "stage": "final", "score": 0.5}, {"event": "epoch", "score": 2})
    assert scores(run.recorded("candidate")) == [None, 0.5]
    assert scores(run.recorded("candidate", "final")) == [0.5]
    assert not run.is_finished
    run.write_results({"best": {"structure": (1, 2)}})
    assert run.is_finished
    run.close()
    found = read_run(folder)
    assert found.path == folder
    assert found.config["settings"]["dims"] == [1, 2]
    assert scores(found.events) == [None, 0.5, 2]
    assert found.results == {"best": {"structure": [1, 2]}}


def test_a_path_that_is_no_text_is_refused_before_anything_is_trained(tmp_path):
    folder = tmp_path / os.fsdecode(b"r\xffn")
    with pytest.raises(UserError, match=r"bytes that are not UTF-8.*; give another --workdir"):
        RunDirectory.open(folder, CONFIG_A)
    assert not any(tmp_path.iterdir())


def test_names_that_are_no_text_are_recorded(tmp_path):
    name = os.fsdecode(b"gr\xffaph")
    open_and_log(tmp_path, {"event": "a", "name": name})
    assert [event["name"] for event in read_run(tmp_path).events] == [name]


def test_the_file_that_is_in_the_way_is_named(tmp_path):
    open_and_log(tmp_path)
    (tmp_path / METRICS).unlink()
    (tmp_path / METRICS).mkdir()
    with pytest.raises(UserError, match=f"{METRICS}: Is a directory"):
        RunDirectory.open(tmp_path, CONFIG_A)


def test_several_events_are_one_write(tmp_path, monkeypatch):
    """A kill between two writes would part them."""
    run = RunDirectory.open(tmp_path, CONFIG_A)
    real, written = os.write, []
    monkeypatch.setattr(os, "write", lambda fd, data: written.append(bytes(data)) or real(fd, data))
    run.log({"event": "a"}, {"event": "b"})
    assert [data.count(b"\n") for data in written if b'"event"' in data] == [2]
    run.close()


def test_a_write_in_parts_is_whole(tmp_path, monkeypatch):
    real = os.write
    monkeypatch.setattr(os, "write", lambda fd, data: real(fd, data[:7]))
    open_and_log(tmp_path, {"event": "a", "score": 1}, {"event": "a", "score": 2})
    assert scores(read_run(tmp_path).events) == [1, 2]


@pytest.mark.parametrize("room", [0, 1, 30, 60])
@pytest.mark.parametrize("code", [errno.ENOSPC, errno.EDQUOT, errno.EIO])
def test_a_failed_write_leaves_the_record_as_it_was(tmp_path, monkeypatch, room, code):
    run = RunDirectory.open(tmp_path, CONFIG_A)
    run.log({"event": "a", "score": 1})
    left, real = [room], os.write

    def fail(descriptor, data):
        if not left[0]:
            raise OSError(code, os.strerror(code))
        written = real(descriptor, data[: left[0]])
        left[0] -= written
        return written

    with monkeypatch.context() as patch:
        patch.setattr(os, "write", fail)
        with pytest.raises(UserError, match=f"{METRICS}: cannot be written: ") as caught:
            run.log({"event": "a", "score": 2}, {"event": "a", "score": 3})
    assert "give the same command again" in str(caught.value)
    assert scores(run.events) == [1]
    run.log({"event": "a", "score": 4})
    run.close()
    assert scores(read_run(tmp_path).events) == [1, 4]


def test_a_run_is_continued(tmp_path):
    open_and_log(tmp_path, {"event": "a", "score": 1})
    open_and_log(tmp_path, {"event": "a", "score": 2})
    run = RunDirectory.open(tmp_path, {**CONFIG_A, "versions": {"python": "3.12"}})
    assert scores(run.events) == [1, 2]
    run.close()
    assert read_run(tmp_path).config["versions"] == {"python": "3.11"}


def test_seconds_are_summed_over_interruptions(tmp_path, monkeypatch):
    clock = {"now": 100.0}
    monkeypatch.setattr(run_directory.time, "monotonic", lambda: clock["now"])
    run = RunDirectory.open(tmp_path, CONFIG_A)
    clock["now"] = 103.0
    run.log({"event": "a"})
    run.close()
    clock["now"] = 5000.0
    run = RunDirectory.open(tmp_path, CONFIG_A)
    clock["now"] = 5002.0
    run.log({"event": "b"})
    run.close()
    assert [event["seconds"] for event in read_run(tmp_path).events] == [3.0, 5.0]


@pytest.mark.parametrize("torn", [b"{", b'{"event": "a", "sc', b'{"event": "a"}', b"\xc3"])
def test_a_torn_last_line_is_cut_off(tmp_path, torn):
    open_and_log(tmp_path, {"event": "a", "score": 1})
    with (tmp_path / METRICS).open("ab") as stream:
        stream.write(torn)
    assert scores(read_run(tmp_path).events) == [1]
    open_and_log(tmp_path, {"event": "a", "score": 2})
    assert scores(read_run(tmp_path).events) == [1, 2]


@pytest.mark.parametrize(
    "line", [b"oops", b"[1]", b"\xff\xfe", b'{"event": "a"{"event": "a"}', b"\0"]
)
def test_lines_that_cannot_be_read_are_left_out_with_a_warning(tmp_path, capsys, line):
    open_and_log(tmp_path, {"event": "a", "score": 1})
    with (tmp_path / METRICS).open("ab") as stream:
        stream.write(line + b'\n{"event": "a", "score": 2}\n' + line + b"\n")
    assert scores(read_run(tmp_path).events) == [1, 2]
    assert f"{METRICS}:2 and 1 more lines: found {line!r}" in capsys.readouterr().err
    open_and_log(tmp_path, {"event": "a", "score": 3})
    assert capsys.readouterr().err.count("\n") == 1
    assert scores(read_run(tmp_path).events) == [1, 2, 3]
    assert capsys.readouterr().err == ""


@pytest.mark.parametrize(
    ("change", "message"),
    [
        ({"method": "other"}, "method 'toy', not 'other'"),
        ({"settings": {"rate": 0.5, "size": 4, "dims": (1, 2)}}, "--size=3, not 4"),
        ({"settings": {"rate": 0.5, "size": 3}}, r"--dims=\[1, 2\], not None"),
        ({"dataset": {"name": "g", "entities": 8}}, "dataset entities=7, not 8"),
        ({"settings": dict.fromkeys("abcd", 1)}, "and 4 more"),
    ],
)
def test_another_run_is_refused_and_left_alone(tmp_path, change, message):
    open_and_log(tmp_path, {"event": "a", "score": 1})
    with pytest.raises(UserError, match=message) as caught:
        RunDirectory.open(tmp_path, {**CONFIG_A, **change})
    assert str(tmp_path) in str(caught.value)
    assert "\n" not in str(caught.value)
    assert scores(read_run(tmp_path).events) == [1]


def test_a_foreign_folder_is_refused_and_left_alone(tmp_path):
    (tmp_path / "thesis.tex").write_text("text")
    with pytest.raises(UserError, match="not empty and is no run directory"):
        RunDirectory.open(tmp_path, CONFIG_A)
    assert [entry.name for entry in tmp_path.iterdir()] == ["thesis.tex"]


def test_a_run_killed_at_its_first_file_can_begin_again(tmp_path):
    partial_path(tmp_path / CONFIG).write_text('{"meth')
    open_and_log(tmp_path, {"event": "a", "score": 1})
    assert scores(read_run(tmp_path).events) == [1]


def test_what_cannot_be_written_is_one_line(tmp_path):
    (tmp_path / "file").write_text("")
    blocked = tmp_path / "blocked"
    open_and_log(blocked)
    (blocked / METRICS).unlink()
    (blocked / METRICS).mkdir()
    for folder in (tmp_path / "file", tmp_path / "file" / "run", blocked, tmp_path / ("x" * 300)):
        with pytest.raises(UserError, match="cannot write the run directory") as caught:
            RunDirectory.open(folder, CONFIG_A)
        assert str(folder) in str(caught.value)
        assert "\n" not in str(caught.value)


def test_a_folder_that_may_not_be_written_is_one_line(tmp_path, monkeypatch):
    def refuse(*_, **__):
        raise PermissionError(13, "Permission denied")

    monkeypatch.setattr(run_directory, "write_json", refuse)
    with pytest.raises(UserError, match="cannot write the run directory: Permission denied"):
        RunDirectory.open(tmp_path / "run", CONFIG_A)


def test_no_run_directory_cannot_be_read(tmp_path):
    with pytest.raises(UserError, match="not a run directory"):
        read_run(tmp_path / "missing")


@pytest.mark.parametrize("name", [CONFIG, RESULTS])
@pytest.mark.parametrize(("content", "line"), [(b'{\n"a": 1,\nb\n}', 3), (b"[1]", 1), (b"\xff", 1)])
def test_broken_files_are_named(tmp_path, name, content, line):
    open_and_log(tmp_path)
    (tmp_path / name).write_bytes(content)
    with pytest.raises(UserError, match=f"{name}:{line}: ") as caught:
        read_run(tmp_path)
    assert "\n" not in str(caught.value)


def test_names_of_any_language_are_kept(tmp_path):
    open_and_log(tmp_path, {"event": "a", "name": "größer\u2028日本"})
    assert read_run(tmp_path).events[0]["name"] == "größer\u2028日本"
    assert "größer" in (tmp_path / METRICS).read_text(encoding="utf-8")
    json.loads((tmp_path / METRICS).read_text(encoding="utf-8").rstrip("\n"))
