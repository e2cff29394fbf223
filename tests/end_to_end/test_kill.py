"""A search that is killed again and again ends as if it had never been.

KAPL_KILLS sets how often it is killed, KAPL_KILL_DATASET the graph (a registered name or a folder)
and KAPL_KILL_RATINGS the ratings:
`KAPL_KILLS=10 KAPL_KILL_DATASET=umls tools/test --all tests/end_to_end/test_kill.py`.
"""

from __future__ import annotations

import dataclasses
import json
import os
import time
from collections import Counter
from collections.abc import Callable
from pathlib import Path

import numpy as np
import pytest

from tests.end_to_end.programs import Running
from tests.methods.autoblm.tiny import write_tiny_graph
from tests.methods.coldnas.runs import PROTOCOL, SIZES, as_flags, write_tiny_ratings
from tests.methods.red_gnn.family import write_family

pytestmark = pytest.mark.slow
KILLS = int(os.environ.get("KAPL_KILLS", "3"))
DATASET = os.environ.get("KAPL_KILL_DATASET", "")
RATINGS = os.environ.get("KAPL_KILL_RATINGS", "")
# Long trainings with checkpoints all the time, and all stages that they need; a round is one chunk.
COMMON = (
    "--candidates=16",
    "--round_size=8",
    "--halving_rungs=2",
    "--tuning_samples=4",
    "--seeds=4",
    "--finalists=1",
    "--chunk_size=8",
    "--cpu_devices=2",
    "--checkpoint_seconds=0.1",
    "--nolog_progress",
)
GRAPH_FLAGS = (
    *COMMON,
    *(("--epochs=60", "--batch_size=256") if DATASET else ("--epochs=500", "--batch_size=16")),
    "--embedding_dim=8",
    "--final_embedding_dim=8",
    "--presets=distmult",
    "--final_epochs=100",
)
RATING_FLAGS = (
    *(() if RATINGS else as_flags({**PROTOCOL, **SIZES})),
    *COMMON,
    f"--epochs={6 if RATINGS else 300}",
    f"--final_epochs={6 if RATINGS else 200}",
    f"--evaluate_every={2 if RATINGS else 50}",
    "--evaluate_search_every=0",
    "--pruning_seeds=2",
    "--presets=film",
    "--published_protocol",
)
PATH_FLAGS = (
    *COMMON,
    "--structure=published|gate=off",
    "--halving_rungs=1",
    "--presets=none",
    "--num_layers=2",
    "--hidden_dim=4",
    "--epochs=40",
    "--final_epochs=60",
    "--evaluate_every=20",
    "--evaluate_search_every=20",
    "--explained_answers=5",
)


@dataclasses.dataclass(frozen=True)
class Work:
    """What is killed: a program with its flags, on data that are written where none are given."""

    program: str
    flags: tuple[str, ...]
    given: str
    write: Callable[[Path], Path]

    def start(self, folder: Path, workdir: str) -> Running:
        dataset = self.given or str(folder / "data")
        flags = (f"--dataset={dataset}", f"--workdir={workdir}", *self.flags)
        return Running(folder, self.program, flags)


WORKS = {
    "autoblm": Work("autoblm", GRAPH_FLAGS, DATASET, write_tiny_graph),
    "coldnas": Work("coldnas", RATING_FLAGS, RATINGS, write_tiny_ratings),
    "red_gnn": Work("red_gnn", PATH_FLAGS, "", lambda folder: write_family(folder, "a", 14)),
}


def finish(running: Running) -> None:
    done = running.done()
    assert (done.returncode, done.stderr) == (0, "")


def results(workdir: Path) -> dict:
    found = json.loads((workdir / "results.json").read_text())
    return {name: value for name, value in found.items() if name != "seconds"}


def results_by_id(workdir: Path) -> Counter:
    """Count the results of each individual, and check that none is trained after it has one."""
    counts: Counter = Counter()
    finished = set()
    for event in map(json.loads, record(workdir).splitlines()):
        if event["event"] == "candidate":
            counts[event["stage"], event["id"]] += 1
            finished.add((event["stage"], event["round"]))
        elif event["event"] == "epoch":
            assert (event["stage"], event["round"]) not in finished
    return counts


def record(workdir: Path) -> bytes:
    metrics = workdir / "metrics.jsonl"
    return metrics.read_bytes() if metrics.exists() else b""


def wait_for(event: bytes, running: Running, workdir: Path) -> None:
    """Wait until the program records an event of this kind, or for its end."""
    before = record(workdir).count(b'"event": "' + event)
    while not running.wait(0.02):
        if record(workdir).count(b'"event": "' + event) > before:
            return


def kill_again_and_again(
    work: Work, folder: Path, seconds: float, rng: np.random.Generator
) -> list[float]:
    """Start the command, kill it, start it again; return after how many seconds each was killed.

    The moments are spread over the work, so that it is not done before the last of them.
    They are counted from the start of its work, from the next result, and from its very start.
    """
    killed: list[float] = []
    while len(killed) < KILLS:
        running, patience = work.start(folder, "killed"), rng.uniform(0, 0.7 * seconds / KILLS)
        event = (b"epoch", b"candidate", None)[len(killed) % 3]
        if event is not None:
            wait_for(event, running, folder / "killed")
        if running.wait(patience):
            finish(running)
            break
        running.kill()
        killed.append(round(patience, 2))
    return killed


@pytest.mark.parametrize("method", WORKS)
def test_killed_at_random_moments(tmp_path, compiled, method):
    work = WORKS[method]
    work.write(tmp_path / "data")
    # The first run compiles, the others find what it compiled: their time is that of the work.
    finish(work.start(tmp_path, "first"))
    running = work.start(tmp_path, "undisturbed")
    wait_for(b"epoch", running, tmp_path / "undisturbed")
    began = time.monotonic()
    finish(running)
    seconds = time.monotonic() - began
    seed = int(np.random.default_rng().integers(2**31))
    killed = kill_again_and_again(work, tmp_path, seconds, np.random.default_rng(seed))
    finish(work.start(tmp_path, "killed"))
    where = f"killed after {killed} seconds, {seconds:.1f} is the whole work, seed {seed}"
    print(where)
    assert killed, where
    assert results(tmp_path / "first") == results(tmp_path / "undisturbed")
    assert results(tmp_path / "killed") == results(tmp_path / "undisturbed"), where
    counts = results_by_id(tmp_path / "killed")
    assert set(counts.values()) == {1}, where
    assert counts == results_by_id(tmp_path / "undisturbed"), where
    left = {entry.name for entry in (tmp_path / "killed" / "checkpoints").iterdir()}
    assert "model" in left, where
    assert "finalists" not in left, where
