"""Long runs of all methods, that are disturbed in every way and then end as if they had not been.

KAPL_KILL_DATASET sets the graph (a registered name or a folder) and KAPL_KILL_RATINGS the ratings.
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

from tests.end_to_end.programs import Done, Running
from tests.methods.autoblm.tiny import write_tiny_graph
from tests.methods.coldnas.runs import PROTOCOL, SIZES, as_flags, write_tiny_ratings
from tests.methods.red_gnn.family import write_family

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
TOY_FLAGS = (*COMMON, "--epochs=4000", "--presets=line", "--final_epochs=2000")


@dataclasses.dataclass(frozen=True)
class Work:
    """What is killed: a program with its flags, on data that are written where none are given."""

    program: str
    flags: tuple[str, ...]
    given: str
    write: Callable[[Path], Path]

    def start(
        self, folder: Path, workdir: Path, *more: str, file_bytes: int | None = None
    ) -> Running:
        """Start it; `folder` is where its output goes, and where its data are or will be."""
        data = folder / "data"
        if not self.given and not data.exists():
            self.write(data)
        flags = (f"--dataset={self.given or data}", f"--workdir={workdir}", *self.flags, *more)
        return Running(folder, self.program, flags, file_bytes)


WORKS = {
    "autoblm": Work("autoblm", GRAPH_FLAGS, DATASET, write_tiny_graph),
    "coldnas": Work("coldnas", RATING_FLAGS, RATINGS, write_tiny_ratings),
    "toy": Work("tests.contract.programs:toy", TOY_FLAGS, "cubic", lambda folder: folder),
    "red_gnn": Work("red_gnn", PATH_FLAGS, "", lambda folder: write_family(folder, "a", 14)),
}


def seeded() -> tuple[int, np.random.Generator]:
    """Return a new seed, to be told where a test fails, and a generator of it."""
    seed = int(np.random.default_rng().integers(2**31))
    return seed, np.random.default_rng(seed)


def finish(running: Running) -> None:
    done = running.done()
    assert (done.returncode, done.stderr) == (0, ""), done


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


@dataclasses.dataclass(frozen=True)
class Undisturbed:
    """A run that nothing disturbed.

    Attributes:
        work: What was run.
        workdir: Its run directory.
        seconds: How long it worked, when all its programs were compiled.
    """

    work: Work
    workdir: Path
    seconds: float

    def assert_same(self, workdir: Path, where: str) -> None:
        """Check that a run that was disturbed ended as this one."""
        assert results(workdir) == results(self.workdir), where
        counts = results_by_id(workdir)
        assert set(counts.values()) == {1}, where
        assert counts == results_by_id(self.workdir), where
        left = {entry.name for entry in (workdir / "checkpoints").iterdir()}
        assert left == {"model"}, (left, where)
        assert not (workdir / "lock").exists(), where


def run_undisturbed(work: Work, folder: Path) -> Undisturbed:
    """Run some work twice: the first compiles, the second finds what was compiled."""
    finish(work.start(folder, folder / "first"))
    running = work.start(folder, folder / "undisturbed")
    wait_for(b"epoch", running, folder / "undisturbed")
    began = time.monotonic()
    finish(running)
    found = Undisturbed(work, folder / "undisturbed", time.monotonic() - began)
    assert results(folder / "first") == results(folder / "undisturbed")
    return found


def disturb(
    undisturbed: Undisturbed,
    folder: Path,
    count: int,
    rng: np.random.Generator,
    start: Callable[[], Running],
    end: Callable[[Running], None],
) -> list[float]:
    """Start a command, end it, start it again; return after how many seconds each was ended.

    The moments are spread over the work, so that it is not done before the last of them.
    They are counted from the start of its work, from the next result, and from its very start.
    """
    ended: list[float] = []
    while len(ended) < count:
        running, patience = start(), rng.uniform(0, 0.7 * undisturbed.seconds / count)
        event = (b"epoch", b"candidate", None)[len(ended) % 3]
        if event is not None:
            wait_for(event, running, folder)
        if running.wait(patience):
            finish(running)
            break
        end(running)
        ended.append(round(patience, 2))
    return ended


def assert_one_line(done: Done, status: int, *words: str) -> None:
    """Check that a program ended with a line that says why, after warnings at most."""
    said = [line for line in done.stderr.splitlines() if not line.startswith("warning: ")]
    assert (done.returncode, len(said)) == (status, 1), done
    for word in words:
        assert word in said[0], done
