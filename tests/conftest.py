"""Settings of all tests: virtual CPU devices, compiled programs that are kept, the real data."""

from __future__ import annotations

import atexit
import os
import shutil
import signal
import tempfile
from collections.abc import Callable, Iterator
from functools import cache, partial
from pathlib import Path
from typing import TYPE_CHECKING

import hypothesis
import jax
import pytest
from absl import flags

if TYPE_CHECKING:
    from tests.end_to_end.disturbances import Undisturbed

# Tests of several devices need eight; the others must not mind how many there are.
jax.config.update("jax_num_cpu_devices", int(os.environ.get("KAPL_TEST_DEVICES", "8")))

# Half the time is compiling: what is computed is tested, not how fast. KAPL_TEST_OPTIMISED=1 tests
# optimised programs; tests hold for both, since nothing may depend on rounding.
jax.config.update("jax_disable_most_optimizations", "KAPL_TEST_OPTIMISED" not in os.environ)

# What is promoted without a word is often a mistake: dtypes and ranks must be written down. The
# programs that tests start read these, too.
os.environ["JAX_NUMPY_DTYPE_PROMOTION"] = "strict"
os.environ["JAX_NUMPY_RANK_PROMOTION"] = "raise"
jax.config.update("jax_numpy_dtype_promotion", "strict")
jax.config.update("jax_numpy_rank_promotion", "raise")

# No deadlines, which a busy machine misses, and the same examples everywhere, so that a commit
# that passes here passes there. `--hypothesis-profile=explore` draws others.
hypothesis.settings.register_profile("tests", deadline=None, derandomize=True)
hypothesis.settings.register_profile("explore", deadline=None)
hypothesis.settings.load_profile("tests")

# A suite started in the background has interrupts ignored, and so had the programs it tests.
if signal.getsignal(signal.SIGINT) is signal.SIG_IGN:
    signal.signal(signal.SIGINT, signal.default_int_handler)

# Not the cache of whoever runs the tests; nor is it asked for what would else be downloaded.
os.environ["XDG_CACHE_HOME"] = tempfile.mkdtemp(prefix="kapl_jax-tests-")
atexit.register(shutil.rmtree, os.environ["XDG_CACHE_HOME"], ignore_errors=True)

SHARED_DATA = Path(__file__).resolve().parents[2] / "shared" / "data"
_MOST_KEPT = 2 * 1024**3  # bytes


def pytest_configure(config: pytest.Config) -> None:
    """Keep what is compiled, for the next run and the other processes: it is most of the work."""
    if not config.pluginmanager.hasplugin("cacheprovider"):
        return
    folder = config.cache.mkdir("compiled")
    if sum(file.stat().st_size for file in folder.iterdir()) > _MOST_KEPT:
        shutil.rmtree(folder, ignore_errors=True)
    jax.config.update("jax_compilation_cache_dir", str(folder))
    jax.config.update("jax_persistent_cache_min_compile_time_secs", 0.05)


def pytest_collection_modifyitems(items: list[pytest.Item]) -> None:
    """Begin with what is slow, so that no worker is left alone with it at the end."""
    slow = {item.path for item in items if item.get_closest_marker("slow")}
    items.sort(key=lambda item: item.path not in slow)


@pytest.fixture(scope="session")
def compiled(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """Where programs keep what they compiled; the server that starts them runs."""
    from tests.end_to_end.programs import start_server

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
    from tests.end_to_end.disturbances import WORKS, run_undisturbed

    del compiled
    return cache(lambda method: run_undisturbed(WORKS[method], tmp_path_factory.mktemp(method)))


@pytest.fixture(scope="session")
def shared_data() -> Path:
    """The folder of real data, or a skip where it is not there."""
    if not SHARED_DATA.is_dir():
        pytest.skip(f"the real data are not at {SHARED_DATA}")
    return SHARED_DATA


@pytest.fixture(scope="module")
def compiled_plainly() -> Iterator[None]:
    """Compile with few optimisations even where others are tested with all."""
    before = jax.config.read("jax_disable_most_optimizations")
    jax.config.update("jax_disable_most_optimizations", True)
    yield
    jax.config.update("jax_disable_most_optimizations", before)


@pytest.fixture
def flag_values(monkeypatch: pytest.MonkeyPatch) -> flags.FlagValues:
    """Flags of a test's own: absl keeps one set for a whole process."""
    own = flags.FlagValues()
    monkeypatch.setattr(flags, "FLAGS", own)
    for name in ("DEFINE", "DEFINE_multi"):
        monkeypatch.setattr(flags, name, partial(getattr(flags, name), flag_values=own))
    return own
