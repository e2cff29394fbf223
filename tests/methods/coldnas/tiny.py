"""A handful of users with ragged sets of ratings, what trains on them, and individuals."""

from __future__ import annotations

import functools
from typing import Any

import jax
import numpy as np

from kapl_jax.data.cold_start import ColdStartData, FeatureTable, UserTasks
from kapl_jax.methods.coldnas.method import COLDNAS
from kapl_jax.methods.coldnas.problem import ColdNASOptions, ColdNASProblem
from kapl_jax.methods.coldnas.settings import ColdNASSettings
from kapl_jax.methods.coldnas.trained import RatingModel
from kapl_jax.methods.trained import TrainedModel
from tests.methods.coldnas.slow import Fields, SlowUser

ITEMS = 12
# The last items are new: no training task holds them.
NEW_ITEMS = 2
MOST_SUPPORT, MOST_QUERY = 4, 5
GENRES, JOBS = 5, 4
# In batches of three, eight users form two groups, and a third batch is filled up.
OPTIONS = ColdNASOptions(embedding_dim=2, hidden_units=(4, 3), context_dim=5, batch_size=3)
POSITIONS = OPTIONS.positions
# What gives these options.
SETTINGS = ColdNASSettings(embedding_dim=2, hidden_units="4,3", context_dim=5, batch_size=3)
HYPERPARAMETERS = {"learning_rate": 0.01, "decay": 0.9, "weight_decay": 0.01, "unseen_rate": 0.2}


def tiny_cold_start(
    train: int = 8,
    valid: int = 5,
    test: int = 4,
    seed: int = 3,
    support: int = MOST_SUPPORT,
    query: int = MOST_QUERY,
) -> ColdStartData:
    """Return tasks of so many users, with 1..`support` ratings given and 1..`query` asked.

    Items have an id and up to three genres, users an id and up to two jobs; users of validation and
    test are new, and some of their items are. Ratings are whole numbers 1..5. No user has an item
    twice.
    """
    rng = np.random.default_rng(seed)
    counts = {"train": train, "valid": valid, "test": test}
    starts = np.cumsum([0, *counts.values()])
    tasks = {
        name: _tasks(rng, start, count, ITEMS - NEW_ITEMS * (name == "train"), (support, query))
        for start, (name, count) in zip(starts, counts.items(), strict=False)
    }
    users = int(starts[-1])
    return ColdStartData(
        name="tiny",
        users=tuple(f"u{number}" for number in range(users)),
        items=tuple(f"i{number}" for number in range(ITEMS)),
        user_features=_features(rng, ("user", "job"), users, train, JOBS, 2),
        item_features=_features(rng, ("item", "genre"), ITEMS, ITEMS - NEW_ITEMS, GENRES, 3),
        rating_range=(1.0, 5.0),
        **tasks,
    )


def _tasks(
    rng: np.random.Generator, first: int, count: int, items: int, most: tuple[int, int]
) -> UserTasks:
    """Draw tasks of `count` users over the first `items` items; one user has the most of both."""
    chosen = np.argsort(rng.random((count, items)), axis=1)
    ratings = rng.integers(1, 6, (count, items))
    sets, start = [], 0
    for width in most:
        sizes = 1 + rng.permutation(count) % width
        sizes[0] = width
        mask = np.arange(width) < sizes[:, None]
        part = slice(start, start + width)
        sets += [
            np.where(mask, chosen[:, part], 0).astype(np.int32),
            np.where(mask, ratings[:, part], 0).astype(np.float32),
            mask,
        ]
        start += width
    return UserTasks(np.arange(first, first + count, dtype=np.int32), *sets)


def _features(
    rng: np.random.Generator,
    fields: tuple[str, str],
    count: int,
    known: int,
    values: int,
    width: int,
) -> FeatureTable:
    """Return an id, of the first `known` only, and a field of 1..`width` of `values` values."""
    ids = np.arange(1, count + 1)
    ids[known:] = 0
    rows = 1 + np.argsort(rng.random((count, values)), axis=1)[:, :width]
    rows[np.arange(width) >= rng.integers(1, width + 1, count)[:, None]] = -1
    return FeatureTable(
        fields=fields,
        sizes=(known + 1, values + 1),
        values=(ids[:, None].astype(np.int32), rows.astype(np.int32)),
        vocabularies=(
            {f"{fields[0][0]}{number}": number + 1 for number in range(known)},
            {f"{fields[1]}{number}": number for number in range(1, values + 1)},
        ),
    )


@functools.cache
def problem(options: ColdNASOptions = OPTIONS) -> ColdNASProblem:
    """Return the problem on the tiny data."""
    return ColdNASProblem(tiny_cold_start(), options)


@functools.cache
def parameters(seed: int = 1) -> dict[str, Any]:
    """Return parameters before training, which do not depend on the candidate."""
    init = jax.jit(problem().init_parameters)
    return jax.tree.map(np.asarray, init(jax.random.key(seed), structures(1)[0]))


def rating_model(structure: np.ndarray, seed: int = 1) -> RatingModel:
    """Return an untrained model of the tiny data."""
    variables = {"params": parameters(seed)}
    return RatingModel(TrainedModel(COLDNAS, SETTINGS, tiny_cold_start(), structure, variables))


def structures(count: int, seed: int = 5) -> np.ndarray:
    """Return random structures bool[count, C, 4]; the first do not depend on `count`."""
    rng = np.random.default_rng(seed)
    return np.stack([rng.random((POSITIONS, 4)) < 0.5 for _ in range(count)])


def slow_users(data: ColdStartData, tasks: UserTasks) -> list[SlowUser]:
    """Return the users of some tasks as they are without padding."""
    low, high = data.rating_range

    def fields(table: FeatureTable, row: int) -> Fields:
        return [[int(value) for value in values[row] if value >= 0] for values in table.values]

    def rated(part: str, index: int) -> list[tuple[Fields, float]]:
        items, ratings, mask = (
            getattr(tasks, f"{part}_{name}")[index] for name in ("items", "ratings", "mask")
        )
        return [
            (fields(data.item_features, item), (float(rating) - low) / (high - low))
            for item, rating, there in zip(items, ratings, mask, strict=True)
            if there
        ]

    return [
        SlowUser(fields(data.user_features, user), rated("support", index), rated("query", index))
        for index, user in enumerate(tasks.users)
    ]


def as_precise(tree, like):
    """Return `tree` with its floats in the precision of the parameters `like`."""
    dtype = jax.tree.leaves(like)[0].dtype

    def converted(leaf):
        return leaf.astype(dtype) if np.issubdtype(leaf.dtype, np.floating) else leaf

    return jax.tree.map(converted, tree)
