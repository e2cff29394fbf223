"""Problems whose data the host streams: as those whose data lie on the devices."""

from __future__ import annotations

import functools
import threading

import jax
import jax.numpy as jnp
import numpy as np
import pytest

from kapl_jax.search.population import PopulationTrainer
from kapl_jax.search.streaming import StreamedTrainer, prefetched, shapes
from tests.search.test_population import make_individuals
from tests.search.toy_problem import LineProblem

EPOCHS, POINTS = 3, 12
# Three blocks an epoch, of two shapes.
ENDS = (5, 10, POINTS)


def points_of(epoch):
    """Return the points of an epoch in its order."""
    x = np.random.default_rng(epoch).permutation(np.linspace(-1, 1, POINTS)).astype(np.float32)
    return {"x": x, "y": 2 * x - 1, "number": np.arange(POINTS, dtype=np.int32)}


def step(keys, hyperparameters, w, point):
    """Return the weights after a noisy gradient step, and the error."""
    error = w[0] * point["x"] + w[1] - point["y"]
    push = 0.01 * jax.random.normal(jax.random.fold_in(keys.own, point["number"]), (2,))
    gradient = error * jnp.stack([point["x"], 1.0]) + push
    return w - hyperparameters["learning_rate"] * gradient, error**2


class ResidentLine(LineProblem):
    """Fits the line to points that lie on the devices, epoch by epoch."""

    def __init__(self):
        super().__init__(POINTS)
        self.data["order"] = jax.tree.map(
            lambda *epochs: np.stack(epochs), *map(points_of, range(EPOCHS))
        )

    def train_epoch(self, state, candidate, hyperparameters, epoch, keys, data):
        points = jax.tree.map(lambda leaf: leaf[epoch], data["order"])
        one = functools.partial(step, keys, hyperparameters)
        w, errors = jax.lax.scan(one, state["w"], points)
        return {"w": w, "steps": state["steps"] + POINTS}, errors.mean()


class StreamedLine(LineProblem):
    """Fits the line to the same points, given in blocks."""

    def __init__(self):
        super().__init__(POINTS)
        self.data = {"points": jnp.float32(POINTS)}
        self.traced = {"train": 0, "evaluate": 0}
        self.fails = False

    def training_blocks(self, epoch, first=0):
        points = points_of(epoch)
        for start, end in list(zip((0, *ENDS), ENDS, strict=False))[first:]:
            if self.fails and start:
                raise ValueError("no second block")
            yield {name: values[start:end] for name, values in points.items()}

    def weight(self, block):
        return len(block["x"]) / POINTS

    def train_block(self, state, candidate, hyperparameters, epoch, keys, data, block):
        self.traced["train"] += 1
        one = functools.partial(step, keys, hyperparameters)
        w, errors = jax.lax.scan(one, state["w"], block)
        share = errors.sum() / data["points"]
        return {"w": w, "steps": state["steps"] + len(block["x"])}, share

    def validation_blocks(self):
        x = np.linspace(-1, 1, POINTS, dtype=np.float32)
        for part in (slice(0, 8), slice(8, 12)):
            yield {"x": x[part], "y": 2 * x[part] - 1}

    def evaluate_block(self, state, candidate, data, block):
        self.traced["evaluate"] += 1
        return {"errors": (state["w"][0] * block["x"] + state["w"][1] - block["y"]) ** 2}

    def metrics(self, blocks, values):
        errors = np.concatenate([one["errors"] for one in values], axis=1)
        assert errors.shape[1] == sum(len(block["x"]) for block in blocks)
        return {"closeness": -errors.mean(axis=1)}


@functools.cache
def streamed(num_devices=1):
    return StreamedTrainer(StreamedLine(), devices=jax.devices()[:num_devices])


def train(trainer, individuals, chunk_size=0, interrupted_at=0):
    """Return weights, closeness and the losses of the last epoch."""
    size, parts = trainer.layout(len(individuals), chunk_size or len(individuals))
    found = []
    for part in parts:
        chunk = trainer.start(individuals[part], size)
        if interrupted_at:
            trainer.train(chunk, interrupted_at)
            chunk = trainer.resume(individuals[part], size, trainer.fetch(chunk), chunk.epoch)
        losses = trainer.train(chunk, EPOCHS - chunk.epoch)
        metrics = trainer.evaluate(chunk)
        found.append((trainer.fetch(chunk)["w"], metrics["closeness"], losses))
    return [np.concatenate(parts) for parts in zip(*found, strict=True)]


def assert_close(found, expected):
    for one, other in zip(found, expected, strict=True):
        np.testing.assert_allclose(one, other, rtol=1e-4, atol=1e-6)


def test_equals_the_same_problem_on_the_device():
    individuals = make_individuals(4)
    resident = PopulationTrainer(ResidentLine(), devices=jax.devices()[:1])
    found = train(streamed(), individuals)
    assert_close(found, train(resident, individuals))
    # The points and their noise matter: individuals differ.
    assert len(np.unique(found[0])) == 8


@pytest.mark.parametrize(("chunk_size", "num_devices"), [(3, 1), (1, 1), (8, 4)])
def test_result_does_not_depend_on_company(chunk_size, num_devices):
    individuals = make_individuals(7, seeds=2)
    found = train(streamed(num_devices), individuals, chunk_size)
    for place in (0, 5):
        alone = train(streamed(), [individuals[place]])
        assert_close([one[place : place + 1] for one in found], alone)


@pytest.mark.parametrize("interrupted_at", [1, 2])
def test_after_a_resume_it_is_the_very_same(interrupted_at):
    individuals = make_individuals(4)
    resumed = train(streamed(), individuals, interrupted_at=interrupted_at)
    for one, other in zip(resumed, train(streamed(), individuals), strict=True):
        np.testing.assert_array_equal(one, other)


def test_after_a_stop_within_an_epoch_it_is_the_very_same():
    individuals, trainer = make_individuals(4), streamed()
    chunk, stops, losses = trainer.start(individuals, 4), [], None
    while chunk.epoch < EPOCHS:
        losses = trainer.train(chunk, EPOCHS - chunk.epoch, lambda: True)
        stops.append((chunk.epoch, round(chunk.done * POINTS)))
        shares = [np.asarray(share) for share in chunk.shares]
        state, epoch, done = trainer.fetch(chunk), chunk.epoch, chunk.done
        chunk = trainer.resume(individuals, 4, state, epoch)
        chunk.shares, chunk.done = shares, done
    ends = [(epoch, end) for epoch in range(EPOCHS) for end in ENDS]
    assert stops == [*ends[: 3 * EPOCHS], (EPOCHS, 0)]
    found = trainer.fetch(chunk)["w"], trainer.evaluate(chunk)["closeness"], losses
    for one, other in zip(found, train(trainer, individuals), strict=True):
        np.testing.assert_array_equal(one, other)


def test_compiles_one_program_for_each_shape_of_a_block():
    trainer = StreamedTrainer(StreamedLine(), devices=jax.devices()[:1])
    chunk = trainer.start(make_individuals(2), 2)
    trainer.train(chunk, 1)
    trainer.evaluate(chunk)
    assert trainer.problem.traced == {"train": 2, "evaluate": 2}
    trainer.train(chunk, 2)
    trainer.evaluate(chunk)
    other = trainer.start(make_individuals(4)[2:], 2)
    trainer.train(other, 1)
    assert trainer.problem.traced == {"train": 2, "evaluate": 2}


def test_what_the_host_raises_comes_out():
    trainer = streamed()
    chunk = trainer.start(make_individuals(4), 4)
    trainer.problem.fails = True
    try:
        with pytest.raises(ValueError, match="no second block"):
            trainer.train(chunk, 1)
    finally:
        trainer.problem.fails = False


def test_values_have_the_population_first_without_what_fills_up():
    trainer = streamed()
    chunk = trainer.start(make_individuals(3), 4)
    problem = trainer.problem
    blocks, values = trainer.apply_blocks(
        chunk, problem.evaluate_block, problem.validation_blocks()
    )
    assert [len(block["x"]) for block in blocks] == [8, 4]
    assert [one["errors"].shape for one in values] == [(3, 8), (3, 4)]


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
