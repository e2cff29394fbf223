from pathlib import Path

import numpy as np
from hypothesis import given
from hypothesis import strategies as st

from kapl_jax.data.cold_start_tables import assemble, rows_of_values
from kapl_jax.data.rating_features import ids_only
from kapl_jax.data.ratings import Entities, Field, Ratings, RatingsTable, Splits, TaskRows


@st.composite
def tables(draw):
    """Ratings of up to 8 users, cut into tasks of up to 6 ratings, and multi-hot items."""
    users = draw(st.integers(3, 8))
    sizes = [(draw(st.integers(1, 4)), draw(st.integers(1, 2))) for _ in range(users)]
    rows = [(user, item) for user, size in enumerate(sizes) for item in range(sum(size))]
    starts = np.cumsum([0, *map(sum, sizes)])
    tasks = [
        TaskRows(
            user,
            np.arange(starts[user], starts[user] + size[0]),
            np.arange(starts[user] + size[0], starts[user + 1]),
        )
        for user, size in enumerate(sizes)
    ]
    numbers = np.array(rows, dtype=np.int32).T
    values = np.array([draw(st.integers(1, 5)) for _ in rows], dtype=np.float32)
    ratings = Ratings(Path("x"), *numbers, values, np.arange(len(rows)))
    kinds = [tuple(draw(st.lists(st.sampled_from("abcd"), unique=True))) for _ in range(6)]
    names = tuple(f"i{number}" for number in range(6))
    return RatingsTable(
        users=ids_only(tuple(f"u{number}" for number in range(users)), "user"),
        items=Entities(names, (Field("kind", kinds), *ids_only(names, "item").fields)),
        ratings=ratings,
        rating_range=(1, 5),
        tasks=Splits(tasks[:-2], tasks[-2:-1], tasks[-1:]),
        warnings=("before",),
    )


@given(tables())
def test_arrays_hold_the_ratings_of_the_tasks(table):
    data = assemble("toy", table, table.tasks, ("after",))
    for arrays, tasks in zip(data.splits, table.tasks, strict=True):
        assert arrays.num_users == len(tasks)
        assert arrays.num_ratings == sum(len(task.support) + len(task.query) for task in tasks)
        for part in ("support", "query"):
            items, values, mask = (
                getattr(arrays, f"{part}_{what}") for what in ("items", "ratings", "mask")
            )
            assert (items.dtype, values.dtype, mask.dtype) == (np.int32, np.float32, np.bool_)
            assert mask.shape[1] == max(len(getattr(task, part)) for task in tasks)
            assert not items[~mask].any()
            assert not values[~mask].any()
            for row, task in enumerate(tasks):
                rows = getattr(task, part)
                np.testing.assert_array_equal(items[row, mask[row]], table.ratings.items[rows])
                np.testing.assert_array_equal(values[row, mask[row]], table.ratings.values[rows])
        assert arrays.users.tolist() == [task.user for task in tasks]
    assert data.warnings == ("before", "after")


@given(tables())
def test_rows_of_features_against_a_slow_version(table):
    data = assemble("toy", table, table.tasks)
    trained = {
        int(table.ratings.items[row])
        for task in table.tasks.train
        for row in (*task.support, *task.query)
    }
    assert set(np.flatnonzero(data.items_of_training())) == trained
    features = data.item_features
    assert features.fields == ("kind", "item")
    for field, size, values, vocabulary in zip(
        table.items.fields, features.sizes, features.values, features.vocabularies, strict=True
    ):
        known = {name for item in trained for name in field.values[item]}
        assert set(vocabulary) == known
        assert sorted(vocabulary.values()) == list(range(1, size))
        assert values.dtype == np.int32
        for item, names in enumerate(field.values):
            rows = [row for row in values[item].tolist() if row >= 0]
            expected = {vocabulary.get(name, 0) for name in names} or {0}
            assert set(rows) == expected
            assert len(rows) == len(expected)
            # Padding stands at the end.
            assert values[item].tolist() == rows + [-1] * (values.shape[1] - len(rows))


@given(tables())
def test_new_users_have_row_zero(table):
    data = assemble("toy", table, table.tasks)
    (rows,) = data.user_features.values
    assert (rows[data.train.users] > 0).all()
    assert (rows[data.valid.users] == 0).all()
    assert (rows[data.test.users] == 0).all()


def test_rows_of_values():
    vocabulary = {"a": 1, "b": 2}
    assert rows_of_values(("b", "a"), vocabulary) == [2, 1]
    assert rows_of_values(("x", "b", "y", "b"), vocabulary) == [0, 2]
    assert rows_of_values((), vocabulary) == [0]
