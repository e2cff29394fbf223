from __future__ import annotations

import os
from collections.abc import Callable
from functools import cache
from pathlib import Path

import pytest

from tests.end_to_end.disturbances import WORKS, Undisturbed, run_undisturbed
from tests.end_to_end.programs import start_server


@pytest.fixture(scope="session")
def compiled(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """Where programs keep what they compiled; the server that starts them runs."""
    base = tmp_path_factory.getbasetemp()
    # One for all workers: what one of them compiled the others need not.
    folder = (base.parent if "PYTEST_XDIST_WORKER" in os.environ else base) / "compiled"
    folder.mkdir(exist_ok=True)
    start_server(folder)
    return folder


@pytest.fixture(scope="session")
def undisturbed(
    tmp_path_factory: pytest.TempPathFactory, compiled: Path
) -> Callable[[str], Undisturbed]:
    """Runs of all methods that nothing disturbed, by method, made when they are asked for."""
    del compiled
    return cache(lambda method: run_undisturbed(WORKS[method], tmp_path_factory.mktemp(method)))
