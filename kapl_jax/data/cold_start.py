"""Cold-start recommendation as the rest of the package sees it: users as tasks of few ratings."""

from __future__ import annotations

import hashlib
from dataclasses import dataclass
from typing import Any

import numpy as np


@dataclass(frozen=True, eq=False)
class FeatureTable:
    """Categorical and multi-hot fields of all users or all items.

    Row 0 of every field stands for each value that no training task showed, and for no value.

    Attributes:
        fields: Names of the fields.
        sizes: Rows of each field's embedding table, row 0 included.
        values: For each field `int32[N, W]`, rows of its table; W is the most values that a user
            or item has there, -1 pads, and no user or item has none.
        vocabularies: For each field the row of each value that training showed, by its name.
    """

    fields: tuple[str, ...]
    sizes: tuple[int, ...]
    values: tuple[np.ndarray, ...]
    vocabularies: tuple[dict[str, int], ...] = ()


@dataclass(frozen=True, eq=False)
class UserTasks:
    """Tasks of one split, one per user, padded to the most ratings that one of them has.

    Attributes:
        users: `int32[U]`, rows of the users' features.
        support_items: `int32[U, S]`, rows of the items' features; 0 where masked.
        support_ratings: `float32[U, S]`, 0 where masked.
        support_mask: `bool[U, S]`, True for ratings, False for padding.
        query_items: `int32[U, Q]`, like the support.
        query_ratings: `float32[U, Q]`.
        query_mask: `bool[U, Q]`.
    """

    users: np.ndarray
    support_items: np.ndarray
    support_ratings: np.ndarray
    support_mask: np.ndarray
    query_items: np.ndarray
    query_ratings: np.ndarray
    query_mask: np.ndarray

    @property
    def num_users(self) -> int:
        """The number of tasks."""
        return len(self.users)

    @property
    def num_ratings(self) -> int:
        """The number of ratings, support and query together."""
        return int(self.support_mask.sum() + self.query_mask.sum())


@dataclass(frozen=True, eq=False)
class ColdStartData:
    """Users, items, what is known of them, and the tasks of each split.

    Attributes:
        name: The registered name of the data set or the name of its folder or file.
        users: Names; the position is the row of `user_features`.
        items: Names; the position is the row of `item_features`.
        user_features: Fields of all users.
        item_features: Fields of all items.
        rating_range: The least and the largest rating.
        train: Training tasks; they alone decide the vocabularies of the features.
        valid: Validation tasks.
        test: Test tasks.
        warnings: What was odd in the files, one line for each kind of oddity.
        titles: What people call each item; empty where the data do not say.
        planted: `bool[C, 4]`, the structure that generated the ratings; None of real data.
    """

    name: str
    users: tuple[str, ...]
    items: tuple[str, ...]
    user_features: FeatureTable
    item_features: FeatureTable
    rating_range: tuple[float, float]
    train: UserTasks
    valid: UserTasks
    test: UserTasks
    warnings: tuple[str, ...] = ()
    titles: tuple[str, ...] = ()
    planted: np.ndarray | None = None

    @property
    def splits(self) -> tuple[UserTasks, UserTasks, UserTasks]:
        """Training, validation and test tasks."""
        return self.train, self.valid, self.test

    def items_of_training(self) -> np.ndarray:
        """Mark the items that a training task holds, `bool[number of items]`."""
        seen = np.zeros(len(self.items), dtype=bool)
        seen[self.train.support_items[self.train.support_mask]] = True
        seen[self.train.query_items[self.train.query_mask]] = True
        return seen

    def describe(self) -> dict[str, Any]:
        """Return name, counts and a digest of names, features and tasks, in JSON's types.

        The digest tells data apart that have the same counts, as two splits of one data set do: a
        model knows users and items by rows of its tables only.
        """
        digest = hashlib.sha256(repr((self.users, self.items, self.rating_range)).encode())
        for table in (self.user_features, self.item_features):
            digest.update(repr((table.fields, table.sizes, table.vocabularies)).encode())
            for values in table.values:
                _add(digest, values)
        for tasks in self.splits:
            for array in vars(tasks).values():
                _add(digest, array)
        train, valid, test = self.splits
        return {
            "name": self.name,
            "users": len(self.users),
            "items": len(self.items),
            "train": train.num_users,
            "valid": valid.num_users,
            "test": test.num_users,
            "ratings": sum(tasks.num_ratings for tasks in self.splits),
            "digest": digest.hexdigest()[:16],
        }


def _add(digest: Any, array: np.ndarray) -> None:
    # The shape too: the same bytes cut into other rows are other tasks.
    digest.update(repr((array.shape, array.dtype.str)).encode())
    digest.update(np.ascontiguousarray(array).tobytes())
