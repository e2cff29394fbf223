"""Full disks, folders that go, two at once: the same command then ends as undisturbed.

KAPL_FULL_DISKS sets how often the disk is full, KAPL_PAIRS how many pairs are started at once; see
`disturbances` for other data. Kills and signals are tests of every method, in `tests/contract`.
"""

from __future__ import annotations

import contextlib
import errno
import os
import subprocess
import sys
from collections.abc import Callable, Iterator
from pathlib import Path

import numpy as np
import pytest

from tests.end_to_end.disturbances import (
    assert_one_line,
    finish,
    seeded,
    wait_for,
)
from tests.end_to_end.programs import ROOT, environment

pytestmark = pytest.mark.slow
FULL_DISKS = int(os.environ.get("KAPL_FULL_DISKS", "0"))
PAIRS = int(os.environ.get("KAPL_PAIRS", "1"))


@contextlib.contextmanager
def small_disk(folder: Path, kilobytes: int) -> Iterator[Callable[[str], None]]:
    """Mount a small file system at `folder`; yield what mounts it with other options."""
    folder.mkdir()

    def mount(options: str) -> None:
        command = ["mount", "-t", "tmpfs", "-o", options, "tmpfs", str(folder)]
        subprocess.run(command, check=True, capture_output=True)

    try:
        mount(f"size={kilobytes}k")
    except (OSError, subprocess.CalledProcessError):
        pytest.skip("file systems cannot be mounted here")
    try:
        yield lambda options: mount(f"remount,{options}")
    finally:
        subprocess.run(["umount", "-l", str(folder)], check=True)


def size_of(folder: Path) -> int:
    return sum(path.stat().st_size for path in folder.rglob("*") if path.is_file())


@pytest.mark.skipif(not FULL_DISKS, reason="KAPL_FULL_DISKS is not set")
def test_a_disk_that_is_full_now_and_then(tmp_path, undisturbed):
    run, (seed, rng) = undisturbed("autoblm"), seeded()
    met = 0
    with small_disk(tmp_path / "disk", 2**16):
        workdir, filler = tmp_path / "disk" / "run", tmp_path / "disk" / "filler"
        for _ in range(FULL_DISKS):
            with filler.open("wb") as stream, contextlib.suppress(OSError):
                while stream.write(bytes(2**16)):
                    pass
            # Pages of 4 KiB are what this file system counts in.
            os.truncate(filler, filler.stat().st_size - 4096 * int(rng.integers(1, 120)))
            done = run.work.start(tmp_path, workdir).done()
            filler.unlink()
            if done.returncode == 0:
                break
            met += 1
            assert_one_line(done, 1, "error: ", os.strerror(errno.ENOSPC), "when there is room")
        finish(run.work.start(tmp_path, workdir))
        print(f"the disk was full {met} times, seed {seed}")
        run.assert_same(workdir, f"seed {seed}")


def test_writes_that_fail_after_so_many_bytes(tmp_path, undisturbed):
    """The same where nothing can be mounted: no file may become larger."""
    run, (seed, rng) = undisturbed("autoblm"), seeded()
    workdir, met = tmp_path / "run", 0
    largest = max(path.stat().st_size for path in run.workdir.rglob("*") if path.is_file())
    for _ in range(FULL_DISKS or 1):
        limit = int(np.exp(rng.uniform(np.log(300), np.log(largest))))
        done = run.work.start(tmp_path, workdir, file_bytes=limit).done()
        if done.returncode == 0:
            break
        met += 1
        assert_one_line(done, 1, "error: ", os.strerror(errno.EFBIG))
    done = run.work.start(tmp_path, workdir).done()
    assert (done.returncode, done.stderr) == (0, ""), done
    print(f"writes failed {met} times, seed {seed}")
    run.assert_same(workdir, f"seed {seed}")


def test_a_folder_that_can_only_be_read(tmp_path, undisturbed):
    run = undisturbed("autoblm")
    with small_disk(tmp_path / "disk", 2**16) as remount:
        workdir = tmp_path / "disk" / "run"
        running = run.work.start(tmp_path, workdir)
        wait_for(b"epoch", running, workdir)
        running.kill()
        remount("ro")
        assert_one_line(run.work.start(tmp_path, workdir).done(), 1, os.strerror(errno.EROFS))
        remount("rw")
        finish(run.work.start(tmp_path, workdir))
        run.assert_same(workdir, "")


def test_a_folder_that_goes_while_it_is_worked_in(tmp_path, undisturbed):
    run, workdir = undisturbed("autoblm"), tmp_path / "run"
    running = run.work.start(tmp_path, workdir)
    wait_for(b"epoch", running, workdir)
    workdir.rename(tmp_path / "gone")
    assert_one_line(running.done(), 1, f"error: {workdir}: it, or its lock, was removed")
    finish(run.work.start(tmp_path, workdir))
    run.assert_same(workdir, "")


@pytest.mark.parametrize("attempt", range(PAIRS))
def test_of_two_at_once_one_works(tmp_path, undisturbed, attempt):
    run, workdir = undisturbed("autoblm"), tmp_path / "run"
    places = [tmp_path / "one", tmp_path / "other"]
    for place in places:
        place.mkdir()
        run.work.write(place / "data")
    both = [run.work.start(place, workdir) for place in places]
    refused, worked = sorted((one.done() for one in both), key=lambda done: -done.returncode)
    assert_one_line(refused, 1, f"error: {workdir}: process ", " works there; wait for its end")
    assert (worked.returncode, worked.stderr) == (0, "")
    run.assert_same(workdir, "")


def test_what_only_accompanies_a_run_does_not_stop_it(tmp_path, undisturbed):
    run, workdir = undisturbed("autoblm"), tmp_path / "run"
    running = run.work.start(tmp_path, workdir)
    wait_for(b"epoch", running, workdir)
    running.kill()
    for name in ("tensorboard", "report"):
        if (workdir / name).exists():
            (workdir / name).rename(tmp_path / name)
        (workdir / name).write_text("")
    done = run.work.start(tmp_path, workdir).done()
    said = done.stderr.splitlines()
    assert (done.returncode, len(said)) == (0, 2), done
    assert said[0].startswith(f"warning: {workdir / 'tensorboard'}: cannot be written: ")
    assert said[1].startswith(f"warning: no report: {workdir / 'report'}")
    run.assert_same(workdir, "")


def test_standard_error_that_has_gone_does_not_stop_a_run(tmp_path, undisturbed, compiled):
    """With a progress bar, into a pipe whose reader has gone, and closed."""
    run = undisturbed("autoblm")
    for name, redirect in (("gone", "2> >(exec <&-)"), ("closed", "2>&-")):
        workdir = tmp_path / name
        flags = [f"--dataset={run.workdir.parent / 'data'}", f"--workdir={workdir}"]
        command = [sys.executable, "-m", "experiments.autoblm", *flags, *run.work.flags]
        shell = ["bash", "-c", f'"$@" --log_progress {redirect}', "bash", *command]
        with environment(compiled) as variables:
            done = subprocess.run(
                shell,
                env={**variables, "PYTHONPATH": str(ROOT)},
                capture_output=True,
                check=False,
                timeout=300,
            )
        assert done.returncode == 0
        run.assert_same(workdir, name)
