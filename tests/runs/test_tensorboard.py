import struct
from pathlib import Path

import pytest
from tensorboardX.proto import event_pb2

from kapl_jax.runs.tensorboard import TensorBoardLog


def candidate(score: float | None, stage: str = "search", complete: bool = True) -> dict:
    return {
        "event": "candidate",
        "stage": stage,
        "score": score,
        "loss": 1.5,
        "complete": complete,
    }


def read_records(file: Path) -> list[event_pb2.Event]:
    """Read the records of an event file: length, its checksum, content, its checksum."""
    content, records, place = file.read_bytes(), [], 0
    while place < len(content):
        (length,) = struct.unpack_from("<Q", content, place)
        records.append(event_pb2.Event.FromString(content[place + 12 : place + 12 + length]))
        place += length + 16
    return records


def read_folder(folder: Path) -> dict[str, dict[int, float]]:
    """Return step -> value for each tag, as TensorBoard shows it: a restart drops later steps."""
    shown: dict[str, dict[int, float]] = {}
    for file in sorted(folder.iterdir(), key=lambda one: int(one.suffix[1:])):
        for record in read_records(file):
            if record.session_log.status == event_pb2.SessionLog.START:
                shown = {
                    tag: {step: value for step, value in steps.items() if step < record.step}
                    for tag, steps in shown.items()
                }
            for value in record.summary.value:
                steps = shown.setdefault(value.tag, {})
                assert record.step not in steps, "a step is shown twice"
                steps[record.step] = pytest.approx(value.simple_value)
    return shown


def test_scalars_stand_at_the_step_of_their_event(tmp_path: Path) -> None:
    log = TensorBoardLog(tmp_path)
    log.add({"event": "stage", "stage": "search", "status": "start"})
    log.add({"event": "epoch", "stage": "search", "epoch": 1, "loss": 3.0})
    log.add(candidate(0.5))
    log.add(candidate(0.25))
    log.add(candidate(0.75, stage="final"))
    log.close()
    assert read_folder(tmp_path) == {
        "search/loss": {1: 3.0},
        "search/candidate_score": {2: 0.5, 3: 0.25},
        "search/candidate_loss": {2: 1.5, 3: 1.5},
        "search/best_score": {2: 0.5, 3: 0.5},
        "final/candidate_score": {4: 0.75},
        "final/candidate_loss": {4: 1.5},
        "final/best_score": {4: 0.75},
    }


@pytest.mark.parametrize("score", [None, float("nan"), float("-inf")])
def test_a_diverged_candidate_has_no_score(tmp_path: Path, score: float | None) -> None:
    log = TensorBoardLog(tmp_path)
    log.add(candidate(score))
    log.close()
    assert set(read_folder(tmp_path)) == {"search/candidate_loss"}


def test_a_candidate_dropped_early_is_not_the_best(tmp_path: Path) -> None:
    log = TensorBoardLog(tmp_path)
    log.add(candidate(0.5))
    log.add(candidate(0.9, complete=False))
    log.close()
    shown = read_folder(tmp_path)
    assert shown["search/best_score"] == {0: 0.5}
    assert shown["search/candidate_score"] == {0: 0.5, 1: 0.9}


def test_a_resumed_run_shows_each_step_once_and_keeps_its_best(tmp_path: Path) -> None:
    events = [candidate(0.25), candidate(0.875), candidate(0.5)]
    log = TensorBoardLog.resume(tmp_path, [])
    for event in events:
        log.add(event)
    log.close()
    # The last event was lost in the crash, then trained again.
    log = TensorBoardLog.resume(tmp_path, events[:2])
    log.add(candidate(0.75))
    log.close()
    shown = read_folder(tmp_path)
    assert shown["search/candidate_score"] == {0: 0.25, 1: 0.875, 2: 0.75}
    assert shown["search/best_score"] == {0: 0.25, 1: 0.875, 2: 0.875}
