"""A run that is killed or told to end, again and again, ends as if nothing had happened.

KAPL_KILLS and KAPL_SIGNALS set how often; see `disturbances` for other data:
`KAPL_KILLS=10 KAPL_KILL_DATASET=umls tools/test --all tests/contract/test_disturbed.py`.
"""

from __future__ import annotations

import json
import os
import signal
from pathlib import Path

import pytest

from kapl_jax.methods import METHODS
from tests.end_to_end.disturbances import WORKS, assert_one_line, disturb, finish, record, seeded
from tests.end_to_end.programs import Running

pytestmark = pytest.mark.slow
KILLS = int(os.environ.get("KAPL_KILLS", "0"))
SIGNALS = int(os.environ.get("KAPL_SIGNALS", "0"))


def test_every_method_is_disturbed():
    assert set(WORKS) == set(METHODS)


@pytest.mark.parametrize("method", WORKS)
def test_killed_at_random_moments(tmp_path, undisturbed, method):
    # ColdNAS takes longest, and is killed in every stage in tests/methods/coldnas/test_pipeline.py.
    count = KILLS or (0 if method == "coldnas" else 1)
    if not count:
        pytest.skip("KAPL_KILLS is not set")
    run, killed, (seed, rng) = undisturbed(method), tmp_path / "killed", seeded()

    def start() -> Running:
        return run.work.start(tmp_path, killed)

    moments = disturb(run, killed, count, rng, start, Running.kill)
    finish(start())
    where = f"killed after {moments} seconds, {run.seconds:.1f} is the whole work, seed {seed}"
    print(where)
    assert moments, where
    run.assert_same(killed, where)


@pytest.mark.parametrize("method", WORKS)
def test_signals_at_random_moments(tmp_path, undisturbed, method):
    # Kills are tried of all methods; signals by default of one, since a run takes long.
    count = SIGNALS or (1 if method == "autoblm" else 0)
    if not count:
        pytest.skip("KAPL_SIGNALS is not set")
    run, workdir, (seed, rng) = undisturbed(method), tmp_path / "run", seeded()

    def start() -> Running:
        # No checkpoint but for a signal.
        return run.work.start(tmp_path, workdir, "--checkpoint_seconds=3600")

    def end(running: Running) -> None:
        name = rng.choice(["SIGTERM", "SIGHUP", "SIGUSR1", "SIGINT"])
        running.send(signal.Signals[name])
        done = running.done()
        if done.returncode == -signal.Signals[name]:
            return  # It had not yet begun.
        if done.returncode == 0:
            assert done.stderr == "", done
            return
        assert_one_line(done, 128 + signal.Signals[name], "give the same command again to continue")
        assert not (workdir / "lock").exists()

    moments = disturb(run, workdir, count, rng, start, end)
    finish(start())
    where = f"signals after {moments} seconds, {run.seconds:.1f} is the whole work, seed {seed}"
    print(where)
    assert moments, where
    run.assert_same(workdir, where)
    assert_nothing_was_trained_twice(workdir, where)


def assert_nothing_was_trained_twice(workdir: Path, where: str) -> None:
    """Check that the search, whose rounds are one chunk each, went through its epochs in order."""
    reached: dict[int, int] = {}
    for event in map(json.loads, record(workdir).splitlines()):
        if (event["event"], event["stage"]) == ("epoch", "search"):
            assert event["epoch"] > reached.get(event["round"], 0), where
            reached[event["round"]] = event["epoch"]
