"""From tasks as rows of ratings to padded arrays, and from features by name to numbers."""

from __future__ import annotations

import numpy as np

from kapl_jax.data.cold_start import ColdStartData, FeatureTable, UserTasks
from kapl_jax.data.ratings import Entities, Ratings, RatingsTable, Splits, TaskRows


def assemble(
    name: str, table: RatingsTable, tasks: Splits, warnings: tuple[str, ...] = ()
) -> ColdStartData:
    """Put together what models train on.

    Args:
        name: Of the data set.
        table: Ratings and features.
        tasks: The tasks of each split.
        warnings: What making the tasks found odd.
    """
    ratings = table.ratings
    rows = np.concatenate([part for task in tasks.train for part in (task.support, task.query)])
    return ColdStartData(
        name=name,
        users=table.users.names,
        items=table.items.names,
        user_features=_feature_table(table.users, ratings.users[rows]),
        item_features=_feature_table(table.items, ratings.items[rows]),
        rating_range=table.rating_range,
        train=_user_tasks(tasks.train, ratings),
        valid=_user_tasks(tasks.valid, ratings),
        test=_user_tasks(tasks.test, ratings),
        warnings=(*table.warnings, *warnings),
        titles=table.items.titles,
    )


def _feature_table(entities: Entities, trained: np.ndarray) -> FeatureTable:
    """Number the values of all entities by those of `trained`, numbers of entities."""
    seen = np.unique(trained)
    vocabularies = tuple(_vocabulary(field.values, seen) for field in entities.fields)
    return FeatureTable(
        fields=tuple(field.name for field in entities.fields),
        sizes=tuple(len(vocabulary) + 1 for vocabulary in vocabularies),
        values=tuple(
            _pad_rows([rows_of_values(values, vocabulary) for values in field.values])
            for field, vocabulary in zip(entities.fields, vocabularies, strict=True)
        ),
        vocabularies=vocabularies,
    )


def _vocabulary(values: list[tuple[str, ...]], seen: np.ndarray) -> dict[str, int]:
    """Number the values of the entities in `seen` from 1, in the order of the entities."""
    names = dict.fromkeys(name for entity in seen for name in values[entity])
    return {name: row for row, name in enumerate(names, start=1)}


def rows_of_values(values: tuple[str, ...], vocabulary: dict[str, int]) -> list[int]:
    """Return the distinct rows of values; 0 stands for all unseen ones, and for no value."""
    return list(dict.fromkeys(vocabulary.get(name, 0) for name in values)) or [0]


def _pad_rows(rows: list[list[int]]) -> np.ndarray:
    """Return rows of different lengths as one array, `int32[number, longest]`, padded by -1."""
    mask = _filled(list(map(len, rows)))
    padded = np.full(mask.shape, -1, dtype=np.int32)
    padded[mask] = [value for row in rows for value in row]
    return padded


def _filled(lengths: list[int]) -> np.ndarray:
    """Mark the first entries of each row, `bool[number, longest]`."""
    return np.arange(max(lengths)) < np.array(lengths)[:, None]


def _user_tasks(tasks: list[TaskRows], ratings: Ratings) -> UserTasks:
    support = _rating_arrays([task.support for task in tasks], ratings)
    query = _rating_arrays([task.query for task in tasks], ratings)
    users = np.array([task.user for task in tasks], dtype=np.int32)
    return UserTasks(users, *support, *query)


def _rating_arrays(
    rows: list[np.ndarray], ratings: Ratings
) -> tuple[np.ndarray, np.ndarray, np.ndarray]:
    """Return items, ratings and mask of one set of every task, `[tasks, longest]` each."""
    mask = _filled(list(map(len, rows)))
    items = np.zeros(mask.shape, dtype=np.int32)
    values = np.zeros(mask.shape, dtype=np.float32)
    together = np.concatenate(rows)
    items[mask], values[mask] = ratings.items[together], ratings.values[together]
    return items, values, mask
