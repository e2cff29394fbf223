"""Why a modulated model predicts as it does for a user, as a run records it.

Of each user: how his modulation parameters φ move as rated items are added to his support set, and
what each of the items does to one prediction.
"""

from __future__ import annotations

import dataclasses
from collections.abc import Mapping, Sequence
from typing import Any


@dataclasses.dataclass(frozen=True)
class PhiPath:
    """How φ of a user moves as his support set grows, from the first of its sizes to the last.

    Attributes:
        support_sizes: Number of support items of each step, ascending.
        positions: Position of each operation of the structure.
        operations: Name of each operation of the structure.
        norms: For each step the norm of φ of each operation.
        projection: For each step φ of all operations, projected onto the two directions in which
            φ of all users shown varies most.
    """

    support_sizes: Sequence[int]
    positions: Sequence[int]
    operations: Sequence[str]
    norms: Sequence[Sequence[float]]
    projection: Sequence[Sequence[float]]


@dataclasses.dataclass(frozen=True)
class SupportItem:
    """A rated item and its effect: the prediction with it less the prediction without it."""

    item: str
    rating: float
    effect: float


@dataclasses.dataclass(frozen=True)
class Influence:
    """What support items do to the prediction for one query item."""

    query_item: str
    prediction: float
    items: Sequence[SupportItem]


@dataclasses.dataclass(frozen=True)
class UserReasons:
    """What there is to say of one user; either part may be missing."""

    user: str
    phi: PhiPath | None
    influence: Influence | None


def read_reasons(entry: Mapping[str, Any] | None) -> list[UserReasons]:
    """Return the reasons of `results.json`'s "reasons", empty where there are none.

    Args:
        entry: `{"users": [{"user", "support_sizes", "phi": {"positions", "operations", "norms",
            "projection"}, "influence": {"query_item", "prediction", "items": [{"item", "rating",
            "effect"}]}}]}`.
    """
    return [
        UserReasons(str(user["user"]), _phi(user), _influence(user.get("influence")))
        for user in (entry or {}).get("users") or []
    ]


def _phi(user: Mapping[str, Any]) -> PhiPath | None:
    phi = user.get("phi")
    if not phi:
        return None
    return PhiPath(
        support_sizes=user["support_sizes"],
        positions=phi.get("positions") or [],
        operations=phi.get("operations") or [],
        norms=phi.get("norms") or [],
        projection=phi.get("projection") or [],
    )


def _influence(entry: Mapping[str, Any] | None) -> Influence | None:
    if not entry or not entry.get("items"):
        return None
    items = [
        SupportItem(str(one["item"]), float(one["rating"]), float(one["effect"]))
        for one in entry["items"]
    ]
    return Influence(str(entry["query_item"]), float(entry["prediction"]), items)
