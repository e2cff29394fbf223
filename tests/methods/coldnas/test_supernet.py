from __future__ import annotations

import functools
import itertools

import jax
import numpy as np
import pytest

from kapl_jax.methods.coldnas import problem as module
from kapl_jax.methods.coldnas.supernet import SupernetProblem, discretisations
from kapl_jax.methods.coldnas.tasks import item_sets
from kapl_jax.search.shared_weights import SharedWeights
from tests.methods.coldnas.slow import slow_loss
from tests.methods.coldnas.tiny import (
    HYPERPARAMETERS,
    OPTIONS,
    POSITIONS,
    as_precise,
    problem,
    slow_users,
    structures,
    tiny_cold_start,
)
from tests.modulation.slow import slow_relaxed

pytestmark = pytest.mark.usefixtures("compiled_plainly")
DATA = tiny_cold_start()
EVERYTHING = np.ones((POSITIONS, 4), bool)
SUPERNET = SupernetProblem(DATA, OPTIONS)


def hyperparameters():
    return {name: np.float32(value) for name, value in HYPERPARAMETERS.items()}


@functools.cache
def start():
    state = jax.jit(SUPERNET.init)(jax.random.key(0), EVERYTHING, hyperparameters())
    rng = np.random.default_rng(0)
    model = jax.tree.map(
        lambda leaf: np.float32(2 * np.asarray(leaf) + 0.3 * rng.normal(size=leaf.shape)),
        state.variables["params"]["model"],
    )
    return state.replace(variables={"params": {**state.variables["params"], "model": model}})


def parameters():
    return start().variables["params"]


def with_alpha(alpha):
    return {**parameters(), "alpha": np.float32(alpha)}


@functools.cache
def loss_program(one):
    """Return `(parameters, candidate) -> loss on the training users, and its gradient`."""

    def loss(parameters, candidate):
        tasks, item_fields = one.data["train"].tasks, one.data["train"].item_fields
        tasks = as_precise(tasks, parameters)
        sets = item_sets(item_fields, tasks)
        return one._loss(parameters, candidate, tasks.features, *sets, tasks)

    return jax.jit(jax.value_and_grad(loss))


@functools.cache
def evaluate_program(one):
    return jax.jit(one.evaluate_block)


def assert_close(found, expected, rtol=1e-4, atol=1e-6):
    for one, other in zip(jax.tree.leaves(found), jax.tree.leaves(expected), strict=True):
        np.testing.assert_allclose(one, other, rtol=rtol, atol=atol)


def test_every_operation_starts_at_one_half():
    alpha = parameters()["alpha"]
    assert alpha.shape == (POSITIONS, 4)
    assert not np.any(alpha)


@pytest.mark.parametrize("seed", range(6))
def test_alpha_at_infinity_is_the_discrete_structure(seed):
    structure = structures(1, seed)[0]
    at = with_alpha(np.where(structure, np.inf, -np.inf))
    value, gradient = loss_program(SUPERNET)(at, EVERYTHING)
    expected, of_model = loss_program(problem())({"model": at["model"]}, structure)
    np.testing.assert_allclose(value, expected, rtol=1e-5)
    assert_close(gradient["model"], of_model["model"])
    assert all(np.isfinite(leaf).all() for leaf in jax.tree.leaves(gradient))


def test_the_gradient_of_alpha_is_finite_differences():
    """Of the loss as a user by user, item by item program computes it."""
    alpha = np.random.default_rng(1).normal(size=(POSITIONS, 4))
    candidate = structures(1)[0]
    users = slow_users(DATA, DATA.train)
    precise = jax.tree.map(np.float64, {**parameters(), "alpha": alpha})
    with jax.enable_x64(True):
        value, gradient = loss_program(SUPERNET)(precise, candidate)
        value, found = float(value), np.asarray(gradient["alpha"])

    def loss(at):
        gates = candidate / (1 + np.exp(-at))
        return slow_loss(precise["model"], SUPERNET.model.widths, slow_relaxed(gates), users)

    np.testing.assert_allclose(value, loss(alpha), rtol=1e-6)
    for index in np.ndindex(alpha.shape):
        step = np.zeros_like(alpha)
        step[index] = 1e-5
        slope = (loss(alpha + step) - loss(alpha - step)) / 2e-5
        np.testing.assert_allclose(found[index], slope, rtol=1e-4, atol=1e-10)
    # Operations that the candidate rules out have none.
    assert not found[~candidate].any()
    assert (found[candidate] != 0).all()


def test_training_moves_alpha_of_what_may_be_present():
    candidate = structures(1)[0]
    _, gradient = loss_program(SUPERNET)(parameters(), candidate)
    stepped = start().step(module._optimizer(0.5, 0.01), gradient)
    alpha = np.asarray(stepped.variables["params"]["alpha"])
    assert (alpha[candidate] != 0).all()
    assert not alpha[~candidate].any()


@pytest.mark.parametrize("supernets", [1, 3])
def test_discretisations_grow_by_the_most_important_operation(supernets):
    alpha = np.random.default_rng(0).normal(size=(supernets, POSITIONS, 4))
    found = discretisations(alpha)
    assert found.shape == (POSITIONS * 4 + 1, POSITIONS, 4)
    assert found.dtype == bool
    assert found.sum(axis=(1, 2)).tolist() == list(range(POSITIONS * 4 + 1))
    importance = np.mean([1 / (1 + np.exp(-one)) for one in alpha], axis=0)
    added = []
    for smaller, larger in itertools.pairwise(found):
        assert (larger & smaller == smaller).all()
        added.append(importance[larger & ~smaller].item())
    assert added == sorted(added, reverse=True)


def test_importance_is_the_mean_share_not_the_mean_alpha():
    alpha = np.zeros((2, 1, 4))
    # Shares 1 and 0.27 against twice 0.73: the second is larger, though not the mean of alpha.
    alpha[:, 0, 0], alpha[:, 0, 1] = (50, -1), (1, 1)
    assert discretisations(alpha)[1].tolist() == [[False, True, False, False]]


def test_one_supernet_needs_no_axis_of_its_own():
    alpha = np.random.default_rng(0).normal(size=(POSITIONS, 4))
    np.testing.assert_array_equal(discretisations(alpha), discretisations(alpha[None]))


def test_inherited_scores_are_those_of_the_weights_under_each_structure():
    tried, variables = structures(4), start().variables
    found = SharedWeights(problem(), variables, jax.devices()[:2]).scores(tried)
    evaluate, data = evaluate_program(problem()), problem().data["valid"]
    sums = [evaluate(variables, one, data, ()) for one in tried]
    expected = [-one[OPTIONS.objective] / one["users"] for one in sums]
    np.testing.assert_allclose(found, expected, rtol=1e-5)
    assert len(np.unique(np.asarray(found))) == 4
