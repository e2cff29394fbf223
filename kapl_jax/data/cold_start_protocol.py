"""From ratings to tasks: which users, which ratings support them, which are asked for.

The protocol is that of MeLU (Lee et al., KDD 2019): a task is a user of 13 to 100 ratings, 10 of
them, drawn at random, are the query set and the others the support set. MeLU draws 80 % of the
users as existing and calls the rest new, and on MovieLens 1M calls films up to 1997 existing and
later ones new; it has no validation users. ColdNAS (Wu et al., WWW 2023) splits users 7 : 1 : 2.
"""

from __future__ import annotations

from collections.abc import Set
from dataclasses import dataclass

import numpy as np

from kapl_jax.data.ratings import Entities, Ratings, Splits, TaskRows
from kapl_jax.errors import UserError

SCENARIOS = ("user_cold", "item_cold", "user_and_item_cold")


@dataclass(frozen=True)
class Protocol:
    """The settings of the cold-start protocol.

    Attributes:
        seed: Of the split of users and of the draw of query items.
        min_ratings: Users with fewer ratings are left out.
        max_ratings: Users with more ratings are left out.
        query_items: Ratings of each user that form the query set; the others support.
        train_share: Share of the users that are trained on.
        valid_share: Share of the users that structures are selected on; the rest are test users.
        scenario: What is new in validation and test tasks. `user_cold`: the user. `item_cold`:
            the items, which are those from `new_items_since` on; training keeps the earlier ones
            of all users. `user_and_item_cold`: both.
        new_items_since: The year from which items are new, in the scenarios that divide items.
    """

    seed: int = 0
    min_ratings: int = 13
    max_ratings: int = 100
    query_items: int = 10
    train_share: float = 0.7
    valid_share: float = 0.1
    scenario: str = "user_cold"
    new_items_since: int = 1998

    def __post_init__(self) -> None:
        """Check the settings against each other; messages name the flags that set them.

        Raises:
            UserError: They leave no support, no query, no user or no split, or the scenario is
                unknown.
        """
        known = ", ".join(SCENARIOS)
        for flag, value, fits, expected in (
            ("scenario", self.scenario, self.scenario in SCENARIOS, f"one of {known}"),
            ("split_seed", self.seed, self.seed >= 0, "0 or more"),
            ("query_items", self.query_items, self.query_items >= 1, "1 or more"),
            (
                "min_ratings",
                self.min_ratings,
                self.min_ratings > self.query_items,
                f"more than the {self.query_items} of --query_items, so that support is left",
            ),
            (
                "max_ratings",
                self.max_ratings,
                self.max_ratings >= self.min_ratings,
                f"at least the {self.min_ratings} of --min_ratings",
            ),
            (
                "train_share",
                self.train_share,
                0 < self.train_share < 1,
                "a number between 0 and 1",
            ),
            (
                "valid_share",
                self.valid_share,
                self.valid_share > 0 and self.train_share + self.valid_share < 1,
                "a number above 0 that leaves test users beside "
                f"the {self.train_share:g} of --train_share",
            ),
        ):
            if not fits:
                raise UserError(f"--{flag}: found {value}, expected {expected}")


def make_tasks(
    ratings: Ratings, items: Entities, protocol: Protocol
) -> tuple[Splits, tuple[str, ...]]:
    """Make the tasks of each split.

    What is drawn for a user depends on the seed and the file of ratings only.

    Args:
        ratings: All ratings.
        items: Their items; the years are needed by the scenarios that divide items.
        protocol: The protocol.

    Returns:
        The tasks, and a warning where users were left out.

    Raises:
        UserError: The scenario needs years that there are not, or a split would get no users.
    """
    rng = np.random.default_rng(protocol.seed)
    ranks = rng.random(len(ratings))
    known, cold = _divide_items(ratings, items, protocol)
    train_tasks = _tasks_by_user(ratings, known, ranks, protocol)
    cold_tasks = _tasks_by_user(ratings, cold, ranks, protocol)
    train, valid, test = _split_users(set(train_tasks), set(cold_tasks), protocol, rng)
    splits = Splits(
        [train_tasks[user] for user in train if user in train_tasks],
        [cold_tasks[user] for user in valid if user in cold_tasks],
        [cold_tasks[user] for user in test if user in cold_tasks],
    )
    for name, tasks in zip(("training", "validation", "test"), splits, strict=True):
        if not tasks:
            usable = len(train_tasks.keys() | cold_tasks.keys())
            raise UserError(
                f"{ratings.path}: found {_users(usable)} with {_allowed(protocol)}, none of them "
                f"for {name}, expected users for each split; see --min_ratings and --train_share"
            )
    return splits, _left_out(ratings, train_tasks.keys() | cold_tasks.keys(), protocol)


def _divide_items(
    ratings: Ratings, items: Entities, protocol: Protocol
) -> tuple[np.ndarray, np.ndarray]:
    """Mark the ratings that training tasks and those that the others may hold, `bool[R]` each."""
    if protocol.scenario == "user_cold":
        everything = np.ones(len(ratings), dtype=bool)
        return everything, everything
    if items.years is None:
        found = f"{protocol.scenario}, but no years of items beside {ratings.path}"
        raise UserError(f"--scenario: found {found}, expected user_cold")
    # An item whose year is unknown, 0, is one of the known items.
    is_new = items.years[ratings.items] >= protocol.new_items_since
    return ~is_new, is_new


def _tasks_by_user(
    ratings: Ratings, allowed: np.ndarray, ranks: np.ndarray, protocol: Protocol
) -> dict[int, TaskRows]:
    """Make a task for every user whose allowed ratings are as many as the protocol asks for."""
    rows = np.flatnonzero(allowed)
    rows = rows[np.lexsort((ranks[rows], ratings.users[rows]))]
    users, starts, counts = np.unique(ratings.users[rows], return_index=True, return_counts=True)
    fits = (counts >= protocol.min_ratings) & (counts <= protocol.max_ratings)
    tasks = {}
    for user, start, count in zip(users[fits], starts[fits], counts[fits], strict=True):
        query, support = np.split(rows[start : start + count], [protocol.query_items])
        tasks[int(user)] = TaskRows(int(user), np.sort(support), np.sort(query))
    return tasks


def _split_users(
    train_users: set[int], cold_users: set[int], protocol: Protocol, rng: np.random.Generator
) -> tuple[np.ndarray, np.ndarray, np.ndarray]:
    """Cut shuffled users into training, validation and test users."""
    if protocol.scenario == "item_cold":
        shuffled = rng.permutation(sorted(cold_users))
        share = protocol.valid_share / (1 - protocol.train_share)
        valid, test = np.split(shuffled, [round(share * len(shuffled))])
        return np.array(sorted(train_users), dtype=np.int64), valid, test
    shuffled = rng.permutation(sorted(train_users | cold_users))
    shares = np.array([protocol.train_share, protocol.train_share + protocol.valid_share])
    train, valid, test = np.split(shuffled, np.rint(shares * len(shuffled)).astype(int))
    return train, valid, test


def _left_out(ratings: Ratings, used: Set[int], protocol: Protocol) -> tuple[str, ...]:
    counts = np.bincount(ratings.users)
    unused = np.setdiff1d(np.flatnonzero(counts), list(used))
    if not unused.size:
        return ()
    few = int((counts[unused] < protocol.min_ratings).sum())
    many = int((counts[unused] > protocol.max_ratings).sum())
    reasons = [f"{few} with fewer than {protocol.min_ratings} ratings"] * (few > 0)
    reasons += [f"{many} with more than {protocol.max_ratings} ratings"] * (many > 0)
    others = len(unused) - few - many
    reasons += [f"{others} with too few known or new items"] * (others > 0)
    return (f"{ratings.path}: {_users(len(unused))} left out: {', '.join(reasons)}",)


def _users(count: int) -> str:
    return f"{count} user" if count == 1 else f"{count} users"


def _allowed(protocol: Protocol) -> str:
    return f"{protocol.min_ratings} to {protocol.max_ratings} ratings"
