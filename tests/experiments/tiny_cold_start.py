"""Cold-start data of a few users and items."""

import numpy as np

from kapl_jax.data.cold_start import ColdStartData, FeatureTable, UserTasks


def tiny_cold_start(num_users=6, num_items=9, width=1, known_items=9):
    """Return random tasks; items that are not known in training share the id 0."""
    rng = np.random.default_rng(0)

    def tasks():
        shapes = (num_users, 4), (num_users, 5)
        masks = [np.arange(n) < rng.integers(1, n + 1, users)[:, None] for users, n in shapes]
        sets = []
        for mask in masks:
            items = np.where(mask, rng.integers(0, num_items, mask.shape), 0).astype(np.int32)
            ratings = np.where(mask, rng.integers(1, 6, mask.shape), 0).astype(np.float32)
            sets += [items, ratings, mask]
        return UserTasks(np.arange(num_users, dtype=np.int32), *sets)

    def ids(name, count, known):
        rows = np.full((count, width), -1, np.int32)
        rows[:, 0] = np.where(np.arange(count) < known, np.arange(count) + 1, 0)
        return FeatureTable((name,), (known + 1,), (rows,))

    return ColdStartData(
        name="tiny",
        users=tuple(f"u{i}" for i in range(num_users)),
        items=tuple(f"i{i}" for i in range(num_items)),
        user_features=ids("user", num_users, num_users),
        item_features=ids("item", num_items, known_items),
        rating_range=(1.0, 5.0),
        train=tasks(),
        valid=tasks(),
        test=tasks(),
    )
