import dataclasses
from pathlib import Path

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from kapl_jax.data.cold_start_protocol import Protocol, make_tasks
from kapl_jax.data.rating_features import ids_only
from kapl_jax.data.ratings import Ratings
from tests.data.rating_folders import error_of

PATH = Path("ratings.csv")
SMALL = Protocol(min_ratings=3, max_ratings=6, query_items=2, new_items_since=2000)


def ratings_of(counts, items=None):
    """User u rates items 0 to counts[u] - 1, in one of many orders of the lines."""
    rows = [(user, item) for user, count in enumerate(counts) for item in range(count)]
    rows = [rows[i] for i in np.random.default_rng(7).permutation(len(rows))]
    users, items = np.array(rows, dtype=np.int32).T
    values = ((users + items) % 5 + 1).astype(np.float32)
    return Ratings(PATH, users, items, values, np.arange(1, len(rows) + 1))


def items_of(years):
    names = tuple(f"i{number}" for number in range(len(years)))
    return dataclasses.replace(ids_only(names, "item"), years=np.array(years, dtype=np.int32))


NO_YEARS = ids_only(tuple("abcdefghij"), "item")
# Two old and two new items in turn, the last one of unknown year.
YEARS = items_of([1990, 1991, 2000, 2001, 1992, 1993, 2002, 2003, 1994, 0])


def held(ratings, task):
    """Users and items of a task's support and query."""
    rows = np.concatenate([task.support, task.query])
    return set(ratings.users[rows].tolist()), ratings.items[rows].tolist()


@settings(max_examples=50)
@given(st.lists(st.integers(1, 8), min_size=20, max_size=40), st.integers(0, 3))
def test_every_fitting_user_has_one_task_of_all_his_ratings(counts, seed):
    counts = [*counts, *[4] * 10]
    ratings = ratings_of(counts)
    splits, _ = make_tasks(ratings, NO_YEARS, dataclasses.replace(SMALL, seed=seed))
    tasks = [task for split in splits for task in split]
    expected = [user for user, count in enumerate(counts) if 3 <= count <= 6]
    assert sorted(task.user for task in tasks) == expected
    for task in tasks:
        users, items = held(ratings, task)
        assert users == {task.user}
        assert sorted(items) == list(range(counts[task.user]))
        assert len(task.query) == 2


def test_shares():
    splits, warnings = make_tasks(ratings_of([4] * 50), NO_YEARS, SMALL)
    assert [len(split) for split in splits] == [35, 5, 10]
    assert warnings == ()
    shares = dataclasses.replace(SMALL, train_share=0.5, valid_share=0.3)
    splits, _ = make_tasks(ratings_of([4] * 50), NO_YEARS, shares)
    assert [len(split) for split in splits] == [25, 15, 10]


def written(splits):
    return [
        (task.user, task.support.tolist(), task.query.tolist())
        for split in splits
        for task in split
    ]


def test_seed_decides():
    ratings = ratings_of([5] * 30)
    first, again, other = (
        written(make_tasks(ratings, NO_YEARS, dataclasses.replace(SMALL, seed=seed))[0])
        for seed in (1, 1, 2)
    )
    assert first == again
    assert [task[0] for task in first] != [task[0] for task in other]
    assert sorted(first) != sorted(other)


def test_query_items_are_drawn_evenly():
    ratings = ratings_of([5] * 400)
    splits, _ = make_tasks(ratings, NO_YEARS, SMALL)
    rows = np.concatenate([task.query for split in splits for task in split])
    counts = np.bincount(ratings.items[rows], minlength=5)
    # 800 draws of 5 items: 160 each, standard deviation below 12.
    assert counts.min() > 110
    assert counts.max() < 210


def test_users_left_out_are_counted():
    counts = [4] * 10 + [2] * 3 + [7] * 2
    _, warnings = make_tasks(ratings_of(counts), NO_YEARS, SMALL)
    reasons = "3 with fewer than 3 ratings, 2 with more than 6 ratings"
    assert warnings == (f"ratings.csv: 5 users left out: {reasons}",)
    _, warnings = make_tasks(ratings_of([4] * 10 + [2]), NO_YEARS, SMALL)
    assert warnings == ("ratings.csv: 1 user left out: 1 with fewer than 3 ratings",)


def items_in(ratings, tasks):
    return {item for task in tasks for item in held(ratings, task)[1]}


def test_item_cold():
    ratings = ratings_of([10] * 20)
    splits, _ = make_tasks(ratings, YEARS, dataclasses.replace(SMALL, scenario="item_cold"))
    assert items_in(ratings, splits.train) == {0, 1, 4, 5, 8, 9}
    assert items_in(ratings, splits.valid) == items_in(ratings, splits.test) == {2, 3, 6, 7}
    users = [{task.user for task in split} for split in splits]
    assert users[0] == users[1] | users[2]
    assert [len(tasks) for tasks in users] == [20, 7, 13]
    assert not users[1] & users[2]


def test_user_and_item_cold():
    ratings = ratings_of([10] * 20)
    protocol = dataclasses.replace(SMALL, scenario="user_and_item_cold")
    splits, _ = make_tasks(ratings, YEARS, protocol)
    assert items_in(ratings, splits.train) == {0, 1, 4, 5, 8, 9}
    assert items_in(ratings, splits.valid) == items_in(ratings, splits.test) == {2, 3, 6, 7}
    assert [len(split) for split in splits] == [14, 2, 4]
    assert len({task.user for split in splits for task in split}) == 20


def test_divided_items_leave_users_out():
    # The last user rates items 0 to 3: two old and two new ones.
    ratings = ratings_of([10] * 20 + [4])
    protocol = dataclasses.replace(SMALL, scenario="item_cold")
    _, warnings = make_tasks(ratings, YEARS, protocol)
    expected = "1 user left out: 1 with too few known or new items"
    assert warnings == (f"ratings.csv: {expected}",)


def test_no_years():
    message = error_of(
        make_tasks, ratings_of([5] * 20), NO_YEARS, dataclasses.replace(SMALL, scenario="item_cold")
    )
    assert message == (
        "--scenario: found item_cold, but no years of items beside ratings.csv, expected user_cold"
    )


@pytest.mark.parametrize(
    ("counts", "found"),
    [
        ([2] * 20, "found 0 users with 3 to 6 ratings, none of them for training"),
        ([4], "found 1 user with 3 to 6 ratings, none of them for validation"),
        ([4] * 4, "found 4 users with 3 to 6 ratings, none of them for validation"),
    ],
)
def test_split_without_users(counts, found):
    message = error_of(make_tasks, ratings_of(counts), NO_YEARS, SMALL)
    assert message.startswith(f"ratings.csv: {found}, expected users for each split")


@pytest.mark.parametrize(
    ("change", "message"),
    [
        ({"query_items": 0}, "--query_items: found 0, expected 1 or more"),
        (
            {"min_ratings": 10},
            "--min_ratings: found 10, expected more than the 10 of --query_items",
        ),
        ({"max_ratings": 12}, "--max_ratings: found 12, expected at least the 13 of --min_ratings"),
        ({"train_share": 1.0}, "--train_share: found 1.0, expected a number between 0 and 1"),
        ({"train_share": 0}, "--train_share: found 0, expected a number between 0 and 1"),
        ({"valid_share": 0.0}, "--valid_share: found 0.0, expected a number above 0 that leaves"),
        ({"valid_share": 0.4}, "--valid_share: found 0.4, expected a number above 0 that leaves"),
        ({"scenario": "cold"}, "--scenario: found cold, expected one of user_cold, item_cold, "),
        ({"seed": -1}, "--split_seed: found -1, expected 0 or more"),
    ],
)
def test_unusable_protocol(change, message):
    assert error_of(lambda: Protocol(**change)).startswith(message)


def test_defaults_are_those_of_the_papers():
    protocol = Protocol()
    numbers = (protocol.min_ratings, protocol.max_ratings, protocol.query_items)
    assert numbers == (13, 100, 10)
    assert (protocol.train_share, protocol.valid_share) == (0.7, 0.1)
    assert protocol.scenario == "user_cold"
