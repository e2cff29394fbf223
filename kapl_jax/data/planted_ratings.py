"""Generated users whose ratings follow a known modulation: a search must find it again.

Items have categorical features; nothing is known of users but their ratings. Each value of a
feature stands for a strength x in 0..1. A user has for each feature a slope φ3 and a threshold -φ4,
and rates an item by the sigmoid of `Σ ± max(0, φ3 · x + φ4)` over its features: the planted
structure scales and shifts the predictor's input and nothing else. All users have rated the same
simple items, of one feature each, which tell their slopes and thresholds; asked are rich items, of
all features.

A user differs from others in two numbers a feature. A predictor whose layers are narrower than
there are features cannot make up for them behind its first layer, and scale or shift alone have
too few: so the structure can be told from its rivals, by a model that is small and trained to the
end (see `methods.coldnas.defaults`).
"""

from __future__ import annotations

import numpy as np

from kapl_jax.data.cold_start import ColdStartData, FeatureTable, UserTasks
from kapl_jax.data.cold_start_protocol import Protocol
from kapl_jax.errors import UserError

_FIELDS = 6
# Value 1 of a field stands for its absence.
_VALUES = 6
_RICH_ITEMS = 300
_USERS = {"train": 800, "valid": 150, "test": 150}
_NOISE = 0.02
_POSITIONS = 4
# At the input: no maximum, no minimum, scale, shift.
_PLANTED = (False, False, True, True)


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
    strengths = np.concatenate([[0.0, 0.0], np.linspace(0.3, 1.0, _VALUES - 1)])[features]
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
    """Return the values int[n, fields] of items that have one feature, at each of its values."""
    items = np.ones((_FIELDS, _VALUES - 1, _FIELDS), int)
    for field in range(_FIELDS):
        items[field, :, field] = np.arange(2, _VALUES + 1)
    return items.reshape(-1, _FIELDS)


def _tasks(
    rng: np.random.Generator, first: int, count: int, strengths: np.ndarray, query: int
) -> UserTasks:
    """Draw users with their weights and the rich items that they are asked for."""
    simple = len(_simple_items())
    signs = np.where(np.arange(_FIELDS) % 2, -1.0, 1.0)
    slopes = rng.uniform(0.5, 4.0, (count, 1, _FIELDS))
    thresholds = slopes * rng.uniform(0.0, 0.8, slopes.shape)
    asked = simple + np.argsort(rng.random((count, _RICH_ITEMS)), axis=1)[:, :query]
    items = np.concatenate([np.tile(np.arange(simple), (count, 1)), asked], axis=1)
    felt = np.maximum(0.0, slopes * strengths[items] - thresholds)
    clean = 1 / (1 + np.exp(-felt @ signs))
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
