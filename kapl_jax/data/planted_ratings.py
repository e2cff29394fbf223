"""Generated users whose ratings follow a known modulation: a search must find it again.

Items have categorical features; nothing is known of users but their ratings. Each value of a
feature stands for a strength x in 0..1. A user has for each feature a slope φ3 and rates an item by
the sigmoid of `Σ ± φ3 · x` over its features: the planted structure scales the predictor's input
and nothing else. All users have rated the same simple items, of one feature each at its full
strength, which tell their slopes; asked are rich items, of all features.

What tells the structure from its rivals: embeddings are one number a feature, so that no other
operation at the input gives a line of five strengths another slope, and the layers behind are
narrower than there are features, so that users' slopes, one a feature, do not get through them (see
`methods.coldnas.defaults`). A line needs no bend: a coordinate may rise or fall with the strength,
and training need not settle on one. A second operation cannot be planted so that it is found: a
shift moves from a layer into the next, and a maximum times a scale is a scale, a shift and a
constant.
"""

from __future__ import annotations

import numpy as np

from kapl_jax.data.cold_start import ColdStartData, FeatureTable, UserTasks
from kapl_jax.data.cold_start_protocol import Protocol
from kapl_jax.errors import UserError

_FIELDS = 5
# Value 1 of a field stands for its absence.
_VALUES = 6
_RICH_ITEMS = 200
_USERS = {"train": 600, "valid": 150, "test": 150}
_LARGEST_SLOPE = 4.0
_NOISE = 0.02
_POSITIONS = 4
# At the input: no maximum, no minimum, scale, no shift.
_PLANTED = (False, False, True, False)


def planted_cold_start(protocol: Protocol) -> ColdStartData:
    """Generate users, items, ratings in 0..1 and tasks.

    Args:
        protocol: Its seed and number of query items are used.

    Raises:
        UserError: More query items are wanted than there are.
    """
    if protocol.query_items > _RICH_ITEMS:
        raise UserError(
            f"--query_items={protocol.query_items}: expected at most {_RICH_ITEMS} on generated "
            "users"
        )
    rng = np.random.default_rng([protocol.seed, 7])
    rich = rng.integers(2, _VALUES + 1, (_RICH_ITEMS, _FIELDS))
    features = np.concatenate([_simple_items(), rich])
    strengths = np.concatenate([[0.0, 0.0], np.linspace(0.0, 1.0, _VALUES - 1)])[features]
    starts = np.cumsum([0, *_USERS.values()])
    train, valid, test = (
        _tasks(rng, start, count, strengths, protocol.query_items)
        for start, count in zip(starts, _USERS.values(), strict=False)
    )
    planted = np.zeros((_POSITIONS, 4), bool)
    planted[0] = _PLANTED
    return ColdStartData(
        name="planted",
        users=tuple(f"u{number}" for number in range(starts[-1])),
        items=tuple(f"i{number}" for number in range(len(features))),
        user_features=_nothing_known(int(starts[-1])),
        item_features=_item_features(features),
        rating_range=(0.0, 1.0),
        train=train,
        valid=valid,
        test=test,
        planted=planted,
    )


def _simple_items() -> np.ndarray:
    """Return the values int[n, fields] of items that have one feature each, at full strength."""
    return np.where(np.eye(_FIELDS, dtype=bool), _VALUES, 1)


def _tasks(
    rng: np.random.Generator, first: int, count: int, strengths: np.ndarray, query: int
) -> UserTasks:
    """Draw users with their slopes and the rich items that they are asked for."""
    simple = len(_simple_items())
    signs = np.where(np.arange(_FIELDS) % 2, -1.0, 1.0)
    slopes = rng.uniform(0.0, _LARGEST_SLOPE, (count, 1, _FIELDS))
    asked = simple + np.argsort(rng.random((count, _RICH_ITEMS)), axis=1)[:, :query]
    items = np.concatenate([np.tile(np.arange(simple), (count, 1)), asked], axis=1)
    clean = 1 / (1 + np.exp(-(slopes * strengths[items]) @ signs))
    ratings = np.clip(clean + _NOISE * rng.normal(size=clean.shape), 0, 1).astype(np.float32)
    items = items.astype(np.int32)
    return UserTasks(
        users=np.arange(first, first + count, dtype=np.int32),
        support_items=items[:, :simple],
        support_ratings=ratings[:, :simple],
        support_mask=np.ones((count, simple), bool),
        query_items=items[:, simple:],
        query_ratings=ratings[:, simple:],
        query_mask=np.ones((count, query), bool),
    )


def _item_features(features: np.ndarray) -> FeatureTable:
    vocabulary = {f"v{value}": value for value in range(1, _VALUES + 1)}
    return FeatureTable(
        fields=tuple(f"feature{number}" for number in range(_FIELDS)),
        sizes=(_VALUES + 1,) * _FIELDS,
        values=tuple(rows[:, None].astype(np.int32) for rows in features.T),
        vocabularies=(vocabulary,) * _FIELDS,
    )


def _nothing_known(count: int) -> FeatureTable:
    return FeatureTable(("user",), (1,), (np.zeros((count, 1), np.int32),), ({},))
