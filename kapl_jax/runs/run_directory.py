"""The run directory: what a run leaves behind, and from which it continues."""

from __future__ import annotations

import contextlib
import dataclasses
import json
import os
import time
from collections.abc import Mapping
from pathlib import Path
from typing import Any

from kapl_jax.errors import UserError
from kapl_jax.runs.config import CONFIG, check_same_run, read_config, read_json
from kapl_jax.runs.files import (
    encoded,
    partial_path,
    plain,
    write_all,
    write_bytes,
    write_json,
    writing,
)
from kapl_jax.runs.lock import RunLock, is_of_lock
from kapl_jax.runs.program import print_warnings
from kapl_jax.runs.results_shape import RESULTS as RESULTS_SHAPE
from kapl_jax.runs.results_shape import fit_results
from kapl_jax.runs.tensorboard import TensorBoardLog

METRICS, RESULTS = "metrics.jsonl", "results.json"


@dataclasses.dataclass(frozen=True)
class Run:
    """A run as read from its directory.

    Attributes:
        path: The run directory.
        config: Contents of config.json.
        events: The lines of metrics.jsonl in order.
        results: Contents of results.json, None while the run is not finished.
    """

    path: Path
    config: dict[str, Any]
    events: list[dict[str, Any]]
    results: dict[str, Any] | None


def read_run(path: str | Path) -> Run:
    """Read a run directory, finished or not.

    Raises:
        UserError: `path` is no run directory or one of its files cannot be read. Of lines of
            metrics.jsonl that cannot be read there is a warning.
    """
    folder = Path(path)
    if not (folder / CONFIG).is_file():
        raise UserError(
            f"{folder}: not a run directory, there is no {CONFIG} in it; expected the --workdir "
            "of an earlier run"
        )
    results = None
    if (file := folder / RESULTS).is_file():
        results = fit_results(read_json(file), RESULTS_SHAPE, file)
    return Run(folder, read_config(folder), _read_events(folder / METRICS).events, results)


class RunDirectory:
    """Writes one run: opened anew or continued, never mixed with another, by one process at a time.

    Events are appended to metrics.jsonl, durable once `log` returns. A line torn by a crash is cut
    off when the run is opened again, lines that cannot be read are left out with a warning: what
    they recorded is done again. `seconds` in the events is the time spent in this run, summed
    over its interruptions.
    """

    def __init__(
        self, path: Path, config: dict[str, Any], events: list[dict[str, Any]], lock: RunLock
    ) -> None:
        self.path = path
        self.config = config
        self._lock = lock
        self.events = events
        self._earlier = float(events[-1].get("seconds", 0.0)) if events else 0.0
        self._started = time.monotonic()
        self._stream = os.open(path / METRICS, os.O_WRONLY | os.O_CREAT | os.O_APPEND, 0o644)
        self._tensorboard = TensorBoardLog(path / "tensorboard", self.events)

    @classmethod
    def open(
        cls, path: str | Path, config: Mapping[str, Any], defaults: Mapping[str, Any] | None = None
    ) -> RunDirectory:
        """Create the run directory, or continue the run in it when its identity is the same.

        Args:
            path: The run directory; made with its parents when missing.
            config: What config.json holds; "method", "settings" and "dataset" are the identity.
                In a run that is continued "dataset_path", where the data lie, is renewed.
            defaults: All settings that there are, with their defaults, see `config`.

        Raises:
            UserError: The folder cannot be written, holds something else, or holds a run with
                other settings (the first few differences are named); or another process works
                there.
        """
        folder = Path(path)
        _refuse_bytes(folder)
        try:
            folder.mkdir(parents=True, exist_ok=True)
            _refuse_foreign(folder)
            lock = RunLock(folder)
            try:
                return cls._open(folder, plain(dict(config)), plain(dict(defaults or {})), lock)
            except BaseException:
                lock.release()
                raise
        except OSError as error:
            inside = error.filename not in (None, str(folder))
            reason = f"{error.filename}: {error.strerror}" if inside else error.strerror
            raise UserError(f"{folder}: cannot write the run directory: {reason}") from None

    @classmethod
    def _open(
        cls, folder: Path, wanted: dict[str, Any], defaults: dict[str, Any], lock: RunLock
    ) -> RunDirectory:
        if not (folder / CONFIG).is_file():
            write_json(folder / CONFIG, wanted)
            return cls(folder, wanted, [], lock)
        config = read_config(folder)
        check_same_run(folder, config, wanted, defaults)
        path = wanted.get("dataset_path")
        if path is not None and path != config.get("dataset_path"):
            config["dataset_path"] = path
            write_json(folder / CONFIG, config)
        read = _read_events(folder / METRICS)
        if read.damaged:
            write_bytes(folder / METRICS, read.intact)
        elif (folder / METRICS).is_file():
            os.truncate(folder / METRICS, len(read.intact))
        return cls(folder, config, read.events, lock)

    @property
    def seconds(self) -> float:
        """Time spent in this run so far, its interruptions left out."""
        return self._earlier + time.monotonic() - self._started

    def log(self, *events: Mapping[str, Any]) -> None:
        """Append events, all or none, each with `seconds` added.

        Raises:
            UserError: They cannot be written, or another process has taken the run over; the
                record is as it was before.
        """
        self._lock.check()
        seconds = round(self.seconds, 3)
        stamped = [plain({**event, "seconds": seconds}) for event in events]
        lines = "".join(json.dumps(event, ensure_ascii=False) + "\n" for event in stamped)
        with writing(self.path / METRICS):
            self._append(encoded(lines))
        self.events.extend(stamped)
        self._tensorboard.update()

    def _append(self, content: bytes) -> None:
        before = os.fstat(self._stream).st_size
        try:
            write_all(self._stream, content)
            os.fsync(self._stream)
        except BaseException:
            # Else what a full disk left of a line would be the start of the next one.
            with contextlib.suppress(OSError):
                os.ftruncate(self._stream, before)
            raise

    def recorded(self, event: str, stage: str | None = None) -> list[dict[str, Any]]:
        """Return the events of one kind (and stage) in the order they were logged."""
        return [
            entry
            for entry in self.events
            if entry.get("event") == event and (stage is None or entry.get("stage") == stage)
        ]

    @property
    def is_finished(self) -> bool:
        """Whether results.json is there: nothing is left to be done.

        One that cannot be read is as good as none, with a warning: all that it held is recorded.
        """
        if not (self.path / RESULTS).is_file():
            return False
        try:
            read_json(self.path / RESULTS)
        except UserError as error:
            print_warnings([f"{error}; it is written again"])
            return False
        return True

    def write_results(self, results: Mapping[str, Any]) -> None:
        """Write results.json, all or nothing.

        Raises:
            UserError: It cannot be written, or another process has taken the run over.
        """
        self._lock.check()
        write_json(self.path / RESULTS, results)

    def close(self) -> None:
        """Close the event files and let others work in the run directory."""
        os.close(self._stream)
        self._tensorboard.close()
        self._lock.release()


def _refuse_bytes(folder: Path) -> None:
    """Refuse a path that is no text: after all the training no checkpoint could be written."""
    try:
        str(folder.absolute()).encode()
    except UnicodeEncodeError:
        raise UserError(
            f"{folder.absolute()}: found a path with bytes that are not UTF-8, expected text; "
            "give another --workdir"
        ) from None


def _refuse_foreign(folder: Path) -> None:
    """Refuse a folder that holds something else than a run.

    A run killed while it wrote its first file leaves only part of that file behind, and its lock.
    """
    names = {entry.name for entry in folder.iterdir()} - {partial_path(folder / CONFIG).name}
    # Looked for last: another process may begin the run just now.
    if any(not is_of_lock(name) for name in names) and not (folder / CONFIG).is_file():
        raise UserError(
            f"{folder}: the folder is not empty and is no run directory (no {CONFIG}); "
            "give --workdir a new folder"
        )


@dataclasses.dataclass(frozen=True)
class _Record:
    """What metrics.jsonl holds.

    Attributes:
        events: Its events.
        intact: The bytes of their lines; a torn last line is left out.
        damaged: How many lines within cannot be read.
    """

    events: list[dict[str, Any]]
    intact: bytes
    damaged: int


def _read_events(path: Path) -> _Record:
    """Read metrics.jsonl, with a warning where lines cannot be read."""
    if not path.is_file():
        return _Record([], b"", 0)
    try:
        content = path.read_bytes()
    except OSError as error:
        raise UserError(f"{path}: cannot be read: {error.strerror}") from None
    lines = content[: content.rfind(b"\n") + 1].split(b"\n")[:-1]
    events = [_parse_event(line) for line in lines]
    damaged = [number for number, event in enumerate(events, start=1) if event is None]
    if damaged:
        first, more = damaged[0], f" and {len(damaged) - 1} more lines" if damaged[1:] else ""
        print_warnings(
            [
                f"{path}:{first}{more}: found {lines[first - 1][:40]!r}, expected a JSON object; "
                "left out, what it recorded is done again when the run is continued"
            ]
        )
        lines = [line for line, event in zip(lines, events, strict=True) if event is not None]
    intact = b"".join(line + b"\n" for line in lines)
    return _Record([event for event in events if event is not None], intact, len(damaged))


def _parse_event(line: bytes) -> dict[str, Any] | None:
    try:
        event = json.loads(line)
    except (ValueError, RecursionError):
        return None
    return event if isinstance(event, dict) else None
