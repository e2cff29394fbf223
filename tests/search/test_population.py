"""Where training stands: the best of each individual beside the last, parts and joins."""

from __future__ import annotations

import jax
import numpy as np

from kapl_jax.search.population import Best, Population, join_populations
from kapl_jax.search.problem import TrainingState
from tests.search.test_trainer import make_individuals, make_trainer


def test_each_individual_keeps_its_own_best_and_the_last_trains_on():
    scores = np.array([[3, 1, -np.inf], [1, 1, 2], [4, 0, -np.inf], [2, 5, 2]], float)
    # One more than there are individuals fills the chunk up.
    trainer = make_trainer(4, 2)
    chunk, undisturbed = (trainer.start(make_individuals(3), 4) for _ in range(2))
    reached = []
    for epoch, row in enumerate(scores):
        trainer.train(chunk, 1)
        reached.append(trainer.fetch(chunk).state.variables)
        chunk.keep_best(row, {"height": row, "epoch": np.full(3, epoch + 1.0)})
    trainer.train(undisturbed, len(scores))
    for one, other in zip(
        jax.tree.leaves(trainer.fetch(chunk).state),
        jax.tree.leaves(trainer.fetch(undisturbed).state),
        strict=True,
    ):
        np.testing.assert_array_equal(one, other)
    best = trainer.fetch(chunk).best
    # Of equals the first counts.
    indices = scores.argmax(axis=0)
    assert indices.tolist() == [2, 3, 1]
    np.testing.assert_array_equal(best.epoch, indices + 1)
    np.testing.assert_array_equal(best.score, [4, 5, 2])
    np.testing.assert_array_equal(best.metrics["height"], best.score)
    np.testing.assert_array_equal(best.metrics["epoch"], best.epoch)
    expected = [reached[index]["params"]["w"][one] for one, index in enumerate(indices)]
    np.testing.assert_array_equal(best.variables["params"]["w"], expected)


def test_settled_only_the_variables_that_count_are_left():
    trainer = make_trainer(2, 1)
    chunk = trainer.start(make_individuals(2), 2)
    trainer.train(chunk, 1)
    chunk.keep_best(np.zeros(2), {})
    best = trainer.fetch(chunk).best.variables["params"]["w"]
    trainer.train(chunk, 1)
    losses = chunk.population.losses
    chunk.settle()
    left = trainer.fetch(chunk)
    np.testing.assert_array_equal(left.state.variables["params"]["w"], best)
    np.testing.assert_array_equal(left.losses, losses)
    assert (left.best, jax.tree.leaves(left.state.optimizer)) == (None, [])
    # Those that are left can be tested.
    assert trainer.evaluate(chunk, "test")[0]["errors"].shape[0] == 2

    last = trainer.start(make_individuals(2), 2)
    trainer.train(last, 2)
    reached = trainer.fetch(last).state.variables["params"]["w"]
    last.settle()
    settled = trainer.fetch(last).state
    np.testing.assert_array_equal(settled.variables["params"]["w"], reached)
    assert jax.tree.leaves(settled.optimizer) == []


def test_parts_join_to_the_whole():
    numbers = np.arange(5)
    state = TrainingState({"params": np.eye(5)}, (numbers * 1.5,))
    best = Best(numbers - 7, numbers * 2.0, numbers, {"height": numbers * 3.0})
    whole = Population(state, numbers * 1.0, (numbers * 0.5,), best)
    parts = [whole.take(slice(0, 2)), whole.take([2]), whole.take(np.array([3, 4]))]
    joined = join_populations(parts)
    assert jax.tree.structure(joined) == jax.tree.structure(whole)
    for one, other in zip(jax.tree.leaves(joined), jax.tree.leaves(whole), strict=True):
        np.testing.assert_array_equal(one, other)
