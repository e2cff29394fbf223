"""Populations, of data on the devices and of data that the host streams, by one trainer."""

from __future__ import annotations

import functools
import threading

import jax
import jax.numpy as jnp
import numpy as np
import pytest

from kapl_jax.search.compiling import memory_bytes
from kapl_jax.search.individual import Individual
from kapl_jax.search.problem import TrainingState
from kapl_jax.search.programs import Programs, shapes
from kapl_jax.search.trainer import PopulationTrainer, prefetched
from tests.search.toy_problem import (
    ENDS,
    POINTS,
    PROBLEMS,
    LineProblem,
    OrderedLine,
    StreamedLine,
    fit_slowly,
)

EPOCHS = 3

both_kinds = pytest.mark.parametrize("kind", PROBLEMS)


def make_individuals(count: int, seeds: int = 1) -> list[Individual]:
    rng = np.random.default_rng(3)
    return [
        Individual(
            rng.normal(size=2).astype(np.float32), {"learning_rate": 0.05 + 0.01 * i}, i % seeds
        )
        for i in range(count)
    ]


two_devices = pytest.mark.skipif(jax.device_count() < 2, reason="needs two devices")


@functools.cache
def make_trainer(
    chunk_size: int = 0, num_devices: int = 8, kind: str = "resident"
) -> PopulationTrainer:
    return PopulationTrainer(PROBLEMS[kind](), chunk_size, jax.devices()[:num_devices])


def closeness(trainer, chunk, split="valid"):
    return trainer.problem.metrics(split, trainer.evaluate(chunk, split))["closeness"]


def weights(trainer, chunk):
    return trainer.fetch(chunk).state.variables["params"]["w"]


def put_back(trainer, chunk):
    """Return a chunk that goes on where another one is, as after a restart."""
    size, fetched = chunk.size, trainer.fetch(chunk)
    return trainer.place(chunk.individuals, size, fetched, chunk.epoch, chunk.done)


def train(trainer, individuals, epochs=EPOCHS, interrupted_at=0):
    """Return weights, closeness, that of the test and the losses of the last epoch."""
    size, parts = trainer.layout(len(individuals), trainer.chunk_limit(individuals))
    found = []
    for part in parts:
        chunk = trainer.start(individuals[part], size)
        if interrupted_at:
            trainer.train(chunk, interrupted_at)
            chunk = put_back(trainer, chunk)
        trainer.train(chunk, epochs - chunk.epoch)
        tested = [closeness(trainer, chunk, split) for split in ("valid", "test")]
        found.append((weights(trainer, chunk), *tested, chunk.population.losses))
    return [np.concatenate(parts) for parts in zip(*found, strict=True)]


def assert_close(found, expected):
    for one, other in zip(found, expected, strict=True):
        np.testing.assert_allclose(one, other, rtol=1e-4, atol=1e-6)


def assert_equal(found, expected):
    for one, other in zip(found, expected, strict=True):
        np.testing.assert_array_equal(one, other)


@both_kinds
def test_equals_the_obvious_loop(kind):
    individuals = make_individuals(5, seeds=2)
    found = train(make_trainer(2, 2, kind), individuals)
    slow = [fit_slowly(one, EPOCHS, kind)[-1] for one in individuals]
    names = ("w", "valid", "test", "loss")
    assert_close(found, [np.array([one[name] for one in slow]) for name in names])
    # The points and their noise matter: individuals differ.
    assert len(np.unique(found[0])) == 10


def test_streamed_block_by_block_equals_the_same_on_the_devices():
    individuals = make_individuals(4)
    resident = PopulationTrainer(OrderedLine(EPOCHS), devices=jax.devices()[:1])
    streamed = make_trainer(0, 1, "streamed")
    assert (resident.is_resident, streamed.is_resident) == (True, False)
    assert_close(train(streamed, individuals), train(resident, individuals))


@pytest.mark.parametrize(
    ("kind", "seeds", "chunk_size", "num_devices"),
    [
        ("resident", 1, 0, 8),
        ("resident", 3, 0, 8),
        ("resident", 1, 0, 1),
        ("resident", 3, 5, 2),
        ("resident", 1, 1, 8),
        ("streamed", 3, 0, 8),
        ("streamed", 1, 5, 2),
        ("streamed", 3, 1, 1),
    ],
)
def test_result_does_not_depend_on_company(kind, seeds, chunk_size, num_devices):
    individuals = make_individuals(21, seeds)
    found = train(make_trainer(chunk_size, num_devices, kind), individuals)
    for index in (0, 7, 20):
        alone = train(make_trainer(0, 1, kind), [individuals[index]])
        assert_close([one[index : index + 1] for one in found], alone)


def test_individuals_of_one_population_differ():
    first = Individual(np.zeros(2, np.float32), {"learning_rate": 0.1}, 0)
    other_seed = Individual(np.zeros(2, np.float32), {"learning_rate": 0.1}, 1)
    other_rate = Individual(np.zeros(2, np.float32), {"learning_rate": 0.2}, 0)
    found, *_ = train(make_trainer(), [first, other_seed, other_rate, first])
    assert not np.allclose(found[0], found[1])
    assert not np.allclose(found[0], found[2])
    np.testing.assert_allclose(found[0], found[3], rtol=1e-6)
    assert len({one.id for one in (first, other_seed, other_rate)}) == 3


@both_kinds
@pytest.mark.parametrize("interrupted_at", [1, 2])
def test_after_a_resume_it_is_the_very_same(interrupted_at, kind):
    individuals, trainer = make_individuals(5, seeds=2), make_trainer(8, 8, kind)
    resumed = train(trainer, individuals, interrupted_at=interrupted_at)
    assert_equal(resumed, train(trainer, individuals))


@both_kinds
def test_training_in_parts_equals_training_at_once(kind):
    individuals, trainer = make_individuals(5, seeds=2), make_trainer(8, 8, kind)
    at_once, in_parts = trainer.start(individuals, 8), trainer.start(individuals, 8)
    trainer.train(at_once, 5)
    for epochs in (2, 1, 2):
        trainer.train(in_parts, epochs)
    assert (at_once.epoch, in_parts.epoch) == (5, 5)
    fetched = [jax.tree.leaves(trainer.fetch(chunk)) for chunk in (at_once, in_parts)]
    assert_equal(*fetched)
    assert (trainer.fetch(in_parts).state.variables["counts"]["steps"] == 5 * POINTS).all()


@both_kinds
def test_fetched_shapes_are_those_told_before(kind):
    individuals, trainer = make_individuals(3), make_trainer(4, 1, kind)
    chunk = trainer.start(individuals, 4)
    trainer.train(chunk, 1)
    chunk.keep_best(np.zeros(3), {"closeness": np.zeros(3)})
    trainer.train(chunk, 1, lambda: True)
    blocks = len(chunk.population.shares)
    assert blocks == (0 if kind == "resident" else 1)
    told = trainer.population_shape(individuals, blocks, ["closeness"])

    def described(population):
        return [(leaf.shape, leaf.dtype) for leaf in jax.tree.leaves(population)]

    assert described(told) == described(trainer.fetch(chunk))


def test_after_a_stop_within_an_epoch_it_is_the_very_same():
    individuals, trainer = make_individuals(4), make_trainer(3, 1, "streamed")
    chunk, stops = trainer.start(individuals[:3], 4), []
    while chunk.epoch < EPOCHS:
        trainer.train(chunk, EPOCHS - chunk.epoch, lambda: True)
        stops.append((chunk.epoch, round(chunk.done * POINTS)))
        chunk = put_back(trainer, chunk)
    ends = [(epoch, end) for epoch in range(EPOCHS) for end in ENDS]
    assert stops == [*ends, (EPOCHS, 0)]
    undisturbed = trainer.start(individuals[:3], 4)
    trainer.train(undisturbed, EPOCHS)
    found, expected = (
        (weights(trainer, one), closeness(trainer, one), one.population.losses)
        for one in (chunk, undisturbed)
    )
    assert_equal(found, expected)


@pytest.mark.parametrize(("kind", "programs"), [("resident", 1), ("streamed", 2)])
def test_compiles_one_program_for_each_shape_of_a_block(kind, programs):
    trainer = PopulationTrainer(PROBLEMS[kind](), devices=jax.devices()[:1])
    chunk = trainer.start(make_individuals(2), 2)
    trainer.train(chunk, 1)
    trainer.evaluate(chunk, "valid")
    assert trainer.problem.traced == {"train": programs, "evaluate": programs}
    trainer.train(chunk, 2)
    trainer.evaluate(chunk, "valid")
    # Test is of the same shapes as validation.
    trainer.evaluate(chunk, "test")
    other = trainer.start(make_individuals(4)[2:], 2)
    trainer.train(other, 1)
    trainer.evaluate(other, "valid")
    assert trainer.problem.traced == {"train": programs, "evaluate": programs}


def test_many_resident_epochs_are_one_call(monkeypatch):
    real, calls = Programs.train, []

    def counted(self, state, cohort, epoch, stop, block):
        calls.append((epoch, stop))
        return real(self, state, cohort, epoch, stop, block)

    monkeypatch.setattr(Programs, "train", counted)
    trainer = make_trainer(2, 1)
    chunk = trainer.start(make_individuals(2), 2)
    trainer.train(chunk, 7)
    assert calls == [(0, 7)]


def test_what_the_host_raises_comes_out():
    trainer = PopulationTrainer(StreamedLine(), devices=jax.devices()[:1])
    chunk = trainer.start(make_individuals(4), 4)
    trainer.problem.fails = True
    with pytest.raises(ValueError, match="no second block"):
        trainer.train(chunk, 1)


def test_values_have_the_population_first_without_what_fills_up():
    trainer = make_trainer(4, 1, "streamed")
    chunk = trainer.start(make_individuals(3), 4)
    values = trainer.evaluate(chunk, "valid")
    assert [one["errors"].shape for one in values] == [(3, 8), (3, 4)]


@both_kinds
def test_other_variables_than_the_last_are_evaluated(kind):
    trainer = make_trainer(2, 2, kind)
    chunk = trainer.start(make_individuals(2), 2)
    trainer.train(chunk, 1)
    first = closeness(trainer, chunk)
    variables = jax.tree.map(jnp.copy, chunk.population.state.variables)
    trainer.train(chunk, 1)
    again = trainer.problem.metrics("valid", trainer.evaluate(chunk, "valid", variables))
    np.testing.assert_array_equal(again["closeness"], first)
    assert (closeness(trainer, chunk) != first).all()


@pytest.mark.parametrize(
    ("count", "limit"), [(1, 8), (9, 8), (21, 16), (64, 64), (5, 3), (16, 1), (101, 100)]
)
def test_layout_covers_everybody_once(count, limit):
    trainer = make_trainer()
    size, parts = trainer.layout(count, limit)
    covered = [index for part in parts for index in range(count)[part]]
    assert covered == list(range(count))
    width = min(jax.device_count(), count, limit)
    assert size % width == 0
    assert size < limit + width
    # As small as chunks of this limit can be, or not a third more work.
    chunks = -(-count // limit)
    largest = -(-count // chunks)
    smallest = -(-largest // width) * width
    assert size * len(parts) <= smallest * -(-count // smallest) * 4 / 3


@two_devices
def test_rounds_of_many_sizes_share_few_chunk_sizes():
    """Each is a program."""
    trainer = make_trainer(0, 2)
    sizes = {trainer.layout(count, 8)[0] for count in range(1, 100)}
    assert sizes <= {1, 2, 4, 8}


@both_kinds
@two_devices
def test_memory_limits_the_chunk(monkeypatch, kind):
    individuals = make_individuals(64)
    trainer = make_trainer(0, 2, kind)
    assert trainer.chunk_limit(individuals) == 8
    needed = trainer.bytes_needed(individuals[:8], 8)
    # Memory for half of what a chunk of 8 needs on both devices.
    monkeypatch.setattr("kapl_jax.search.trainer.memory_bytes", lambda device: needed)
    limited = PopulationTrainer(PROBLEMS[kind](), devices=jax.devices()[:2])
    limit = limited.chunk_limit(individuals)
    assert 2 <= limit < 8
    assert limit % 2 == 0
    found = train(make_trainer(limit, 2, kind), individuals)
    monkeypatch.undo()
    assert_close(found, train(make_trainer(0, 8, kind), individuals))


class HeavyProblem(LineProblem):
    """Variables of 4 kB, trained in place; evaluation needs much more than that."""

    def __init__(self, evaluated: int, optimizer: int = 1) -> None:
        super().__init__()
        self.evaluated = evaluated
        self.optimizer = optimizer

    def init(self, key, candidate, hyperparameters):
        state = super().init(key, candidate, hyperparameters)
        variables = {**state.variables, "wide": jnp.zeros(1000)}
        return TrainingState(variables, (state.optimizer, jnp.zeros(self.optimizer)))

    def train_block(self, state, *arguments):
        inner, wide = state.optimizer
        trained, loss = super().train_block(TrainingState(state.variables, inner), *arguments)
        variables = {**trained.variables, "wide": state.variables["wide"] + 1}
        return TrainingState(variables, (trained.optimizer, wide + 1)), loss

    def evaluate_block(self, variables, candidate, data, block):
        factors = (jnp.arange(self.evaluated) % 7).astype(jnp.float32)
        rows = jnp.outer(factors, variables["wide"])
        return {"closeness": jnp.sort(rows, axis=0)[-1].sum()}


def heavy(*sizes):
    return PopulationTrainer(HeavyProblem(*sizes), devices=jax.devices()[:2])


@two_devices
def test_memory_of_evaluation_and_of_the_best_variables_is_counted():
    individuals = make_individuals(8)
    small, large = heavy(1), heavy(500)
    # On each of two devices four evaluations side by side, of 500 rows of 1,000 floats each.
    assert large.bytes_needed(individuals, 8) > 4 * 500 * 4000
    assert small.bytes_needed(individuals, 8) < 4 * 500 * 4000
    needed = [small.bytes_needed(individuals, 8, keeps_best) for keeps_best in (False, True)]
    assert 4 * 4000 <= needed[1] - needed[0] < 4 * 5000


@two_devices
def test_memory_of_the_optimizer_is_counted_beside_evaluation_but_not_in_the_best():
    individuals = make_individuals(8)
    lean, heavier = heavy(500), heavy(500, 5000)
    more = [
        heavier.bytes_needed(individuals, 8, keeps_best)
        - lean.bytes_needed(individuals, 8, keeps_best)
        for keeps_best in (False, True)
    ]
    assert more == [4 * 4999 * 4] * 2


@two_devices
def test_a_device_that_does_not_tell_its_memory_is_not_taken_for_the_host(monkeypatch):
    class Silent:
        platform = "gpu"

        def memory_stats(self):
            return None

    assert memory_bytes(Silent()) is None
    assert memory_bytes(jax.devices()[0]) > 0
    monkeypatch.setattr("kapl_jax.search.trainer.memory_bytes", lambda device: None)
    trainer = PopulationTrainer(LineProblem(), devices=jax.devices()[:2])
    assert trainer.chunk_limit(make_individuals(64)) == 8


@both_kinds
def test_what_cannot_be_compiled_needs_more_than_there_is(monkeypatch, kind):
    real = Programs._compile

    def compile_small(self, lowered):
        if len(self._cohort.stamp) > 2:
            raise jax.errors.JaxRuntimeError("RESOURCE_EXHAUSTED: Out of memory")
        return real(self, lowered)

    monkeypatch.setattr(Programs, "_compile", compile_small)
    trainer = PopulationTrainer(PROBLEMS[kind](), devices=jax.devices()[:2])
    individuals = make_individuals(8)
    assert trainer.bytes_needed(individuals, 8) == 4 * trainer.bytes_needed(individuals[:2], 2)


def test_data_lie_once_on_a_device():
    """For chunks of all sizes, and where splits share them."""

    def placed(x):
        return [one for one in jax.live_arrays() if one.shape == x.shape and one.dtype == x.dtype]

    problem = LineProblem()
    trainer = PopulationTrainer(problem, devices=jax.devices()[:2])
    x = problem.data["valid"]["x"]
    before = len(placed(x))
    for size in (2, 4):
        chunk = trainer.start(make_individuals(size), size)
        trainer.train(chunk, 1)
        trainer.evaluate(chunk, "valid")
        del chunk
    # x and y of the points of training, which are those of validation.
    assert len(placed(x)) - before == 2


def test_only_devices_of_this_process_are_used(monkeypatch):
    def refuse(*_):
        raise AssertionError("these may belong to other processes")

    local = jax.local_devices()
    monkeypatch.setattr(jax, "devices", refuse)
    assert PopulationTrainer(LineProblem()).devices == local


@pytest.mark.parametrize("ahead", [1, 2, 5])
def test_prefetched_items_come_in_order_and_not_too_early(ahead):
    drawn, threads = [], set()

    def source():
        for number in range(20):
            threads.add(threading.get_ident())
            drawn.append(number)
            yield number

    for expected, item in enumerate(prefetched(source(), ahead)):
        assert item == expected
        assert len(drawn) <= expected + 1 + ahead
    assert drawn == list(range(20))
    assert threading.get_ident() not in threads


def test_prefetching_ends_with_its_caller_and_with_what_is_raised():
    def source():
        yield 0
        yield 1
        raise KeyError("two")

    for item in prefetched(source()):
        assert item == 0
        break
    assert list(prefetched([])) == []
    seen = []
    items = prefetched(source())
    seen += [next(items), next(items)]
    with pytest.raises(KeyError, match="two"):
        next(items)
    assert seen == [0, 1]


def test_blocks_are_told_apart_by_structure_shape_and_dtype():
    one = {"a": np.zeros((2, 3), np.float32)}
    assert shapes(one) == shapes({"a": np.ones((2, 3), np.float32)})
    for other in (
        {"b": np.zeros((2, 3), np.float32)},
        {"a": np.zeros((3, 2), np.float32)},
        {"a": np.zeros((2, 3), np.int32)},
    ):
        assert shapes(one) != shapes(other)
        assert len({shapes(one), shapes(other)}) == 2
