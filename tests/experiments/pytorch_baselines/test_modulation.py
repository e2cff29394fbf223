"""The PyTorch programs do the same mathematics as a slow forward pass, and as each other."""

import dataclasses
import itertools

import numpy as np
import pytest

pytest.importorskip("torch")

import torch

from experiments.pytorch_baselines import modulation as in_turn
from experiments.pytorch_baselines import modulation_batched as batched

_DIM, _HIDDEN, _ITEMS, _USERS = 3, (6, 5), 11, 7
_EVERY_SUBSET = np.array(list(itertools.product([False, True], repeat=4)))


def _parameters(rng, population):
    def uniform(*shape):
        return rng.normal(size=(population, *shape)).astype(np.float32)

    widths = (2 * _DIM, *_HIDDEN)
    layers = {
        "encoder": (2 * _DIM + 1, 8),
        "hyper": (8, 4 * sum(widths)),
        "output": (widths[-1], 1),
    }
    layers |= {f"hidden_{i + 1}": shape for i, shape in enumerate(itertools.pairwise(widths))}
    parameters = {"items": uniform(_ITEMS, _DIM), "users": uniform(_USERS, _DIM)}
    for name, shape in layers.items():
        parameters |= {f"{name}_kernel": uniform(*shape) / 2, f"{name}_bias": uniform(shape[1])}
    return parameters


def _work(structures, num_users=9, epochs=1):
    rng = np.random.default_rng(0)
    support, query = (num_users, 4), (num_users, 6)

    def first_of_each(shape):
        return np.arange(shape[1]) < rng.integers(1, shape[1] + 1, num_users)[:, None]

    return in_turn.ModulationWork(
        users=rng.integers(0, _USERS, num_users),
        support_items=rng.integers(0, _ITEMS, support),
        support_ratings=rng.uniform(1, 5, support).astype(np.float32),
        support_mask=first_of_each(support),
        query_items=rng.integers(0, _ITEMS, query),
        query_ratings=rng.uniform(1, 5, query).astype(np.float32),
        query_mask=first_of_each(query),
        structures=structures,
        parameters=_parameters(rng, len(structures)),
        orders=np.stack([rng.permutation(num_users) for _ in range(epochs)]),
        rating_range=(1.0, 5.0),
        batch_size=4,
        learning_rate=0.01,
    )


def _leaky(x):
    return np.where(x > 0, x, 0.01 * x)


def _loss_of_user(work, member, user):
    """One user's loss under one structure, item by item."""
    p = {name: array[member].astype(np.float64) for name, array in work.parameters.items()}

    def layer(name, x):
        return x @ p[f"{name}_kernel"] + p[f"{name}_bias"]

    own = p["users"][work.users[user]]
    hidden = [
        _leaky(layer("encoder", np.concatenate([p["items"][item], own, [rating]])))
        for item, rating, present in zip(
            work.support_items[user],
            work.support_ratings[user],
            work.support_mask[user],
            strict=True,
        )
        if present
    ]
    phi = layer("hyper", np.mean(hidden, 0)).reshape(4, -1)
    errors = []
    for item, rating, present in zip(
        work.query_items[user], work.query_ratings[user], work.query_mask[user], strict=True
    ):
        if not present:
            continue
        x, start = np.concatenate([p["items"][item], own]), 0
        for position, (use_max, use_min, use_scale, use_shift) in enumerate(
            work.structures[member]
        ):
            if position:
                x = layer(f"hidden_{position}", x)
            largest, smallest, scale, shift = phi[:, start : start + len(x)]
            start += len(x)
            x = np.maximum(x, largest) if use_max else x
            x = np.minimum(x, smallest) if use_min else x
            x = x * np.logaddexp(0, scale) / np.log(2) if use_scale else x
            x = x + shift if use_shift else x
            x = _leaky(x)
        low, high = work.rating_range
        predicted = low + (high - low) / (1 + np.exp(-layer("output", x)[0]))
        errors.append((predicted - rating) ** 2)
    return np.mean(errors)


def test_the_first_loss_of_every_subset_of_operations_is_that_of_the_slow_forward_pass():
    # Every subset stands at every position once.
    structures = np.stack([np.roll(_EVERY_SUBSET, shift, 0) for shift in (0, 5, 11)], 1)
    work = dataclasses.replace(_work(structures, num_users=4), learning_rate=0.0)
    expected = [
        np.mean([_loss_of_user(work, member, user) for user in range(4)]) for member in range(16)
    ]
    found = in_turn.train_users_one_by_one(work)
    np.testing.assert_allclose(found.losses[0], expected, rtol=1e-4)
    found = batched.BatchedTrainer(work, chunk_size=16, compiled=False).train()
    np.testing.assert_allclose(found.losses[0], expected, rtol=1e-4)


def _assert_same(found, expected):
    np.testing.assert_allclose(found.losses, expected.losses, rtol=1e-4)
    assert found.parameters.keys() == expected.parameters.keys()
    for name, array in expected.parameters.items():
        np.testing.assert_allclose(found.parameters[name], array, atol=1e-4, err_msg=name)


@pytest.fixture(scope="module")
def work():
    structures = np.random.default_rng(1).random((4, 3, 4)) < 0.5
    return _work(structures, epochs=2)


@pytest.fixture(scope="module")
def published(work):
    return in_turn.train_users_one_by_one(work)


def test_the_parameters_are_trained(work, published):
    moved = [
        np.abs(published.parameters[name] - array).max() for name, array in work.parameters.items()
    ]
    assert min(moved) > 1e-3
    assert published.seconds > 0


def test_an_incomplete_batch_is_dropped(work):
    assert [[len(batch) for batch in epoch] for epoch in work.batches()] == [[4, 4], [4, 4]]


def test_tables_train_as_dense_products_do(work, published):
    _assert_same(in_turn.train_users_one_by_one_by_tables(work), published)


@pytest.mark.parametrize("gradients", [batched.gradients_of_population, batched.gradients_by_vmap])
def test_batches_train_as_users_in_turn_do(work, published, gradients):
    trainer = batched.BatchedTrainer(work, chunk_size=2, gradients=gradients, compiled=False)
    _assert_same(trainer.train(), published)
    # It starts over each time.
    _assert_same(trainer.train(), published)


@pytest.mark.parametrize("block_length", [1, 3, 6])
def test_the_length_of_blocks_changes_nothing(work, published, block_length):
    trainer = batched.BatchedTrainer(work, chunk_size=4, compiled=False, block_length=block_length)
    _assert_same(trainer.train(), published)


def test_blocks_hold_each_query_item_once(work):
    for users, batch in zip(
        itertools.chain(*work.batches()),
        itertools.chain(*batched.make_batches(work, 4, "cpu")),
        strict=True,
    ):
        owners = batch.owners[:, None].expand(batch.items.shape)[batch.weights > 0]
        held = torch.stack([owners, batch.items[batch.weights > 0]], 1).tolist()
        present = np.nonzero(work.query_mask[users])
        expected = np.stack([present[0], work.query_items[users][present]], 1).tolist()
        assert held == expected
        assert float(batch.weights.sum()) == pytest.approx(1.0)
