"""The events of metrics.jsonl as TensorBoard scalars."""

from __future__ import annotations

import contextlib
import math
import os
import socket
import struct
import time
from collections.abc import Iterator, Mapping, Sequence
from pathlib import Path
from typing import Any

import numpy as np
from google.protobuf.message import DecodeError
from tensorboardX.proto import event_pb2, summary_pb2
from tensorboardX.record_writer import masked_crc32c

from kapl_jax.errors import UserError
from kapl_jax.runs.files import write_all
from kapl_jax.runs.lock import check_held
from kapl_jax.runs.program import print_warnings

# Which numbers of an event become scalars: event kind -> {key in the event: name of the scalar}.
_SCALARS: Mapping[str, Mapping[str, str]] = {
    "candidate": {"score": "candidate_score", "loss": "candidate_loss"},
    "epoch": {"loss": "loss", "score": "score"},
}
_PREFIX = "events.out.tfevents."


class TensorBoardLog:
    """Writes the scalars of a run's events; the step of an event is its index in metrics.jsonl.

    Tags read `stage/name`: a candidate gives `candidate_score`, `candidate_loss` and `best_score`
    (so far, in its stage), an epoch gives `loss` and, where it was evaluated, `score`, the best of
    those in training.

    These files only accompany a run. Where they cannot be written there is one warning; what they
    lack is written when the log is closed, or opened the next time. They are written at once and
    not by a thread with a queue, that would fill when the thread has died.
    """

    def __init__(self, path: Path, events: Sequence[Mapping[str, Any]]) -> None:
        """Write what the files in a folder lack.

        Args:
            path: Folder of the event files, made when there is something to write.
            events: The events of the run; more of them may follow, see `update`.
        """
        self._path = path
        self._events = events
        self._written = 0
        self._scalars = _Scalars()
        self._file: Path | None = None
        self._stream = -1
        self._failed = False
        with self._forgiven():
            self._catch_up()

    def update(self) -> None:
        """Write the scalars of the events that came since the last time.

        Raises:
            UserError: The run directory was removed, or is another process's now.
        """
        if not self._failed:
            with self._forgiven():
                self._write(self._new_scalars())

    def close(self) -> None:
        """Close the event files; if something is missing in them, write it."""
        lost = self._failed or (self._file is not None and not self._file.exists())
        if lost and self._path.parent.is_dir():
            # Of a run directory that is lost whatever ends the run tells.
            with contextlib.suppress(UserError), self._forgiven():
                self._catch_up()
        self._close_file()

    @contextlib.contextmanager
    def _forgiven(self) -> Iterator[None]:
        """Let a failure to write be no more than one warning."""
        try:
            yield
        except OSError as error:
            self._close_file()
            check_held(self._path)
            if not self._failed:
                print_warnings(
                    [
                        f"{self._path}: cannot be written: {error.strerror}; the run goes on, what "
                        "TensorBoard lacks is written at its end or when it is continued"
                    ]
                )
            self._failed = True

    def _catch_up(self) -> None:
        """Compare the files with the events, and write all scalars from the first difference on."""
        self._close_file()
        self._scalars, self._written = _Scalars(), 0
        found, expected = read_scalars(self._path), dict(self._new_scalars())
        steps = sorted(step for step, scalars in expected.items() if scalars)
        first = next((step for step in steps if found.get(step) != expected[step]), None)
        if first is not None:
            # What an interrupted run wrote from there on is to be dropped: else it is shown twice.
            self._open_file(purge_from=first if found else None)
            self._write((step, expected[step]) for step in steps if step >= first)

    def _new_scalars(self) -> Iterator[tuple[int, dict[str, float]]]:
        """Yield step and scalars of the events that were not looked at yet."""
        while self._written < len(self._events):
            step = self._written
            self._written += 1
            yield step, self._scalars.of(self._events[step])

    def _write(self, scalars: Iterator[tuple[int, dict[str, float]]]) -> None:
        for step, values in scalars:
            if values:
                if self._stream < 0:
                    self._open_file(purge_from=None)
                summary = [
                    summary_pb2.Summary.Value(tag=tag, simple_value=value)
                    for tag, value in values.items()
                ]
                self._append(step=step, summary=summary_pb2.Summary(value=summary))

    def _append(self, **event: Any) -> None:
        content = event_pb2.Event(wall_time=time.time(), **event).SerializeToString()
        length = struct.pack("<Q", len(content))
        parts = (length, _checksum(length), content, _checksum(content))
        write_all(self._stream, b"".join(parts))

    def _open_file(self, purge_from: int | None) -> None:
        # Not its parents: a run directory that was removed does not come back. Nor into what a
        # checkpoint that is being written makes of it for a moment.
        check_held(self._path)
        self._path.mkdir(exist_ok=True)
        # TensorBoard reads the files in the order of their names.
        earlier = [file.name.split(".")[3] for file in _event_files(self._path)]
        seconds = max([int(time.time()), *(int(one) + 1 for one in earlier if one.isdecimal())])
        self._file = self._path / f"{_PREFIX}{seconds:010d}.{socket.gethostname()}"
        self._stream = os.open(self._file, os.O_WRONLY | os.O_CREAT | os.O_EXCL, 0o644)
        self._append(file_version="brain.Event:2")
        if purge_from is not None:
            start = event_pb2.SessionLog(status=event_pb2.SessionLog.START)
            self._append(step=purge_from, session_log=start)

    def _close_file(self) -> None:
        if self._stream >= 0:
            with contextlib.suppress(OSError):
                os.close(self._stream)
        self._stream, self._file = -1, None


class _Scalars:
    """Makes the scalars of events, one after the other: each knows the best before it."""

    def __init__(self) -> None:
        self._best: dict[str, float] = {}

    def of(self, event: Mapping[str, Any]) -> dict[str, float]:
        """Return the scalars of the next event by tag, rounded to float32.

        Numbers that are null or not finite have none.
        """
        kind, stage = str(event.get("event")), str(event.get("stage", "run"))
        found = {}
        for key, name in _SCALARS.get(kind, {}).items():
            value = event.get(key)
            with np.errstate(over="ignore"):
                rounded = float(np.float32(value)) if isinstance(value, int | float) else math.nan
            if math.isfinite(rounded):
                found[f"{stage}/{name}"] = rounded
        score = found.get(f"{stage}/candidate_score")
        # A structure that was dropped early was not trained as long as those it would be held to.
        if score is not None and event.get("complete", True):
            self._best[stage] = max(score, self._best.get(stage, score))
            found[f"{stage}/best_score"] = self._best[stage]
        return found


def read_scalars(path: Path) -> dict[int, dict[str, float]]:
    """Return the scalars in a folder's event files as TensorBoard shows them, step -> tag -> value.

    A file is read up to the first record that cannot be.

    Raises:
        OSError: The folder or a file cannot be read.
    """
    shown: dict[int, dict[str, float]] = {}
    for file in _event_files(path):
        for event in _read_records(file.read_bytes()):
            if event.session_log.status == event_pb2.SessionLog.START:
                shown = {step: values for step, values in shown.items() if step < event.step}
            for value in event.summary.value:
                shown.setdefault(event.step, {})[value.tag] = value.simple_value
    return shown


def _event_files(path: Path) -> list[Path]:
    return sorted(path.glob(f"{_PREFIX}*"))


def _read_records(content: bytes) -> Iterator[Any]:
    """Yield the events of a file: each is length, its checksum, content, its checksum."""
    offset = 0
    while offset + 12 <= len(content):
        (length,) = struct.unpack_from("<Q", content, offset)
        start, end = offset + 12, offset + 12 + length
        event, check = content[start:end], content[end : end + 4]
        if content[offset + 8 : start] != _checksum(content[offset : offset + 8]):
            return
        if check != _checksum(event):
            return
        with contextlib.suppress(DecodeError):
            yield event_pb2.Event.FromString(event)
        offset = end + 4


def _checksum(content: bytes) -> bytes:
    return struct.pack("<I", masked_crc32c(content))
