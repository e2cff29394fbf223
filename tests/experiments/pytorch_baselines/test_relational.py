"""The PyTorch programs do the same mathematics as a slow forward pass, and as each other."""

import dataclasses

import numpy as np
import pytest

from tests.evaluation.slow import ROUNDING, assert_ranks_within, rank_bounds, slow_rank
from tests.experiments.pytorch_baselines.tiny_relational_work import (
    slow_loss,
    slow_scores,
    tiny_ranking_work,
    tiny_relational_work,
)

pytest.importorskip("torch")

from experiments.pytorch_baselines.relational_dense import DenseTrainer
from experiments.pytorch_baselines.relational_frontier import FrontierTrainer
from experiments.pytorch_baselines.relational_published import rank_as_published, train_as_published

_ACTIVATIONS = ["identity", "relu", "tanh"]


def _frontier(work, block_size=4):
    return FrontierTrainer(work, compiled=False, block_size=block_size)


def _dense(work):
    return DenseTrainer(work, compiled=False)


@pytest.fixture(scope="module", params=_ACTIVATIONS)
def work(request):
    return tiny_relational_work(request.param)


@pytest.fixture(scope="module")
def published(work):
    return train_as_published(work)


def test_the_first_loss_is_that_of_the_slow_forward_pass(work, published):
    assert published.losses[0] == pytest.approx(slow_loss(work, work.parameters, 0), rel=1e-5)
    assert published.seconds_per_step > 0


def test_the_last_parameters_are_those_of_the_slow_gradient(work):
    # Without momentum of earlier steps, Adam's step is that of the gradient's sign.
    one = _first_steps(dataclasses.replace(work, weight_decay=0.0), 1)
    found = train_as_published(one).parameters
    rng = np.random.default_rng(3)
    for name, array in one.parameters.items():
        index = tuple(rng.integers(0, array.shape))
        gradient = _slow_gradient(one, name, index)
        if abs(gradient) > 1e-3:
            moved = found[name][index] - array[index]
            assert moved == pytest.approx(-np.sign(gradient) * one.learning_rate, rel=1e-2), name


def _slow_gradient(work, name, index, step=1e-5):
    def loss(change):
        parameters = {key: array.astype(np.float64) for key, array in work.parameters.items()}
        parameters[name][index] += change
        return slow_loss(work, parameters, 0)

    return (loss(step) - loss(-step)) / (2 * step)


def _first_steps(work, count):
    return dataclasses.replace(
        work,
        heads=work.heads[:count],
        relations=work.relations[:count],
        tails=work.tails[:count],
    )


def _assert_same(found, expected):
    np.testing.assert_allclose(found.losses, expected.losses, rtol=1e-5)
    assert found.parameters.keys() == expected.parameters.keys()
    for name, array in expected.parameters.items():
        np.testing.assert_allclose(found.parameters[name], array, atol=2e-5, err_msg=name)


@pytest.mark.parametrize("make", [_frontier, _dense])
def test_the_fast_programs_train_as_published(work, published, make):
    trainer = make(work)
    _assert_same(trainer.train(), published)
    # It starts over each time.
    _assert_same(trainer.train(), published)


def test_all_parameters_are_trained(work, published):
    one = train_as_published(dataclasses.replace(_first_steps(work, 1), weight_decay=0.0))
    for name, array in work.parameters.items():
        assert np.abs(one.parameters[name] - array).max() > 1e-3, name
    assert np.abs(published.parameters["score"] - work.parameters["score"]).max() > 1e-3


@pytest.mark.parametrize("block_size", [1, 3, 1000])
def test_the_size_of_blocks_changes_nothing(block_size):
    work = tiny_relational_work("tanh")
    _assert_same(_frontier(work, block_size).train(), train_as_published(work))


_RANKERS = pytest.mark.parametrize("rank", [
    rank_as_published,
    lambda work, queries: _frontier(work).rank(queries),
    lambda work, queries: _dense(work).rank(queries),
], ids=["published", "frontier", "dense"])  # fmt: skip


@_RANKERS
def test_scores_and_ranks_are_those_of_the_slow_forward_pass(work, rank):
    queries = tiny_ranking_work()
    found = rank(work, queries)
    expected = np.array([
        slow_scores(work, work.parameters, head, relation)
        for head, relation in zip(queries.heads, queries.relations, strict=True)
    ])  # fmt: skip
    np.testing.assert_allclose(found.scores, expected, atol=ROUNDING)
    assert_ranks_within(found.ranks, _each_answer(rank_bounds, expected, queries))
    assert found.seconds > 0


@_RANKERS
def test_equal_scores_share_the_mean_of_their_ranks(work, rank):
    # One known answer each: the published ranks are those where known answers do not tie.
    one = tuple(answers[:1] for answers in tiny_ranking_work().answers)
    queries = dataclasses.replace(tiny_ranking_work(), answers=one, known=one)
    nothing = work.parameters | {"score": np.zeros_like(work.parameters["score"])}
    found = rank(dataclasses.replace(work, parameters=nothing), queries)
    assert not found.scores.any()
    assert found.ranks.tolist() == _each_answer(slow_rank, found.scores, queries)


def _each_answer(function, scores, queries):
    return [
        function(row, answer, set(known.tolist()))
        for row, answers, known in zip(scores, queries.answers, queries.known, strict=True)
        for answer in sorted(answers)
    ]


@pytest.mark.parametrize("make", [_frontier, _dense])
def test_answers_beyond_reach_and_large_scores_stay_finite(make):
    work = tiny_relational_work("tanh")
    parameters = work.parameters | {"score": work.parameters["score"] - 300}
    work = dataclasses.replace(work, parameters=parameters)
    _assert_same(make(work).train(), train_as_published(work))
