from __future__ import annotations

import jax
import jax.numpy as jnp
import numpy as np
import pytest

from kapl_jax.runs.run_directory import RunDirectory
from kapl_jax.search.individual import Individual
from kapl_jax.search.problem import Problem, TrainingState
from kapl_jax.search.shared_weights import RecordedProxy, SharedWeights, Supernet
from kapl_jax.search.trainer import PopulationTrainer

STEPS = 20


class Targets(Problem):
    """One number w is pulled towards the candidate drawn at each step; closeness is the score."""

    objective = "closeness"

    def __init__(self) -> None:
        self.data = {"train": np.arange(STEPS), "valid": np.zeros(3), "test": ()}

    def init(self, key, candidate, hyperparameters):
        del hyperparameters
        return TrainingState({"params": jax.random.normal(key, ()) + 0 * candidate}, ())

    def train_block(self, state, candidate_of_step, hyperparameters, epoch, keys, data, block):
        def step(w, number):
            target = candidate_of_step(jax.random.fold_in(keys.own, number))
            return w + hyperparameters["learning_rate"] * (target - w), target

        w, targets = jax.lax.scan(step, state.variables["params"], self.steps(data, block))
        return TrainingState({"params": w}, ()), targets.sum() / STEPS

    def steps(self, data, block):
        return data

    def evaluate_block(self, variables, candidate, data, block):
        assert data.shape == (3,)
        return {"distance": jnp.abs(variables["params"] - candidate)}

    def metrics(self, split, values):
        assert split == "valid"
        return {"closeness": -np.mean([one["distance"] for one in values], axis=0)}


class StreamedTargets(Targets):
    """The same, its steps given in two blocks of training, and validation in two, too."""

    def blocks(self, split, epoch=0, first=0):
        blocks = np.split(np.arange(STEPS), [12]) if split == "train" else [np.ones(1)] * 2
        yield from blocks[first:]

    def steps(self, data, block):
        return block


HYPERPARAMETERS = {"learning_rate": 0.1}


def train(pool, epochs, seed=0, problem=Targets):
    """Return the trainer and the chunk of one trained supernet."""
    trainer = PopulationTrainer(Supernet(problem(), pool), devices=jax.devices()[:1])
    chunk = trainer.start([Individual(pool[0], HYPERPARAMETERS, seed)], 1)
    trainer.train(chunk, epochs)
    return trainer, chunk


def scores(pool, epochs=30, seed=0, devices=None, problem=Targets):
    candidates = np.array(pool, np.float32)
    trainer, chunk = train(candidates, epochs, seed, problem)
    variables = jax.tree.map(lambda leaf: leaf[0], trainer.fetch(chunk).state.variables)
    return SharedWeights(problem(), variables, devices).scores(candidates)


def test_every_step_trains_a_candidate_drawn_from_the_whole_pool():
    pool = np.array([1.0, 10.0, 100.0], np.float32)
    drawn = []
    for epochs in range(1, 6):
        _, chunk = train(pool, epochs)
        total = round(float(chunk.population.losses[0]) * STEPS)
        drawn.append([total % 10, total // 10 % 10, total // 100])
    # How often each was drawn in an epoch, in the digits of the sum; another time in each epoch.
    drawn = np.array([one for one in drawn if sum(one) == STEPS])
    assert len(drawn) >= 3
    assert (drawn > 0).all()
    assert len(np.unique(drawn, axis=0)) > 1


def test_a_supernet_may_be_streamed():
    pool = [0.0, 2.0, 5.0]
    np.testing.assert_allclose(scores(pool), scores(pool, problem=StreamedTargets), rtol=1e-5)


def test_a_supernet_is_evaluated_by_its_own_candidate():
    pool = np.array([0.0, 4.0], np.float32)
    trainer, chunk = train(pool, 2)
    found = trainer.problem.metrics("valid", trainer.evaluate(chunk, "valid"))
    w = np.asarray(chunk.population.state.variables["params"])
    np.testing.assert_allclose(trainer.problem.score(found), -np.abs(w - pool[0]))


def test_weights_are_trained_for_all_and_score_each():
    found = scores([0.0, 1.0, 2.0])
    # The shared weight ends near the mean of the targets.
    assert found.argmax() == 1
    assert found.dtype == np.float64
    shared = 1.0 - found[1] if found[0] < found[2] else 1.0 + found[1]
    np.testing.assert_allclose(found, -np.abs(shared - np.arange(3)), atol=1e-6)


def test_one_candidate_is_trained_alone():
    np.testing.assert_allclose(scores([3.0], epochs=20), [0.0], atol=1e-5)


def test_the_same_again_and_another_seed():
    np.testing.assert_array_equal(scores([0.0, 2.0, 5.0]), scores([0.0, 2.0, 5.0]))
    assert not np.allclose(scores([0.0, 2.0, 5.0], seed=1), scores([0.0, 2.0, 5.0]))


def test_scores_do_not_depend_on_the_devices():
    pool = [0.0, 2.0, 5.0, 9.0, 1.0]
    alone = scores(pool, devices=jax.devices()[:1])
    np.testing.assert_array_equal(alone, scores(pool, devices=jax.devices()[:2]))


@pytest.mark.parametrize("count", [3, 16, 17])
def test_any_number_is_scored_in_order(count):
    # The first is far below the weight, so that its score tells the weight.
    pool = np.concatenate([[-50.0], np.linspace(-1, 1, count - 1)])
    found = scores(pool, epochs=2)
    shared = -50.0 - found[0]
    np.testing.assert_allclose(found, -np.abs(shared - pool), atol=1e-5)


def test_what_is_not_finite_comes_last():
    found = scores([0.0, np.nan, 1.0], epochs=0)
    assert found[1] == -np.inf
    assert np.isfinite(found[[0, 2]]).all()


class Counted:
    """Stands for a supernet: its scores differ from call to call, so that a record is told."""

    def __init__(self) -> None:
        self.calls = 0

    def scores(self, candidates):
        self.calls += 1
        found = candidates.sum(axis=1) + 100.0 * self.calls
        return np.where(found > 1000, -np.inf, found)


def open_run(folder):
    return RunDirectory.open(folder, {"method": "toy", "settings": {}, "dataset": {}})


def test_scores_are_recorded(tmp_path):
    run, weights = open_run(tmp_path), Counted()
    proxy = RecordedProxy(weights.scores, run)
    pools = [np.array([[1.0, 2.0], [900.0, 9.0]]), np.array([[5.0, 5.0]])]
    np.testing.assert_array_equal(proxy(pools[0]), [103.0, -np.inf])
    np.testing.assert_array_equal(proxy(pools[1]), [210.0])
    recorded = run.recorded("shared_weights", "search")
    assert [event["scores"] for event in recorded] == [[103.0, None], [210.0]]
    assert weights.calls == 2
    run.close()


def test_a_continued_search_gets_the_recorded_scores_and_then_new_ones(tmp_path):
    pools = [np.array([[1.0, 2.0], [900.0, 9.0]]), np.array([[5.0, 5.0]]), np.array([[7.0, 0.0]])]
    run = open_run(tmp_path)
    before = [RecordedProxy(Counted().scores, run)(pools[0])]
    run.close()
    run, weights = open_run(tmp_path), Counted()
    proxy = RecordedProxy(weights.scores, run)
    np.testing.assert_array_equal(proxy(pools[0]), before[0])
    assert weights.calls == 0
    np.testing.assert_array_equal(proxy(pools[1]), [110.0])
    run.close()
    run, weights = open_run(tmp_path), Counted()
    proxy = RecordedProxy(weights.scores, run)
    assert [proxy(pool).tolist() for pool in pools[:2]] == [before[0].tolist(), [110.0]]
    assert weights.calls == 0
    assert proxy(pools[2]).tolist() == [107.0]
    assert len(run.recorded("shared_weights")) == 3
    run.close()


def test_a_lost_record_shifts_no_other(tmp_path):
    pools = [np.array([[1.0, 2.0]]), np.array([[5.0, 5.0]])]
    run = open_run(tmp_path)
    proxy = RecordedProxy(Counted().scores, run)
    before = [proxy(pool).tolist() for pool in pools]
    run.close()
    metrics = tmp_path / "metrics.jsonl"
    metrics.write_bytes(metrics.read_bytes().split(b"\n", 1)[1])
    run, weights = open_run(tmp_path), Counted()
    proxy = RecordedProxy(weights.scores, run)
    assert proxy(pools[1]).tolist() == before[1]
    assert weights.calls == 0
    assert proxy(pools[0]).tolist() == before[0]
    assert weights.calls == 1
    run.close()
