"""Recommending to new users: the contract of the methods that do."""

from __future__ import annotations

import dataclasses
from pathlib import Path
from typing import Any, Protocol


@dataclasses.dataclass(frozen=True)
class Recommendation:
    """An item for a user.

    Attributes:
        item: Its name.
        title: What people call it; empty where the data do not say.
        rating: Predicted rating, in the data's range.
        seen: Whether training held it; otherwise the model knows no more of it than its features.
    """

    item: str
    title: str
    rating: float
    seen: bool


class Recommender(Protocol):
    """A trained model that ranks items for users it has not seen."""

    def new_user(self, ratings: Path, features: str) -> Any:
        """Read a user: a CSV of item and rating, and features as `field=value,...`."""
        ...

    def recommend(self, user: Any, top: int) -> list[Recommendation]:
        """Return the `top` best items that the user has not rated, best first."""
        ...

    def explain(self, user: Any, item: str | None) -> dict[str, Any]:
        """Return why an item, by default the best, is predicted as it is."""
        ...
