from __future__ import annotations

import os
from pathlib import Path

import pytest

from kapl_jax.errors import UserError
from kapl_jax.runs import files
from kapl_jax.runs.lock import RunLock
from kapl_jax.runs.tensorboard import TensorBoardLog, read_scalars


def candidate(score: float | None, stage: str = "search", complete: bool = True) -> dict:
    return {
        "event": "candidate",
        "stage": stage,
        "score": score,
        "loss": 1.5,
        "complete": complete,
    }


def epoch(loss: float) -> dict:
    return {"event": "epoch", "stage": "search", "loss": loss}


def write(path: Path, *events: dict) -> None:
    """Log events one by one, as a run does."""
    recorded: list[dict] = []
    log = TensorBoardLog(path, recorded)
    for event in events:
        recorded.append(event)
        log.update()
    log.close()


def by_tag(path: Path) -> dict[str, dict[int, float]]:
    """Return step -> value of each tag, as TensorBoard shows it."""
    shown: dict[str, dict[int, float]] = {}
    for step, values in read_scalars(path).items():
        for tag, value in values.items():
            shown.setdefault(tag, {})[step] = value
    return shown


def test_scalars_stand_at_the_step_of_their_event(tmp_path):
    write(
        tmp_path,
        {"event": "stage", "stage": "search", "status": "start"},
        {"event": "epoch", "stage": "search", "epoch": 1, "loss": 3.0},
        candidate(0.5),
        candidate(0.25),
        candidate(0.75, stage="final"),
    )
    assert by_tag(tmp_path) == {
        "search/loss": {1: 3.0},
        "search/candidate_score": {2: 0.5, 3: 0.25},
        "search/candidate_loss": {2: 1.5, 3: 1.5},
        "search/best_score": {2: 0.5, 3: 0.5},
        "final/candidate_score": {4: 0.75},
        "final/candidate_loss": {4: 1.5},
        "final/best_score": {4: 0.75},
    }


def test_tensorboard_itself_reads_the_files(tmp_path):
    accumulators = pytest.importorskip("tensorboard.backend.event_processing.event_accumulator")
    write(tmp_path, candidate(0.5), candidate(0.25))
    write(tmp_path, candidate(0.5), candidate(0.75), candidate(1.0))
    found = accumulators.EventAccumulator(str(tmp_path)).Reload().Scalars("search/candidate_score")
    assert [(one.step, one.value) for one in found] == [(0, 0.5), (1, 0.75), (2, 1.0)]


@pytest.mark.parametrize("score", [None, float("nan"), float("-inf"), 1e300])
def test_a_diverged_candidate_has_no_score(tmp_path, score):
    write(tmp_path, candidate(score))
    assert set(by_tag(tmp_path)) == {"search/candidate_loss"}


def test_a_candidate_dropped_early_is_not_the_best(tmp_path):
    write(tmp_path, candidate(0.5), candidate(0.9, complete=False))
    shown = by_tag(tmp_path)
    assert shown["search/best_score"] == {0: 0.5}
    assert shown["search/candidate_score"] == {0: 0.5, 1: pytest.approx(0.9)}


def test_a_continued_run_shows_each_step_once_and_keeps_its_best(tmp_path):
    events = [candidate(0.25), candidate(0.875), candidate(0.5)]
    write(tmp_path, *events)
    # The last event was lost in the crash, then trained again.
    write(tmp_path, *events[:2], candidate(0.75))
    shown = by_tag(tmp_path)
    assert shown["search/candidate_score"] == {0: 0.25, 1: 0.875, 2: 0.75}
    assert shown["search/best_score"] == {0: 0.25, 1: 0.875, 2: 0.875}


def test_what_is_there_is_not_written_again(tmp_path):
    events = [candidate(0.25), candidate(0.5)]
    write(tmp_path, *events)
    TensorBoardLog(tmp_path, events).close()
    assert len(list(tmp_path.iterdir())) == 1
    TensorBoardLog(tmp_path / "none", []).close()
    assert not (tmp_path / "none").exists()


@pytest.mark.parametrize("left", [0, 5, 70, 200])
def test_what_a_crash_tore_is_written_again(tmp_path, left):
    events = [epoch(0.5), candidate(0.25), candidate(0.5), epoch(0.25)]
    write(tmp_path, *events)
    (file,) = tmp_path.iterdir()
    os.truncate(file, left)
    write(tmp_path, *events, epoch(0.125))
    write(tmp_path / "whole", *events, epoch(0.125))
    assert by_tag(tmp_path) == by_tag(tmp_path / "whole")


def fill_disk(monkeypatch: pytest.MonkeyPatch, room: int) -> None:
    """Let all writes together have so many bytes of room."""
    left = [room]
    real = os.write

    def short_write(descriptor, content):
        if len(content) and not left[0]:
            raise OSError(28, "No space left on device")
        written = real(descriptor, content[: left[0]])
        left[0] -= written
        return written

    monkeypatch.setattr(files.os, "write", short_write)


@pytest.mark.parametrize("room", [0, 10, 100, 300])
def test_a_full_disk_is_one_warning_and_made_good_for_at_the_end(
    tmp_path, monkeypatch, capsys, room
):
    events = [candidate(score / 8) for score in range(8)]
    write(tmp_path / "whole", *events)
    recorded = events[:2]
    with monkeypatch.context() as patch:
        fill_disk(patch, room)
        log = TensorBoardLog(tmp_path / "log", recorded)
        for event in events[2:]:
            recorded.append(event)
            log.update()
    assert capsys.readouterr().err.count("\n") == 1
    log.close()
    assert capsys.readouterr().err == ""
    assert by_tag(tmp_path / "log") == by_tag(tmp_path / "whole")


def test_a_disk_that_stays_full_is_made_good_for_when_the_run_is_continued(
    tmp_path, monkeypatch, capsys
):
    events = [candidate(score / 8) for score in range(8)]
    with monkeypatch.context() as patch:
        fill_disk(patch, 300)
        write(tmp_path / "log", *events)
    printed = capsys.readouterr().err
    assert printed.startswith(f"warning: {tmp_path / 'log'}: cannot be written: No space left")
    assert printed.count("\n") == 1
    write(tmp_path / "log", *events)
    write(tmp_path / "whole", *events)
    assert by_tag(tmp_path / "log") == by_tag(tmp_path / "whole")


def test_a_file_in_its_place_is_one_warning(tmp_path, capsys):
    (tmp_path / "log").write_text("")
    write(tmp_path / "log", candidate(0.5), candidate(0.75))
    assert capsys.readouterr().err.count("\n") == 1


def test_files_removed_on_the_way_are_there_at_the_end(tmp_path):
    recorded = [candidate(0.5)]
    log = TensorBoardLog(tmp_path, recorded)
    for file in tmp_path.iterdir():
        file.unlink()
    recorded.append(candidate(0.75))
    log.update()
    log.close()
    assert by_tag(tmp_path)["search/candidate_score"] == {0: 0.5, 1: 0.75}


@pytest.mark.parametrize("made", [False, True])
def test_a_run_directory_that_is_lost_does_not_come_back(tmp_path, capsys, made):
    """Not even into what a checkpoint makes of it for a moment; no warning adds to the error."""
    run, recorded = tmp_path / "run", list[dict]()
    run.mkdir()
    lock = RunLock(run)
    log = TensorBoardLog(run / "tensorboard", recorded)
    run.rename(tmp_path / "gone")
    if made:
        run.mkdir()
    recorded.append(candidate(0.5))
    with pytest.raises(UserError, match="was removed while the run worked in it"):
        log.update()
    log.close()
    assert not made or list(run.iterdir()) == []
    lock.release()
    assert capsys.readouterr().err == ""
