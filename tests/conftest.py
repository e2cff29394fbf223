"""Settings of all tests: eight virtual CPU devices, and where the real data are."""

from __future__ import annotations

import atexit
import os
import shutil
import tempfile
from collections.abc import Iterator
from pathlib import Path

import jax
import pytest

jax.config.update("jax_num_cpu_devices", 8)
# Not the cache of whoever runs the tests; nor is it asked for what would else be downloaded.
os.environ["XDG_CACHE_HOME"] = tempfile.mkdtemp(prefix="kapl_jax-tests-")
atexit.register(shutil.rmtree, os.environ["XDG_CACHE_HOME"], ignore_errors=True)

SHARED_DATA = Path(__file__).resolve().parents[2] / "shared" / "data"


@pytest.fixture(scope="session")
def shared_data() -> Path:
    """The folder of real data, or a skip where it is not there."""
    if not SHARED_DATA.is_dir():
        pytest.skip(f"the real data are not at {SHARED_DATA}")
    return SHARED_DATA


@pytest.fixture(scope="module")
def compiled_plainly() -> Iterator[None]:
    """Compile with few optimisations, in half the time: for tests of what is computed, not how."""
    jax.config.update("jax_disable_most_optimizations", True)
    yield
    jax.config.update("jax_disable_most_optimizations", False)
