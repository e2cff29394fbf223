from __future__ import annotations

from collections.abc import Iterator

import jax
import pytest


@pytest.fixture
def compiled_plainly() -> Iterator[None]:
    """Compile with few optimisations: half the time, for tests of mathematics and of bookkeeping."""
    before = jax.config.jax_disable_most_optimizations
    jax.config.update("jax_disable_most_optimizations", True)
    yield
    jax.config.update("jax_disable_most_optimizations", before)
