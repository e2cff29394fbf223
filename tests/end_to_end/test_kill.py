"""A search that is killed again and again ends as if it had never been.

KAPL_KILLS sets how often it is killed; see `disturbances` for other data:
`KAPL_KILLS=10 KAPL_KILL_DATASET=umls tools/test --all tests/end_to_end/test_kill.py`.
"""

from __future__ import annotations

import os

import numpy as np
import pytest

from tests.end_to_end.disturbances import WORKS, disturb, finish
from tests.end_to_end.programs import Running

pytestmark = pytest.mark.slow
KILLS = int(os.environ.get("KAPL_KILLS", "0"))


@pytest.mark.parametrize("method", WORKS)
def test_killed_at_random_moments(tmp_path, undisturbed, method):
    # ColdNAS takes longest, and is killed in every stage in tests/methods/coldnas/test_pipeline.py.
    count = KILLS or (0 if method == "coldnas" else 1)
    if not count:
        pytest.skip("KAPL_KILLS is not set")
    run, killed = undisturbed(method), tmp_path / "killed"
    seed = int(np.random.default_rng().integers(2**31))

    def start() -> Running:
        return run.work.start(tmp_path, killed)

    rng = np.random.default_rng(seed)
    moments = disturb(run, killed, count, rng, start, Running.kill)
    finish(start())
    where = f"killed after {moments} seconds, {run.seconds:.1f} is the whole work, seed {seed}"
    print(where)
    assert moments, where
    run.assert_same(killed, where)
