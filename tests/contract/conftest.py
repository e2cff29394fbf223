"""A run of each method, made once, and the toy among the methods."""

from __future__ import annotations

import dataclasses
from collections.abc import Callable
from functools import cache
from pathlib import Path

import jax
import pytest

import kapl_jax
from kapl_jax.api import TrainedRun
from kapl_jax.methods import METHODS
from tests.compilations import counted_compilations
from tests.contract.cases import CASES
from tests.contract.toy import TOY


@pytest.fixture(autouse=True)
def _toy(monkeypatch):
    monkeypatch.setitem(METHODS, TOY.name, TOY)


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
