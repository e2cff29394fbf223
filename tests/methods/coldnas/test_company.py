"""What a structure becomes depends neither on its company nor on how the work is split."""

from __future__ import annotations

import functools

import jax
import numpy as np
import pytest

from tests.methods.coldnas.by_hand import slow_metrics
from tests.methods.coldnas.tiny import individuals, tiny_cold_start, trainer

pytestmark = [pytest.mark.slow, pytest.mark.usefixtures("compiled_plainly")]
EPOCHS = 3
CHOSEN = (0, 2, 3)
# Company changes how loops are cut into vectors, and so the order of sums. Adam divides by the
# gradient's size, which makes more of a rounding error where that is small.
TOLERANCE = 1e-5


def train(members, chunk_size=0, num_devices=1, interrupted_at=None):
    """Return parameters and metrics of each member, the population axis first."""
    one = trainer(num_devices)
    size, parts = one.layout(len(members), chunk_size or len(members))
    states, metrics = [], []
    for part in parts:
        chunk = one.start(members[part], size)
        if interrupted_at:
            one.train(chunk, interrupted_at)
            chunk = one.place(members[part], size, one.fetch(chunk), chunk.epoch)
        one.train(chunk, EPOCHS - chunk.epoch)
        states.append(one.fetch(chunk).state.variables["params"])
        metrics.append(one.problem.metrics("valid", one.evaluate(chunk, "valid")))
    return [
        jax.tree.map(lambda *leaves: np.concatenate(leaves), *parts) for parts in (states, metrics)
    ]


@functools.cache
def alone(place: int, seeds: int = 1):
    return train([individuals(place + 1, seeds)[place]])


def assert_as_alone(results, seeds=1):
    data = tiny_cold_start()
    for place in CHOSEN:
        (parameters, metrics), (expected, _) = results, alone(place, seeds)
        assert jax.tree.structure(parameters) == jax.tree.structure(expected)
        for one, other in zip(jax.tree.leaves(parameters), jax.tree.leaves(expected), strict=True):
            np.testing.assert_allclose(one[place], other[0], rtol=TOLERANCE, atol=TOLERANCE)
        structure = individuals(place + 1, seeds)[place].candidate
        own = jax.tree.map(lambda leaf: leaf[0], expected["model"])
        bounds = slow_metrics(own, structure, data, data.valid)
        assert metrics.keys() == bounds.keys()
        for name, (lowest, highest) in bounds.items():
            assert lowest * (1 - 1e-4) <= metrics[name][place] <= highest * (1 + 1e-4), name


def test_in_a_population_of_four():
    assert_as_alone(train(individuals(4)))


def test_in_chunks_of_four_the_last_of_them_filled_up():
    assert_as_alone(train(individuals(7), chunk_size=4))


def test_in_a_population_of_eight_with_mixed_seeds_on_eight_devices():
    assert_as_alone(train(individuals(8, seeds=3), num_devices=8), seeds=3)


def test_after_a_resume_it_is_the_very_same():
    expected = train(individuals(4))
    resumed = train(individuals(4), interrupted_at=1)
    jax.tree.map(np.testing.assert_array_equal, resumed, expected)


def test_structures_and_numbers_and_seeds_matter():
    """Else the tests above would prove nothing."""
    parameters, metrics = train(individuals(8, seeds=3), num_devices=8)
    tables = parameters["model"]["items"]["field_0"]
    for first in range(8):
        for second in range(first):
            assert np.abs(tables[first] - tables[second]).mean() > 1e-3
    assert len(np.unique(metrics["mse"])) == 8
