from __future__ import annotations

import dataclasses
import functools

import jax
import numpy as np
import pytest

from kapl_jax.episodes.batches import draw_batches
from kapl_jax.methods.coldnas import problem as module
from kapl_jax.methods.coldnas.network_space import NetworkSpace
from kapl_jax.methods.coldnas.problem import ColdNASProblem
from kapl_jax.methods.coldnas.tasks import as_tasks, item_sets, task_data
from kapl_jax.search.individual import epoch_keys
from kapl_jax.search.problem import TrainingState
from kapl_jax.search.shared_weights import Supernet
from tests.evaluation.slow import ndcg_bounds
from tests.methods.coldnas.slow import slow_loss, slow_phi, slow_predictions
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
from tests.modulation.kinds import HIDDEN, KINDS

pytestmark = pytest.mark.usefixtures("compiled_plainly")
DATA = tiny_cold_start()
STRUCTURE = structures(1)[0]
KEYS = epoch_keys(np.uint32(3), np.uint32(7), np.int32(2))
EPOCH = np.int32(2)
AS_GIVEN = dataclasses.replace(OPTIONS, redraw=False)
TRAINED = problem().data["train"].tasks
ITEM_FIELDS = problem().data["train"].item_fields
WIDTHS = problem().model.widths


def hyperparameters(**changes):
    return {name: np.float32(value) for name, value in {**HYPERPARAMETERS, **changes}.items()}


@functools.cache
def parameters(seed=0):
    """Return parameters that are large enough for every operation to count."""
    state = init_program()(jax.random.key(seed), STRUCTURE, hyperparameters())
    rng = np.random.default_rng(seed)
    return jax.tree.map(
        lambda leaf: np.float32(2 * np.asarray(leaf) + 0.3 * rng.normal(size=leaf.shape)),
        state.variables["params"],
    )


def start(seed=0) -> TrainingState:
    """Return the state before training with those parameters: moments are zeros."""
    state = init_program()(jax.random.key(seed), STRUCTURE, hyperparameters())
    return state.replace(variables={"params": parameters(seed)})


@functools.cache
def init_program():
    return jax.jit(problem().init)


@functools.cache
def epoch_program(options=AS_GIVEN):
    one = problem(options)

    def train(state, candidate, given):
        data = one.data["train"]
        return one.train_block(state, lambda key: candidate, given, EPOCH, KEYS, data, ())

    return jax.jit(train)


@functools.cache
def shared_program():
    one = Supernet(problem(AS_GIVEN), np.stack([STRUCTURE, STRUCTURE]))

    def train(state, pool, own):
        keys, data = KEYS._replace(own=own), (one.data["train"][0], pool)
        return one.train_block(state, lambda key: None, hyperparameters(), EPOCH, keys, data, ())

    return jax.jit(train)


class RelaxedProblem(ColdNASProblem):
    """A problem whose candidates are the shares of operations."""

    def modulation(self, parameters, candidate):
        return KINDS["relaxed"].modulate(candidate)


@functools.cache
def of_kind(kind="structure"):
    if kind == "relaxed":
        return RelaxedProblem(DATA, OPTIONS)
    units = HIDDEN if kind == "networks" else 0
    return ColdNASProblem(DATA, dataclasses.replace(OPTIONS, network_units=units))


@functools.cache
def predict_program(kind="structure"):
    return jax.jit(of_kind(kind).predict)


@functools.cache
def loss_program(kind="structure", grouped=False):
    """Return `(parameters, candidate, tasks, item fields) -> loss and gradient`."""
    one = of_kind(kind)
    layouts = one._groups.layouts if grouped else None

    def loss(parameters, candidate, tasks, item_fields):
        candidate, tasks = as_precise((candidate, tasks), parameters)
        sets = item_sets(item_fields, tasks, layouts)
        return one._loss(parameters, candidate, tasks.features, *sets, tasks)

    return jax.jit(jax.value_and_grad(loss))


def loss_of(tasks, kind="structure", grouped=False, candidate=STRUCTURE, at=None):
    at = parameters() if at is None else at
    return loss_program(kind, grouped)(at, candidate, tasks, ITEM_FIELDS)


def precise(tree):
    return jax.tree.map(lambda leaf: np.array(leaf, np.float64), tree)


def assert_close(found, expected, rtol=1e-5, atol=1e-6):
    assert jax.tree.structure(found) == jax.tree.structure(expected)
    for one, other in zip(jax.tree.leaves(found), jax.tree.leaves(expected), strict=True):
        np.testing.assert_allclose(one, other, rtol=rtol, atol=atol)


def draw(kind, seed=0):
    return KINDS[kind].draw(np.random.default_rng(seed), POSITIONS)


def slow_loss_of(kind, candidate, at, users):
    return slow_loss(precise(at)["model"], WIDTHS, KINDS[kind].slow(candidate), users)


@pytest.mark.parametrize("kind", KINDS)
def test_the_loss_equals_the_slow_one(kind):
    users = slow_users(DATA, DATA.train)
    for seed in range(3):
        candidate = draw(kind, seed)
        found, _ = loss_of(TRAINED, kind, candidate=candidate)
        expected = slow_loss_of(kind, candidate, parameters(), users)
        np.testing.assert_allclose(found, expected, rtol=1e-5)


@pytest.mark.parametrize("kind", KINDS)
def test_gradients_are_finite_differences(kind):
    """Of every array of parameters, in a random direction."""
    users, candidate = slow_users(DATA, DATA.train), draw(kind)
    at, rng = precise(parameters()), np.random.default_rng(0)
    with jax.enable_x64(True):
        _, gradient = loss_of(TRAINED, kind, candidate=candidate, at=at)
        gradient = jax.tree.map(np.asarray, gradient)
    leaves = zip(jax.tree.leaves(at), jax.tree.leaves(gradient), strict=True)
    for number, (leaf, found) in enumerate(leaves):
        kept, step = leaf.copy(), 1e-6 * rng.normal(size=leaf.shape)
        leaf[...] = kept + step
        above = slow_loss_of(kind, candidate, at, users)
        leaf[...] = kept - step
        below = slow_loss_of(kind, candidate, at, users)
        leaf[...] = kept
        assert found.dtype == np.float64
        np.testing.assert_allclose(
            (found * step).sum(), (above - below) / 2, rtol=1e-4, atol=1e-14, err_msg=str(number)
        )


@pytest.mark.parametrize("seed", range(3))
def test_a_batch_in_groups_is_the_padded_one(seed):
    tasks, users = TRAINED, slow_users(DATA, DATA.train)
    batches, weights = draw_batches(problem()._groups, jax.random.key(seed))
    assert len(problem()._groups.layouts.query.groups) > 1
    filled = False
    for members, weight in zip(np.asarray(batches), np.asarray(weights), strict=True):
        batch = tasks.take(members).replace(weights=weight)
        found, expected = (loss_of(batch, grouped=grouped) for grouped in (True, False))
        assert_close(found, expected, rtol=1e-4)
        # A user that only fills the batch does not count.
        real = [users[index] for index, one in zip(members, weight, strict=True) if one]
        slow = slow_loss_of("structure", STRUCTURE, parameters(), real)
        np.testing.assert_allclose(found[0], slow, rtol=1e-5)
        filled |= len(real) < len(members)
    assert filled


def wider(tasks, support=2, query=3):
    """Return tasks with more padding, full of values that must not count."""
    rng = np.random.default_rng(0)
    changed = {}
    for part, more in (("support", support), ("query", query)):
        mask = np.pad(getattr(tasks, f"{part}_mask"), ((0, 0), (0, more)))
        items = np.pad(getattr(tasks, f"{part}_items"), ((0, 0), (0, more)))
        ratings = np.pad(getattr(tasks, f"{part}_ratings"), ((0, 0), (0, more)))
        changed[f"{part}_mask"] = mask
        changed[f"{part}_items"] = np.where(mask, items, rng.integers(0, 12, mask.shape))
        changed[f"{part}_ratings"] = np.where(mask, ratings, np.nan).astype(np.float32)
    return dataclasses.replace(tasks, **changed)


def test_a_padded_user_equals_an_unpadded_one():
    tasks, padded = TRAINED, as_tasks(DATA, wider(DATA.train))
    assert padded.query.mask.shape == (8, 8)
    assert_close(loss_of(padded), loss_of(tasks), rtol=1e-4)
    predicted = predict_program()(parameters(), STRUCTURE, ITEM_FIELDS, padded)
    expected = predict_program()(parameters(), STRUCTURE, ITEM_FIELDS, tasks)
    np.testing.assert_allclose(
        np.asarray(predicted)[padded.query.mask], np.asarray(expected)[tasks.query.mask], rtol=1e-5
    )


def test_predictions_and_phi_equal_the_slow_ones():
    one, at = problem(), precise(parameters())["model"]
    tasks, users = as_tasks(DATA, DATA.test), slow_users(DATA, DATA.test)
    predicted = predict_program()(parameters(), STRUCTURE, ITEM_FIELDS, tasks)
    phi = jax.jit(one.phi)(parameters(), ITEM_FIELDS, tasks)
    slow = KINDS["structure"].slow(STRUCTURE)
    assert len(phi) == POSITIONS
    for index, user in enumerate(users):
        np.testing.assert_allclose(
            predicted[index][DATA.test.query_mask[index]],
            slow_predictions(at, WIDTHS, slow, user),
            rtol=1e-5,
        )
        for position, expected in enumerate(slow_phi(at, WIDTHS, user)):
            np.testing.assert_allclose(phi[position][:, index], expected, rtol=1e-5, atol=1e-6)


def slow_metrics(predicted, ratings):
    """The lowest and the highest metrics of a user that rounding allows."""
    errors = [p - r for p, r in zip(predicted, ratings, strict=True)]
    return {
        "mse": (sum(e * e for e in errors) / len(errors),) * 2,
        "mae": (sum(abs(e) for e in errors) / len(errors),) * 2,
        "ndcg_at_3": ndcg_bounds(predicted, ratings, 3),
        "ndcg_at_5": ndcg_bounds(predicted, ratings, 5),
    }


@pytest.mark.parametrize(
    "data", [DATA, dataclasses.replace(DATA, valid=wider(DATA.valid))], ids=["tight", "padded"]
)
def test_metrics_equal_the_slow_ones(data):
    # Bounds make ties, which rounding breaks, or else.
    structure = STRUCTURE & [False, False, True, True]
    at, slow = precise(parameters())["model"], KINDS["structure"].slow(structure)
    each = []
    for user in slow_users(data, data.valid):
        predicted = [1 + 4 * p for p in slow_predictions(at, WIDTHS, slow, user)]
        each.append(slow_metrics(predicted, [1 + 4 * rating for _, rating in user.asked]))
    expected = {name: np.mean([one[name] for one in each], axis=0) for name in each[0]}
    # Five users by two: the last batch is filled up.
    program, variables = jax.jit(problem().evaluate_block), {"params": parameters()}
    sums = program(variables, structure, task_data(data, 2)["valid"], ())
    # Of a population of one.
    found = problem().metrics("valid", [jax.tree.map(lambda leaf: np.asarray(leaf)[None], sums)])
    assert found.keys() == expected.keys()
    for name, (lowest, highest) in expected.items():
        assert lowest * (1 - 1e-4) <= found[name][0] <= highest * (1 + 1e-4), name


def slow_epoch(state, given):
    """Return parameters after textbook Adam with decoupled weight decay, and the mean loss."""
    order_key, _ = jax.random.split(KEYS.order)
    batches, weights = draw_batches(problem()._groups, order_key)
    at = precise(state.variables["params"])
    first, second = (jax.tree.map(np.zeros_like, at) for _ in range(2))
    rate, losses = given["learning_rate"] * given["decay"] ** 2, []
    for step, (members, weight) in enumerate(zip(batches, weights, strict=True), start=1):
        batch = jax.tree.map(lambda leaf, members=members: leaf[members], TRAINED)
        single = jax.tree.map(np.float32, at)
        loss, gradient = loss_of(batch.replace(weights=weight), at=single)
        losses.append(loss)
        first = jax.tree.map(lambda m, g: 0.9 * m + 0.1 * g, first, gradient)
        second = jax.tree.map(lambda v, g: 0.999 * v + 0.001 * g**2, second, gradient)
        at = jax.tree.map(
            lambda p, m, v, step=step: (
                p
                - rate
                * (
                    m / (1 - 0.9**step) / (np.sqrt(v / (1 - 0.999**step)) + 1e-8)
                    + given["weight_decay"] * p
                )
            ),
            at,
            precise(first),
            precise(second),
        )
    return at, np.mean(losses)


def test_an_epoch_is_textbook_adam_over_all_batches():
    given = {**HYPERPARAMETERS, "weight_decay": 0.5, "unseen_rate": 0.0}
    trained, loss = epoch_program()(start(), STRUCTURE, hyperparameters(**given))
    expected, mean = slow_epoch(start(), given)
    np.testing.assert_allclose(loss, mean, rtol=1e-5)
    # A step is about 0.008; rounding counts where a coordinate's gradient is small.
    found = trained.variables["params"]
    assert_close(found, expected, rtol=0, atol=1e-4)
    moved = np.abs(found["model"]["out"]["kernel"] - parameters()["model"]["out"]["kernel"])
    assert moved.mean() > 0.005


def test_training_learns_its_users():
    state, losses = start(), []
    for _ in range(40):
        state, loss = epoch_program()(state, STRUCTURE, hyperparameters(unseen_rate=0, decay=1))
        losses.append(float(loss))
    assert losses[-1] < 0.5 * losses[0]


def test_drawing_anew_and_hiding_change_an_epoch():
    """Else the tests of what they do would prove little."""
    runs = [
        epoch_program(options)(start(), STRUCTURE, hyperparameters(unseen_rate=rate))[1]
        for options, rate in ((AS_GIVEN, 0), (OPTIONS, 0), (AS_GIVEN, 0.5), (AS_GIVEN, 0.5))
    ]
    plain, redrawn, hidden, again = map(float, runs)
    assert len({plain, redrawn, hidden}) == 3
    assert hidden == again


@functools.cache
def hide_program():
    def hide(tasks, key, rate):
        return module._hide(tasks.features, *item_sets(ITEM_FIELDS, tasks), key, rate)

    return jax.jit(hide)


def test_hiding_nobody_changes_nothing():
    found = hide_program()(TRAINED, jax.random.key(0), np.float32(0))
    expected = TRAINED.features, *item_sets(ITEM_FIELDS, TRAINED)
    jax.tree.map(np.testing.assert_array_equal, found, expected)


def test_hiding_all_leaves_ratings_only():
    tasks = TRAINED
    rng = np.random.default_rng(0)
    others = tasks.replace(
        features=tuple(rng.permutation(np.asarray(one)) for one in tasks.features),
        **{
            part: sets.replace(features=rng.integers(0, 12, sets.mask.shape))
            for part, sets in (("support", tasks.support), ("query", tasks.query))
        },
    )

    apply = jax.jit(problem()._apply)

    def predict(tasks):
        sets = hide_program()(tasks, jax.random.key(0), np.float32(1))
        return np.asarray(apply(parameters(), STRUCTURE, *sets)).reshape(8, -1)

    found = predict(tasks)
    np.testing.assert_array_equal(found, predict(others))
    # All items asked are alike; users still differ by their ratings.
    np.testing.assert_allclose(found, np.broadcast_to(found[:, :1], found.shape), rtol=1e-5)
    assert len(np.unique(found[:, 0])) > 1


def test_hiding_takes_so_many_with_all_their_fields():
    tasks = TRAINED
    draws = jax.vmap(hide_program(), (None, 0, None))(
        tasks, jax.random.split(jax.random.key(0), 2000), np.float32(0.3)
    )
    users, support, query = draws
    plain = (
        tasks.features,
        *(sets.features for sets in item_sets(ITEM_FIELDS, tasks)),
    )
    for fields, before in zip((users, support.features, query.features), plain, strict=True):
        hidden = [
            (np.asarray(one)[..., 0] == 0) & (np.asarray(one)[..., 1:] == -1).all(axis=-1)
            for one in fields
        ]
        # Nobody in training has an unseen value of their own.
        np.testing.assert_array_equal(hidden[0], hidden[1])
        # The standard deviation of a share is 0.01.
        np.testing.assert_allclose(hidden[0].mean(axis=0), 0.3, atol=0.05)
        for one, kept in zip(fields, before, strict=True):
            expected = np.broadcast_to(kept, one.shape)
            np.testing.assert_array_equal(np.asarray(one)[~hidden[0]], expected[~hidden[0]])


def test_networks_written_otherwise_predict_alike():
    space = NetworkSpace(POSITIONS, HIDDEN)
    for weights in space.sample(np.random.default_rng(0), 3):
        found = predict_program("networks")(
            parameters(), space.canonical(weights[None])[0], ITEM_FIELDS, TRAINED
        )
        expected = predict_program("networks")(parameters(), weights, ITEM_FIELDS, TRAINED)
        assert_close(found, expected, rtol=1e-4)


@pytest.mark.parametrize("seed", range(3))
def test_scale_and_shift_as_networks_predict_alike(seed):
    structure = structures(1, seed)[0]
    structure[:, :2] = False
    weights = NetworkSpace(POSITIONS, HIDDEN).of_operations(structure)
    found = predict_program("networks")(parameters(), weights, ITEM_FIELDS, TRAINED)
    expected = predict_program()(parameters(), structure, ITEM_FIELDS, TRAINED)
    assert_close(found, expected, rtol=1e-4)


def test_shared_training_with_one_candidate_is_training_alone():
    trained, loss = shared_program()(start(), np.stack([STRUCTURE, STRUCTURE]), KEYS.own)
    expected, expected_loss = epoch_program()(start(), STRUCTURE, hyperparameters())
    np.testing.assert_allclose(loss, expected_loss, rtol=1e-5)
    assert_close(trained.variables, expected.variables, atol=1e-4)


def test_shared_training_draws_from_the_pool_at_every_step():
    pool = np.stack([STRUCTURE, ~STRUCTURE])
    alone = {float(epoch_program()(start(), one, hyperparameters())[1]) for one in pool}
    keys = (jax.random.key(seed) for seed in range(60))
    losses = [float(shared_program()(start(), pool, key)[1]) for key in keys]
    # Three steps, each with one of two: either alone, and all mixtures.
    assert len(np.unique(np.round(losses, 5))) == 8
    assert all(np.isclose(losses, one, rtol=1e-5).any() for one in alone)


def test_what_it_starts_from_does_not_depend_on_what_is_searched():
    key = jax.random.key(0)
    first = init_program()(key, STRUCTURE, hyperparameters())
    other = init_program()(key, ~STRUCTURE, hyperparameters(learning_rate=9))
    jax.tree.map(np.testing.assert_array_equal, first, other)
    model = first.variables["params"]["model"]
    assert model["items"]["field_0"].shape == (11, 2)
    assert model["users"]["field_1"].shape == (5, 2)
    assert model["encoder"]["phi"]["kernel"].shape == (5, 4 * (8 + 4 + 3))


@pytest.mark.parametrize(("objective", "factor"), [("mse", -1), ("mae", -1), ("ndcg_at_3", 1)])
def test_the_score_is_higher_for_what_is_better(objective, factor):
    one = problem(dataclasses.replace(OPTIONS, objective=objective))
    metrics = {"mse": 0.3, "mae": 0.4, "ndcg_at_3": 0.5, "ndcg_at_5": 0.6}
    assert one.score(metrics) == factor * metrics[objective]
