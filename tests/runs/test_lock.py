from __future__ import annotations

import dataclasses
import json
import os
import shutil
import subprocess
import sys
import threading
import time
from pathlib import Path

import numpy as np
import psutil
import pytest

from kapl_jax.errors import UserError
from kapl_jax.runs import checkpoints, lock
from kapl_jax.runs.checkpoints import save_pytree
from kapl_jax.runs.lock import LOCK, RunLock, check_held
from kapl_jax.runs.run_directory import METRICS, RunDirectory

ROOT = Path(__file__).resolve().parents[2]
CONFIG = {"method": "toy", "settings": {}, "dataset": {}}
# Takes the lock, says so, and holds it until its input ends.
HOLD = """
import os, sys
from pathlib import Path
from kapl_jax.errors import UserError
from kapl_jax.runs.lock import RunLock
sys.stdin.readline()
try:
    RunLock(Path(sys.argv[1]))
    print("held", flush=True)
except UserError as error:
    print(error, flush=True)
sys.stdin.readline()
if sys.argv[2] == "kill":
    os._exit(9)
"""


def start_holder(folder: Path, end: str) -> subprocess.Popen[str]:
    """Start a process that takes the lock as soon as it is written a line."""
    return subprocess.Popen(
        [sys.executable, "-c", HOLD, str(folder), end],
        stdin=subprocess.PIPE,
        stdout=subprocess.PIPE,
        text=True,
        cwd=ROOT,
    )


def tell(process: subprocess.Popen[str]) -> None:
    process.stdin.write("\n")
    process.stdin.flush()


def write_lock(folder: Path, age: float = 0.0, **changes) -> Path:
    """Write the lock of this process, but for some changes, as it was renewed some time ago."""
    holder = dataclasses.replace(lock._Holder.this_process(), **changes)
    file = folder / LOCK / holder.token
    file.parent.mkdir()
    file.write_text(json.dumps(dataclasses.asdict(holder)))
    os.utime(file, (time.time() - age,) * 2)
    return file


def is_locked(folder: Path) -> bool:
    return (folder / LOCK).exists()


@pytest.fixture
def patience(monkeypatch):
    """Wait less long for a sign of life."""
    monkeypatch.setattr(lock, "_STALE_SECONDS", 0.5)
    monkeypatch.setattr(lock, "_POLL_SECONDS", 0.01)


def test_one_at_a_time(tmp_path):
    held = RunLock(tmp_path)
    with pytest.raises(UserError) as caught:
        RunLock(tmp_path)
    said = str(caught.value)
    assert said.startswith(f"{tmp_path}: process {os.getpid()} on ")
    assert f"since {time.strftime('%Y-')}" in said
    assert "\n" not in said
    held.check()
    held.release()
    assert list(tmp_path.iterdir()) == []
    RunLock(tmp_path).release()


@pytest.mark.parametrize("end", ["kill", "exit"])
def test_a_holder_that_ended_is_no_obstacle(tmp_path, end):
    process = start_holder(tmp_path, end)
    tell(process)
    assert process.stdout.readline() == "held\n"
    with pytest.raises(UserError, match=f"process {process.pid} on "):
        RunLock(tmp_path)
    tell(process)
    # Its end is seen before its parent asks for it, too: until then it is a zombie.
    while psutil.Process(process.pid).status() != psutil.STATUS_ZOMBIE:
        time.sleep(0.01)
    assert is_locked(tmp_path) == (end == "kill")
    RunLock(tmp_path).release()
    process.communicate()


def test_of_many_that_start_at_once_one_gets_the_lock(tmp_path):
    """A dead holder's lock is there, and all see that it is dead."""
    write_lock(tmp_path, pid=2**22 + 1)
    processes = [start_holder(tmp_path, "exit") for _ in range(6)]
    for process in processes:
        tell(process)
    said = [process.stdout.readline() for process in processes]
    for process in processes:
        process.communicate("\n")
    assert said.count("held\n") == 1
    assert sum("works there" in line for line in said) == 5
    assert not is_locked(tmp_path)


def test_a_holder_elsewhere_that_is_long_silent_is_no_obstacle(tmp_path, capsys):
    write_lock(tmp_path, age=61, machine="elsewhere")
    RunLock(tmp_path).release()
    assert capsys.readouterr().err == ""


@pytest.mark.parametrize("changes", [{"machine": "elsewhere"}, {"started": 0.0}])
def test_a_holder_that_stays_silent_is_no_obstacle(tmp_path, capsys, patience, changes):
    """On another machine, or here another process that got its number."""
    file = write_lock(tmp_path, host="node7", **changes)
    held = RunLock(tmp_path)
    assert not file.exists()
    assert "on node7" in capsys.readouterr().err
    held.release()


@pytest.mark.parametrize("content", ["", "{", "[1]", '{"pid": 3}'])
def test_a_lock_that_cannot_be_read_is_waited_for(tmp_path, patience, content):
    (tmp_path / LOCK).mkdir()
    (tmp_path / LOCK / "token").write_text(content)
    RunLock(tmp_path).release()
    assert not is_locked(tmp_path)


def test_a_holder_elsewhere_that_renews_its_lock_lives(tmp_path, capsys, monkeypatch):
    monkeypatch.setattr(lock, "_POLL_SECONDS", 0.01)
    file = write_lock(tmp_path, age=5, machine="elsewhere", host="node7")
    timer = threading.Timer(0.1, os.utime, [file])
    timer.start()
    with pytest.raises(UserError, match=r"on node7 \(since .*\) works there"):
        RunLock(tmp_path)
    timer.join()
    assert file.exists()
    assert "waiting for a sign of it" in capsys.readouterr().err


def test_a_lock_is_renewed(tmp_path, monkeypatch):
    monkeypatch.setattr(lock, "_RENEWED_SECONDS", 0.01)
    held = RunLock(tmp_path)
    (file,) = (tmp_path / LOCK).iterdir()
    os.utime(file, (0, 0))
    while file.stat().st_mtime == 0:
        time.sleep(0.01)
    held.release()


def test_who_lost_the_lock_writes_nothing_more(tmp_path):
    """As a process that was stopped for long, while another took its run over."""
    run = RunDirectory.open(tmp_path, CONFIG)
    run.log({"event": "a"})
    before = (tmp_path / METRICS).read_bytes()
    shutil.rmtree(tmp_path / LOCK)
    file = write_lock(tmp_path, token="other", host="node7", pid=12)
    for write in (
        lambda: run.log({"event": "b"}),
        lambda: run.write_results({}),
        lambda: save_pytree(tmp_path / "checkpoints" / "a", {"w": np.ones(2)}, {}),
    ):
        with pytest.raises(UserError, match=r"process 12 on node7 .* has taken it over") as caught:
            write()
        assert "\n" not in str(caught.value)
    run.close()
    assert file.exists()
    assert (tmp_path / METRICS).read_bytes() == before
    assert {entry.name for entry in tmp_path.iterdir()} <= {
        "config.json",
        METRICS,
        LOCK,
        "tensorboard",
    }


def test_a_folder_that_was_removed_is_named(tmp_path):
    run = RunDirectory.open(tmp_path / "run", CONFIG)
    run.log({"event": "epoch", "loss": 1.0})
    shutil.rmtree(tmp_path / "run")
    with pytest.raises(UserError, match="removed while the run worked in it"):
        run.log({"event": "a"})
    run.close()
    assert list(tmp_path.iterdir()) == []


def test_a_folder_that_goes_while_a_checkpoint_is_saved_does_not_come_back(tmp_path, monkeypatch):
    run = RunDirectory.open(tmp_path / "run", CONFIG)
    real = checkpoints.ocp.v1.save

    def save(folder, *arguments):
        (tmp_path / "run").rename(tmp_path / "gone")
        real(folder, *arguments)
        assert folder.exists()

    monkeypatch.setattr(checkpoints.ocp.v1, "save", save)
    with pytest.raises(UserError, match="removed while the run worked in it"):
        save_pytree(tmp_path / "run" / "checkpoints" / "a" / "b", {"w": np.ones(2)}, {})
    run.close()
    assert [entry.name for entry in tmp_path.iterdir()] == ["gone"]


def test_what_is_not_locked_may_be_written(tmp_path):
    check_held(tmp_path / "a")


def test_a_run_that_is_refused_leaves_no_lock(tmp_path):
    RunDirectory.open(tmp_path, CONFIG).close()
    with pytest.raises(UserError, match="holds another run"):
        RunDirectory.open(tmp_path, {**CONFIG, "method": "other"})
    assert not is_locked(tmp_path)


def test_a_full_disk_leaves_nothing(tmp_path, monkeypatch):
    def fail(*_, **__):
        raise OSError(28, "No space left on device")

    with monkeypatch.context() as patch:
        patch.setattr(Path, "write_text", fail)
        with pytest.raises(UserError, match="No space left"):
            RunDirectory.open(tmp_path / "run", CONFIG)
    assert list((tmp_path / "run").iterdir()) == []
    RunDirectory.open(tmp_path / "run", CONFIG).close()
