from __future__ import annotations

import dataclasses
import itertools
import subprocess
import sys
from pathlib import Path

import jax
import numpy as np
import pytest

from kapl_jax.search.individual import Individual, epoch_keys, initial_key, make_cohort


def make(**changes) -> Individual:
    one = Individual(np.diag([1, 2]).astype(np.int8), {"rate": 0.1, "decay": 0.5}, 0)
    return dataclasses.replace(one, **changes)


def bits(key) -> tuple[int, ...]:
    return tuple(np.asarray(jax.random.key_data(key)).tolist())


def test_id_tells_individuals_apart():
    different = [
        make(),
        make(seed=1),
        make(name="distmult"),
        make(hyperparameters={"rate": 0.2, "decay": 0.5}),
        make(hyperparameters={"rate": 0.5, "decay": 0.1}),
        make(hyperparameters={"rate": float(np.nextafter(0.1, 1)), "decay": 0.5}),
        make(candidate=np.diag([2, 1]).astype(np.int8)),
        make(candidate=np.diag([1, 2]).astype(np.int16)),
        make(candidate=np.array([1, 0, 0, 2], np.int8)),
    ]
    assert len({one.id for one in different}) == len(different)


def test_id_leaves_out_what_changes_no_result():
    same = [
        make(),
        make(hyperparameters={"decay": 0.5, "rate": 0.1}),
        make(candidate=np.asfortranarray(np.diag([1, 2]).astype(np.int8))),
        make(candidate=np.repeat(np.diag([1, 2]).astype(np.int8), 2, axis=1)[:, ::2]),
    ]
    assert len({one.id for one in same}) == 1
    assert len({one.stamp for one in same}) == 1


def test_id_and_stamp_are_the_same_in_another_process():
    """Python's own hashes are not: a resumed run would train everything again."""
    program = (
        "import numpy as np; from kapl_jax.search.individual import Individual;"
        "one = Individual(np.diag([1, 2]).astype(np.int8), {'rate': 0.1, 'decay': 0.5}, 0);"
        "print(one.id, one.stamp)"
    )
    root = Path(__file__).resolve().parents[2]
    done = subprocess.run(
        [sys.executable, "-c", program], capture_output=True, text=True, check=True, cwd=root
    )
    assert done.stdout.split() == [make().id, str(make().stamp)]


def test_stamp_is_of_the_candidate_alone():
    assert make().stamp == make(seed=5, hyperparameters={"rate": 9.0}, name="other").stamp
    assert make().stamp != make(candidate=np.diag([2, 1]).astype(np.int8)).stamp
    assert make().stamp != make(candidate=np.array([1, 0, 0, 2], np.int8)).stamp
    assert 0 <= make().stamp < 2**32


def test_cohort_repeats_the_last_one():
    cohort = make_cohort([make(), make(hyperparameters={"rate": 0.3, "decay": 0.7})], 5)
    assert cohort.candidate.shape == (5, 2, 2)
    np.testing.assert_array_equal(cohort.hyperparameters["rate"], np.float32([0.1] + [0.3] * 4))
    np.testing.assert_array_equal(cohort.hyperparameters["decay"], np.float32([0.5] + [0.7] * 4))
    assert cohort.stamp.dtype == np.uint32
    assert cohort.hyperparameters["rate"].dtype == np.float32


def test_a_shared_seed_is_kept_once():
    shared = make_cohort([make(seed=3), make(seed=3)], 2)
    assert (shared.seed.shape, int(shared.seed), shared.axes.seed) == ((), 3, None)
    mixed = make_cohort([make(seed=3), make(seed=4)], 4)
    np.testing.assert_array_equal(mixed.seed, [3, 4, 4, 4])
    assert (mixed.seed.dtype, mixed.axes.seed) == (np.uint32, 0)


@pytest.mark.parametrize("seed", [0, 2**31 - 1, 2**32 - 1])
def test_every_purpose_has_its_own_key(seed):
    stamps, epochs = (0, 1, 77), (0, 1, 2)
    keys = [bits(initial_key(np.uint32(seed), np.uint32(stamp))) for stamp in stamps]
    for epoch in epochs:
        keys.append(bits(epoch_keys(np.uint32(seed), np.uint32(5), epoch).order))
        keys += [bits(epoch_keys(np.uint32(seed), np.uint32(s), epoch).own) for s in stamps[1:]]
    assert len(set(keys)) == len(keys)


def test_order_depends_on_seed_and_epoch_only():
    orders = {
        (seed, stamp, epoch): bits(epoch_keys(np.uint32(seed), np.uint32(stamp), epoch).order)
        for seed, stamp, epoch in itertools.product((0, 1), (3, 4), (0, 1))
    }
    assert all(orders[s, 3, e] == orders[s, 4, e] for s in (0, 1) for e in (0, 1))
    assert len(set(orders.values())) == 4
