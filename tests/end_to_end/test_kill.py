"""A search that is killed again and again ends as if it had never been.

KAPL_KILLS sets how often it is killed, KAPL_KILL_DATASET the graph (a registered name or a folder):
`KAPL_KILLS=10 KAPL_KILL_DATASET=umls tools/test tests/end_to_end/test_kill.py`.
"""

from __future__ import annotations

import json
import os
import time
from collections import Counter
from pathlib import Path

import numpy as np

from tests.end_to_end.programs import Running
from tests.methods.autoblm.tiny import write_tiny_graph

KILLS = int(os.environ.get("KAPL_KILLS", "3"))
DATASET = os.environ.get("KAPL_KILL_DATASET", "")
# Long trainings with checkpoints all the time, and every stage there is.
FLAGS = (
    "--candidates=16",
    "--round_size=8",
    "--halving_rungs=2",
    "--epochs=500",
    "--embedding_dim=8",
    "--final_embedding_dim=8",
    "--batch_size=16" if not DATASET else "--batch_size=256",
    "--presets=distmult",
    "--tuning_samples=4",
    "--seeds=4",
    "--finalists=1",
    "--final_epochs=200",
    "--chunk_size=8",
    "--cpu_devices=2",
    "--checkpoint_seconds=0.1",
    "--nolog_progress",
)


def start(folder: Path, workdir: str) -> Running:
    dataset = DATASET or str(folder / "graph")
    return Running(folder, "autoblm", (f"--dataset={dataset}", f"--workdir={workdir}", *FLAGS))


def finish(running: Running) -> None:
    done = running.done()
    assert (done.returncode, done.stderr) == (0, "")


def results(workdir: Path) -> dict:
    found = json.loads((workdir / "results.json").read_text())
    return {name: value for name, value in found.items() if name != "seconds"}


def candidates(workdir: Path) -> list[dict]:
    events = [json.loads(line) for line in (workdir / "metrics.jsonl").read_text().splitlines()]
    return [event for event in events if event["event"] == "candidate"]


def wait_for_training(running: Running, workdir: Path) -> None:
    """Wait until the program adds to the record, so that it is at work; or until its end."""
    metrics = workdir / "metrics.jsonl"
    size = metrics.stat().st_size if metrics.exists() else 0
    while not running.wait(0.02):
        if metrics.exists() and metrics.stat().st_size > size:
            return


def kill_again_and_again(folder: Path, seconds: float, rng: np.random.Generator) -> list[float]:
    """Start the command, kill it, start it again; return after how many seconds each was killed.

    The moments are spread so that all kills together take about as long as a run undisturbed.
    Every third is counted from the start of the process, the others from the start of its work.
    """
    killed: list[float] = []
    while len(killed) < KILLS:
        running, patience = start(folder, "killed"), rng.uniform(0, 2 * seconds / KILLS)
        if len(killed) % 3 != 1:
            wait_for_training(running, folder / "killed")
        if running.wait(patience):
            finish(running)
            break
        running.kill()
        killed.append(round(patience, 2))
    return killed


def test_killed_at_random_moments(tmp_path, compiled):
    write_tiny_graph(tmp_path / "graph")
    # The first run compiles, the others find what it compiled: their time is that of the work.
    finish(start(tmp_path, "first"))
    running = start(tmp_path, "undisturbed")
    wait_for_training(running, tmp_path / "undisturbed")
    began = time.monotonic()
    finish(running)
    seconds = time.monotonic() - began
    seed = int(np.random.default_rng().integers(2**31))
    killed = kill_again_and_again(tmp_path, seconds, np.random.default_rng(seed))
    finish(start(tmp_path, "killed"))
    where = f"killed after {killed} seconds, {seconds:.1f} is the whole work, seed {seed}"
    print(where)
    assert killed, where
    assert results(tmp_path / "first") == results(tmp_path / "undisturbed")
    assert results(tmp_path / "killed") == results(tmp_path / "undisturbed"), where
    found, expected = candidates(tmp_path / "killed"), candidates(tmp_path / "undisturbed")
    counts = Counter((event["stage"], event["id"]) for event in found)
    assert set(counts.values()) == {1}, where
    assert set(counts) == {(event["stage"], event["id"]) for event in expected}, where
    left = [entry.name for entry in (tmp_path / "killed" / "checkpoints").iterdir()]
    assert left == ["model"], where
