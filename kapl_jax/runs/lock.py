"""The lock of a run directory: one process at a time writes a run.

The lock is a folder `lock` that holds one file, named by a token of its holder. It is made to the
side and renamed: a rename onto a folder that is not empty fails everywhere, network file systems
included, so that of several processes one succeeds. The file of a dead holder is removed by its
name, which cannot hit that of a living one. Nothing depends on `flock`.
"""

from __future__ import annotations

import atexit
import contextlib
import dataclasses
import errno
import json
import os
import shutil
import socket
import tempfile
import threading
import time
import uuid
from collections.abc import Callable
from pathlib import Path

import psutil

from kapl_jax.errors import UserError
from kapl_jax.runs.program import print_warnings

LOCK = "lock"
# A holder shows that it lives so often; one that did not for so long, on another machine, is dead.
_RENEWED_SECONDS = 5.0
_STALE_SECONDS = 60.0
_POLL_SECONDS = 0.5
_TAKEN = (errno.EEXIST, errno.ENOTEMPTY)
_HELD: dict[Path, RunLock] = {}


class RunLock:
    """The right to write a run directory, held by this process until it is released.

    A thread renews it, so that processes on other machines see that the holder lives.
    """

    def __init__(self, folder: Path) -> None:
        """Take the lock of `folder`; a dead holder is no obstacle.

        Whether the holder lives is asked of the system on its machine. Elsewhere it shows it by
        renewing the lock; that may have to be waited for.

        Raises:
            UserError: Another process works there; the message says which.
            OSError: The folder cannot be written.
        """
        self._folder = folder.absolute()
        self._me = _Holder.this_process()
        self._ended = threading.Event()
        self._finish_first = dict[Callable[[], None], None]()
        _take(self._folder, self._me)
        _HELD[self._folder] = self
        atexit.register(self.release)
        threading.Thread(target=self._renew, name="run-lock", daemon=True).start()

    def check(self) -> None:
        """Check that the lock is held still: who was stopped for long may have lost it.

        Raises:
            UserError: It is not.
        """
        try:
            # Opening asks the server of a network file system, where a look-up need not.
            os.close(os.open(self._file, os.O_RDONLY))
        except OSError as error:
            raise UserError(self._loss(error)) from None

    def finish_first(self, finish: Callable[[], None]) -> None:
        """Have `finish`, which raises nothing, called before the lock is released.

        For what threads still write. Giving the same callable again changes nothing.
        """
        self._finish_first[finish] = None

    def release(self) -> None:
        """Give the lock up; does nothing where it is not held by this process."""
        # A forked process has the object, but neither the lock nor the threads.
        if self._me.pid == os.getpid():
            while self._finish_first:
                self._finish_first.popitem()[0]()
        self._ended.set()
        atexit.unregister(self.release)
        _HELD.pop(self._folder, None)
        if self._me.pid == os.getpid():
            _remove(self._file)

    @property
    def _file(self) -> Path:
        return self._folder / LOCK / self._me.token

    def _renew(self) -> None:
        while not self._ended.wait(_RENEWED_SECONDS):
            with contextlib.suppress(OSError):
                os.utime(self._file)

    def _loss(self, error: OSError) -> str:
        if not isinstance(error, FileNotFoundError | NotADirectoryError):
            return f"{self._file}: cannot be read: {error.strerror}"
        found = _Found.read(self._folder)
        if found is None:
            return (
                f"{self._folder}: it, or its lock, was removed while the run worked in it; give "
                "the same command again"
            )
        return (
            f"{self._folder}: {found.who} has taken it over while this process did not answer; "
            "nothing more is written, give the same command again to continue"
        )


def check_held(path: Path) -> None:
    """Check that this process still holds the locks it took of folders above `path`.

    Raises:
        UserError: It does not.
    """
    for lock in held_locks(path):
        lock.check()


def held_locks(path: Path) -> list[RunLock]:
    """Return the locks that this process holds of folders above `path`."""
    return [_HELD[folder] for folder in _held_above(path)]


def remove_made(path: Path) -> None:
    """Remove `path`, and what is empty then up to the run directory, this included.

    Libraries make folders as they write. What they make of a run directory that has just been
    removed would be taken for something else than a run.
    """
    shutil.rmtree(path, ignore_errors=True)
    for top in _held_above(path):
        for folder in path.absolute().parents:
            with contextlib.suppress(OSError):
                folder.rmdir()
            if folder == top:
                break


def _held_above(path: Path) -> list[Path]:
    return [folder for folder in path.absolute().parents if folder in _HELD]


def is_of_lock(name: str) -> bool:
    """Tell whether an entry of a run directory belongs to its lock."""
    return name == LOCK or name.startswith(f"{LOCK}.")


@dataclasses.dataclass(frozen=True)
class _Holder:
    """A process that holds a lock, or wants to.

    Attributes:
        token: Unique.
        host: Name of its machine, for people.
        machine: Its machine since it was started, and there its space of process numbers.
        pid: Its number.
        started: When it was started: numbers come again.
        since: When it took the lock, for people.
    """

    token: str
    host: str
    machine: str
    pid: int
    started: float
    since: str

    @classmethod
    def this_process(cls) -> _Holder:
        pid = os.getpid()
        started = psutil.Process(pid).create_time()
        since = time.strftime("%Y-%m-%d %H:%M:%S")
        return cls(uuid.uuid4().hex, socket.gethostname(), _machine(), pid, started, since)


@dataclasses.dataclass(frozen=True)
class _Found:
    """A lock as it is found.

    Attributes:
        file: The holder's file.
        holder: What it says; None where that cannot be read.
        renewed: When it was last renewed, by the clock of the file system.
    """

    file: Path
    holder: _Holder | None
    renewed: float

    @classmethod
    def read(cls, folder: Path) -> _Found | None:
        """Return the lock of a folder, None where there is none."""
        try:
            file = next((folder / LOCK).iterdir(), None)
            if file is None:
                return None
            with file.open("rb") as stream:
                content, renewed = stream.read(), os.fstat(stream.fileno()).st_mtime
        except (FileNotFoundError, NotADirectoryError):
            return None
        try:
            return cls(file, _Holder(**json.loads(content)), renewed)
        except (ValueError, TypeError):
            return cls(file, None, renewed)

    @property
    def who(self) -> str:
        if self.holder is None:
            return "another process"
        one = self.holder
        return f"process {one.pid} on {one.host} (since {one.since})"

    def lives(self) -> bool | None:
        """Tell whether the holder lives, where the system of its machine can be asked."""
        if self.holder is None or self.holder.machine != _machine():
            return None
        try:
            process = psutil.Process(self.holder.pid)
            if process.status() in (psutil.STATUS_ZOMBIE, psutil.STATUS_DEAD):
                return False
            # Of a process that started at another time nothing is sure: clocks are set.
            return True if abs(process.create_time() - self.holder.started) < 2 else None
        except psutil.NoSuchProcess:
            return False
        except psutil.Error:
            return None


def _take(folder: Path, me: _Holder) -> None:
    """Make `me` the holder of the lock of `folder`."""
    first: _Found | None = None
    began = time.monotonic()
    while not _place(folder, me):
        found = _Found.read(folder)
        if found is None:
            continue
        lives = found.lives()
        if lives is None:
            if first is None or first.file != found.file:
                first, began = found, time.monotonic()
                _say_that_it_waits(folder, found)
            waited = time.monotonic() - began
            lives = _judge(found.renewed - first.renewed, waited, _age(folder, found))
        if lives:
            raise UserError(
                f"{folder}: {found.who} works there; wait for its end, or give another --workdir"
            )
        if lives is None:
            time.sleep(_POLL_SECONDS)
        else:
            _remove(found.file)


def _judge(renewed: float, waited: float, age: float) -> bool | None:
    """Tell whether a holder lives by whether it renews its lock; None where that is not sure yet.

    Args:
        renewed: By how much the time of its renewal has moved while it was waited for.
        waited: How long it was waited for.
        age: How long ago it was renewed last, by the clock of the file system.
    """
    if renewed != 0:
        return True
    return False if max(age, waited) > _STALE_SECONDS else None


def _say_that_it_waits(folder: Path, found: _Found) -> None:
    if _age(folder, found) <= _STALE_SECONDS:
        print_warnings(
            [
                f"{folder}: {found.who} may work there; waiting for a sign of it, "
                f"{_STALE_SECONDS:.0f} seconds at most"
            ]
        )


def _age(folder: Path, found: _Found) -> float:
    """Return how long ago a lock was renewed: the server's clock need not be this machine's."""
    with tempfile.TemporaryFile(dir=folder) as probe:
        return os.fstat(probe.fileno()).st_mtime - found.renewed


def _place(folder: Path, me: _Holder) -> bool:
    """Put the lock of `me` in its place; tell whether it was free."""
    side = folder / f"{LOCK}.{me.token}"
    try:
        side.mkdir()
        (side / me.token).write_text(json.dumps(dataclasses.asdict(me)), encoding="utf-8")
        with contextlib.suppress(OSError):
            # Left empty by a holder that was removed; some file systems rename onto nothing only.
            (folder / LOCK).rmdir()
        side.rename(folder / LOCK)
    except OSError as error:
        shutil.rmtree(side, ignore_errors=True)
        # The side folder is gone where another process has just got the lock and cleaned up.
        if error.errno in _TAKEN or (error.errno == errno.ENOENT and folder.is_dir()):
            return False
        raise
    for waste in folder.glob(f"{LOCK}.*"):
        shutil.rmtree(waste, ignore_errors=True)
    return True


def _remove(file: Path) -> None:
    """Remove a holder's file, and the lock that is empty then."""
    with contextlib.suppress(OSError):
        file.unlink()
    with contextlib.suppress(OSError):
        file.parent.rmdir()


def _machine() -> str:
    """Return what tells machines, their starts and containers apart."""
    try:
        boot = Path("/proc/sys/kernel/random/boot_id").read_text(encoding="ascii").strip()
        return f"{boot} {os.readlink('/proc/self/ns/pid')}"
    except OSError:
        return f"{socket.gethostname()} {uuid.getnode():x}"
