"""What a structure becomes depends neither on its company nor on how the work is split."""

from __future__ import annotations

import functools

import jax
import numpy as np
import pytest

from kapl_jax.search import trainer as module
from kapl_jax.search.trainer import PopulationTrainer
from tests.evaluation.slow import assert_metrics_within
from tests.methods.autoblm.tiny import (
    individuals,
    problem,
    slow_metrics,
    slow_rank_bounds,
    tiny_graph,
    trainer,
)

pytestmark = pytest.mark.slow
EPOCHS = 3
CHOSEN = (0, 3, 7)
# Company changes how loops are cut into vectors, and so the order of sums: a rounding error of
# single precision, 6e-8 of the summands, at each of the nine steps of three epochs. Adagrad
# divides by the gradient's size, which makes more of it where that is small. Measured: 1e-7.
TOLERANCE = 1e-5


def train(members, chunk_size=0, num_devices=1, interrupted_at=None):
    """Return variables and metrics of each member, the population axis first."""
    one = trainer(chunk_size, num_devices)
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
    return jax.tree.map(lambda *leaves: np.concatenate(leaves), *states), jax.tree.map(
        lambda *leaves: np.concatenate(leaves), *metrics
    )


@functools.cache
def alone(place: int, seeds: int = 1):
    return train([individuals(place + 1, seeds)[place]])


def assert_as_alone(results, seeds=1):
    graph = tiny_graph()
    known = np.concatenate([graph.train, graph.valid, graph.test])
    for place in CHOSEN:
        (parameters, metrics), (expected, _) = results, alone(place, seeds)
        assert parameters.keys() == expected.keys()
        for name, found in parameters.items():
            np.testing.assert_allclose(
                found[place], expected[name][0], rtol=TOLERANCE, atol=TOLERANCE
            )
        structure = individuals(place + 1, seeds)[place].candidate
        own = {name: table[0] for name, table in expected.items()}
        bounds = slow_rank_bounds(structure, own, graph.valid, known)
        found = {name: values[place] for name, values in metrics.items()}
        assert_metrics_within(found, slow_metrics, bounds)


def test_in_a_population_of_eight_on_one_device():
    assert_as_alone(train(individuals(8)))


def test_in_a_population_of_64_with_mixed_seeds_on_eight_devices():
    assert_as_alone(train(individuals(64, seeds=3), num_devices=8), seeds=3)


def test_after_a_resume_it_is_the_very_same():
    expected = train(individuals(8))
    resumed = train(individuals(8), interrupted_at=1)
    jax.tree.map(np.testing.assert_array_equal, resumed, expected)


def test_structures_and_numbers_and_seeds_matter():
    """Else the tests above would prove nothing."""
    parameters, _ = train(individuals(64, seeds=3), num_devices=8)
    for first in range(64):
        for second in range(first):
            difference = np.abs(parameters["entity"][first] - parameters["entity"][second])
            assert difference.mean() > 0.01


def test_little_memory_forces_chunks_with_equal_results(monkeypatch):
    members = individuals(8)
    whole = trainer(0, 1)
    needed = whole.bytes_needed(members, 8)
    usable = module._USABLE_MEMORY
    monkeypatch.setattr(module, "_CPU_CHUNK_PER_DEVICE", 8)
    monkeypatch.setattr(module, "memory_bytes", lambda device: int(0.4 * needed / usable))
    limited = PopulationTrainer(problem(), devices=jax.devices()[:1])
    limited._programs.update(whole._programs)
    limit = limited.chunk_limit(members)
    assert limit == 3
    # Two whole chunks, and a third with one of its three places left over.
    assert_as_alone(train(members, chunk_size=limit))
