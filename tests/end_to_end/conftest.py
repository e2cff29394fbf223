from __future__ import annotations

from pathlib import Path

import pytest

from tests.end_to_end.programs import start_server


@pytest.fixture(scope="session")
def compiled(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """Where programs keep what they compiled; the server that starts them runs."""
    folder = tmp_path_factory.mktemp("compiled")
    start_server(folder)
    return folder
