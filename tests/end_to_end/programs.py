"""Runs the programs as a user does, in processes that need not import everything anew.

A server process has imported what the programs need, and forks for each of them: they start at
once, and end as they would in a terminal, with a status, output and errors of their own.
"""

from __future__ import annotations

import contextlib
import dataclasses
import multiprocessing
import os
import resource
import runpy
import sys
import threading
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

import pytest
from tqdm import tqdm

ROOT = Path(__file__).resolve().parents[2]
# A whole run of a second or two; all stages at one dimension, with as few programs as possible.
SMALL = (
    "--candidates=4",
    "--round_size=4",
    "--epochs=2",
    "--embedding_dim=8",
    "--final_embedding_dim=8",
    "--batch_size=16",
    "--presets=none",
    "--tuning_samples=1",
    "--seeds=1",
    "--finalists=4",
    "--final_epochs=2",
    "--chunk_size=4",
    "--cpu_devices=2",
    "--nolog_progress",
)
_SERVER = multiprocessing.get_context("forkserver")
_TIMEOUT = 300


@dataclasses.dataclass
class Done:
    """How a program ended and what it wrote."""

    returncode: int | None
    stdout: str
    stderr: str


class Running:
    """A program that was started; its output goes to files in `folder`."""

    def __init__(
        self, folder: Path, name: str, arguments: tuple[str, ...], file_bytes: int | None = None
    ) -> None:
        """Start it; with `file_bytes` no file may become larger, as on a disk that is full."""
        self._out, self._err = folder / "stdout.txt", folder / "stderr.txt"
        target = (name, arguments, str(folder), str(self._out), str(self._err), file_bytes)
        self._process = _SERVER.Process(target=_become, args=target)
        self._process.start()

    def wait(self, seconds: float = _TIMEOUT) -> bool:
        """Wait for its end; tell whether it came."""
        self._process.join(seconds)
        return self._process.exitcode is not None

    def send(self, number: int) -> None:
        """Send it a signal, if it is still there."""
        with contextlib.suppress(ProcessLookupError):
            os.kill(self._process.pid, number)

    def kill(self) -> None:
        """End it as `kill -9` does."""
        self._process.kill()
        self._process.join()

    def done(self) -> Done:
        """Return how it ended."""
        if not self.wait():
            self.kill()
            pytest.fail(f"no end after {_TIMEOUT} seconds")
        out, err = (path.read_text(encoding="utf-8") for path in (self._out, self._err))
        return Done(self._process.exitcode, out, err)


def run_program(folder: Path, name: str, *arguments: object) -> Done:
    """Run `python -m experiments.NAME` with `folder` as working directory.

    A name may also be that of a module, followed by a colon and its first argument.
    """
    return Running(folder, name, tuple(map(str, arguments))).done()


def assert_one_line_error(done: Done, *words: str) -> None:
    """Check that a program refused its input as it should."""
    assert done.returncode == 1, done
    assert done.stdout == ""
    lines = done.stderr.splitlines()
    errors = [line for line in lines if not line.startswith("warning: ")]
    assert len(errors) == 1, done.stderr
    assert errors[0].startswith("error: ")
    for word in words:
        assert word in errors[0], done.stderr


@contextmanager
def environment(compiled: Path) -> Iterator[dict[str, str]]:
    """Give this process and those it starts what makes the programs quick to compile."""
    changes = {
        "JAX_PLATFORMS": "cpu",
        "JAX_DISABLE_MOST_OPTIMIZATIONS": "1",
        "JAX_COMPILATION_CACHE_DIR": str(compiled),
        "JAX_PERSISTENT_CACHE_MIN_COMPILE_TIME_SECS": "0",
        # Nothing of JAX runs in the server before it forks; and what is killed leaves tqdm's lock.
        "PYTHONWARNINGS": "ignore:os.fork():RuntimeWarning,ignore:resource_tracker:UserWarning",
    }
    with pytest.MonkeyPatch.context() as patch:
        for name, value in changes.items():
            patch.setenv(name, value)
        patch.delenv("KAPL_DATA", raising=False)
        yield dict(os.environ)


def start_server(compiled: Path) -> None:
    """Start the server; does nothing when it runs already."""
    _SERVER.set_forkserver_preload(["kapl_jax.programs"])
    with environment(compiled):
        process = _SERVER.Process(target=_nothing)
        process.start()
        process.join()


def _nothing() -> None:
    pass


def _become(
    name: str,
    arguments: tuple[str, ...],
    folder: str,
    stdout: str,
    stderr: str,
    file_bytes: int | None,
) -> None:
    """Become the program: called in the new process."""
    if file_bytes is not None:
        _, most = resource.getrlimit(resource.RLIMIT_FSIZE)
        resource.setrlimit(resource.RLIMIT_FSIZE, (file_bytes, most))
    for path, descriptor in ((stdout, 1), (stderr, 2)):
        opened = os.open(path, os.O_WRONLY | os.O_CREAT | os.O_TRUNC, 0o644)
        os.dup2(opened, descriptor)
        os.close(opened)
    # Else it would be the server's, and stay locked when a process is killed that holds it.
    tqdm.set_lock(threading.RLock())
    os.chdir(folder)
    module, _, first = name.partition(":")
    sys.argv = [module, *filter(None, [first]), *arguments]
    path = module if "." in module else f"experiments.{module}"
    runpy.run_module(path, run_name="__main__", alter_sys=True)
