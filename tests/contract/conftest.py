"""A run of each method, made once, and the toy among the methods."""

from __future__ import annotations

import dataclasses
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from functools import cache
from pathlib import Path

import jax
import jax.monitoring
import pytest

import kapl_jax
from kapl_jax.api import TrainedRun
from kapl_jax.methods import METHODS
from kapl_jax.search.stage import Stage
from tests.contract.cases import CASES
from tests.contract.toy import TOY


@pytest.fixture(autouse=True)
def _toy(monkeypatch):
    monkeypatch.setitem(METHODS, TOY.name, TOY)


class Compilations:
    """Counts what is compiled, and what was by the end of each round of a search."""

    def __init__(self) -> None:
        self.count = 0
        self.by_round: list[int] = []

    def listen(self, name, seconds, **_):
        self.count += name == "/jax/core/compile/backend_compile_duration"

    def counted(self, train):
        def call(stage, number, individuals, *rest):
            outcomes = train(stage, number, individuals, *rest)
            if stage.name == "search":
                self.by_round.append(self.count)
            return outcomes

        return call


@contextmanager
def counted_compilations() -> Iterator[Compilations]:
    counter = Compilations()
    jax.monitoring.register_event_duration_secs_listener(counter.listen)
    with pytest.MonkeyPatch.context() as patch:
        patch.setattr(Stage, "train", counter.counted(Stage.train))
        yield counter
    jax.monitoring.unregister_event_duration_listener(counter.listen)


@dataclasses.dataclass(frozen=True)
class Done:
    """A run of a method's case.

    Attributes:
        folder: With the files of the case.
        trained: The run, in the folder.
        by_round: What was compiled by the end of each round of the search.
    """

    folder: Path
    trained: TrainedRun
    by_round: list[int]


def write_files(folder: Path, name: str) -> Path:
    """Write the files that a case names."""
    for file, text in CASES[name].files.items():
        (folder / file).parent.mkdir(exist_ok=True)
        (folder / file).write_text(text)
    return folder


@pytest.fixture(scope="session")
def run_of(tmp_path_factory: pytest.TempPathFactory) -> Callable[[str], Done]:
    """Runs of all methods, by name, made when they are asked for."""

    @cache
    def run(name: str) -> Done:
        folder = write_files(tmp_path_factory.mktemp(name), name)
        # The devices of the tests, before a run could ask for others.
        jax.devices()
        with pytest.MonkeyPatch.context() as patch, counted_compilations() as counter:
            patch.setitem(METHODS, TOY.name, TOY)
            embedded = METHODS[name].embedded
            workdir = str(folder / "run")
            trained = kapl_jax.run(name, embedded, workdir, **CASES[name].settings)
        return Done(folder, trained, counter.by_round)

    return run
