from __future__ import annotations

import functools

import jax
import jax.numpy as jnp
import numpy as np
import pytest

from kapl_jax.search.compiling import memory_bytes
from kapl_jax.search.individual import Individual
from kapl_jax.search.population import PopulationTrainer
from tests.search.toy_problem import LineProblem


def make_individuals(count: int, seeds: int = 1) -> list[Individual]:
    rng = np.random.default_rng(3)
    return [
        Individual(
            rng.normal(size=2).astype(np.float32), {"learning_rate": 0.05 + 0.01 * i}, i % seeds
        )
        for i in range(count)
    ]


@functools.cache
def make_trainer(chunk_size: int = 0, num_devices: int = 8) -> PopulationTrainer:
    return PopulationTrainer(LineProblem(), chunk_size, jax.devices()[:num_devices])


def train(individuals, epochs=3, chunk_size=0, num_devices=8):
    trainer = make_trainer(chunk_size, num_devices)
    size, parts = trainer.layout(len(individuals), trainer.chunk_limit(individuals))
    states, metrics = [], []
    for part in parts:
        chunk = trainer.start(individuals[part], size)
        trainer.train(chunk, epochs)
        states.append(trainer.fetch(chunk)["w"])
        metrics.append(trainer.evaluate(chunk)["closeness"])
    return np.concatenate(states), np.concatenate(metrics)


@pytest.mark.parametrize("seeds", [1, 3])
@pytest.mark.parametrize(("chunk_size", "num_devices"), [(0, 8), (0, 1), (5, 2), (1, 8)])
def test_result_does_not_depend_on_company(chunk_size, num_devices, seeds):
    individuals = make_individuals(21, seeds)
    states, metrics = train(individuals, chunk_size=chunk_size, num_devices=num_devices)
    for index in (0, 7, 20):
        alone, metric = train([individuals[index]])
        np.testing.assert_allclose(states[index], alone[0], rtol=1e-5, atol=1e-6)
        np.testing.assert_allclose(metrics[index], metric[0], rtol=1e-4, atol=1e-6)


def test_individuals_of_one_population_differ():
    first = Individual(np.zeros(2, np.float32), {"learning_rate": 0.1}, 0)
    other_seed = Individual(np.zeros(2, np.float32), {"learning_rate": 0.1}, 1)
    other_rate = Individual(np.zeros(2, np.float32), {"learning_rate": 0.2}, 0)
    states, _ = train([first, other_seed, other_rate, first])
    assert not np.allclose(states[0], states[1])
    assert not np.allclose(states[0], states[2])
    np.testing.assert_allclose(states[0], states[3], rtol=1e-6)
    assert len({one.id for one in (first, other_seed, other_rate)}) == 3


def test_training_in_parts_equals_training_at_once():
    individuals = make_individuals(5, seeds=2)
    trainer = make_trainer()
    at_once = trainer.start(individuals, 8)
    trainer.train(at_once, 5)
    in_parts = trainer.start(individuals, 8)
    trainer.train(in_parts, 2)
    resumed = trainer.resume(individuals, 8, trainer.fetch(in_parts), in_parts.epoch)
    trainer.train(resumed, 3)
    np.testing.assert_array_equal(trainer.fetch(at_once)["w"], trainer.fetch(resumed)["w"])
    assert (trainer.fetch(resumed)["steps"] == 60).all()


@pytest.mark.parametrize(("count", "limit"), [(1, 8), (21, 16), (64, 64), (5, 3), (16, 1)])
def test_layout_covers_everybody_once(count, limit):
    trainer = make_trainer()
    size, parts = trainer.layout(count, limit)
    covered = [index for part in parts for index in range(count)[part]]
    assert covered == list(range(count))
    width = min(jax.device_count(), count, limit)
    assert size % width == 0
    assert size < limit + width


@pytest.mark.skipif(jax.device_count() < 2, reason="needs two devices")
def test_memory_limits_the_chunk(monkeypatch):
    individuals = make_individuals(64)
    trainer = PopulationTrainer(LineProblem(), devices=jax.devices()[:2])
    assert trainer.chunk_limit(individuals) == 8
    needed = trainer.bytes_needed(individuals[:8], 8)
    # Memory for half of what a chunk of 8 needs on both devices.
    monkeypatch.setattr("kapl_jax.search.population.memory_bytes", lambda device: needed)
    limited = PopulationTrainer(LineProblem(), devices=jax.devices()[:2])
    limit = limited.chunk_limit(individuals)
    assert 2 <= limit < 8
    assert limit % 2 == 0
    states, _ = train(individuals, chunk_size=limit, num_devices=2)
    np.testing.assert_allclose(states, train(individuals)[0], rtol=1e-5, atol=1e-6)


class HeavyProblem(LineProblem):
    """A state of 4 kB, trained in place; evaluation needs much more than that."""

    def __init__(self, evaluated: int) -> None:
        super().__init__()
        self.evaluated = evaluated

    def init(self, key, candidate, hyperparameters):
        return {**super().init(key, candidate, hyperparameters), "wide": jnp.zeros(1000)}

    def train_epoch(self, state, candidate, hyperparameters, epoch, keys, data):
        trained, loss = super().train_epoch(state, candidate, hyperparameters, epoch, keys, data)
        return {**trained, "wide": state["wide"] + 1}, loss

    def evaluate(self, state, candidate, data):
        sorted_values = jnp.sort(jnp.outer(jnp.arange(self.evaluated) % 7, state["wide"]), axis=0)
        return {"closeness": sorted_values[-1].sum()}


def test_memory_of_evaluation_and_of_the_best_states_is_counted():
    individuals = make_individuals(8)
    small, large = (
        PopulationTrainer(HeavyProblem(rows), devices=jax.devices()[:2]) for rows in (1, 500)
    )
    # On each of two devices four evaluations side by side, of 500 rows of 1,000 floats each.
    assert large.bytes_needed(individuals, 8) > 4 * 500 * 4000
    assert small.bytes_needed(individuals, 8) < 4 * 500 * 4000
    needed = [small.bytes_needed(individuals, 8, keeps_best) for keeps_best in (False, True)]
    assert needed[1] - needed[0] >= 4 * 4000


def test_a_device_that_does_not_tell_its_memory_is_not_taken_for_the_host(monkeypatch):
    class Silent:
        platform = "gpu"

        def memory_stats(self):
            return None

    assert memory_bytes(Silent()) is None
    assert memory_bytes(jax.devices()[0]) > 0
    monkeypatch.setattr("kapl_jax.search.population.memory_bytes", lambda device: None)
    trainer = PopulationTrainer(LineProblem(), devices=jax.devices()[:2])
    assert trainer.chunk_limit(make_individuals(64)) == 8


def test_what_cannot_be_compiled_needs_more_than_there_is(monkeypatch):
    real = PopulationTrainer._get_programs

    def get_programs(self, individuals, size):
        if size > 2:
            raise jax.errors.JaxRuntimeError("RESOURCE_EXHAUSTED: Out of memory")
        return real(self, individuals, size)

    monkeypatch.setattr(PopulationTrainer, "_get_programs", get_programs)
    trainer = PopulationTrainer(LineProblem(), devices=jax.devices()[:2])
    individuals = make_individuals(8)
    assert trainer.bytes_needed(individuals, 8) == 4 * trainer.bytes_needed(individuals[:2], 2)


def test_data_lie_once_on_a_device():
    trainer = PopulationTrainer(LineProblem(), devices=jax.devices()[:2])
    chunks = [trainer.start(make_individuals(size), size) for size in (2, 4)]
    assert chunks[0].programs.data["x"] is chunks[1].programs.data["x"]


def test_only_devices_of_this_process_are_used(monkeypatch):
    def refuse(*_):
        raise AssertionError("these may belong to other processes")

    local = jax.local_devices()
    monkeypatch.setattr(jax, "devices", refuse)
    assert PopulationTrainer(LineProblem()).devices == local
