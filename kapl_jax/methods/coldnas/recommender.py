"""Recommendations of a trained ColdNAS model to a new user."""

from __future__ import annotations

import dataclasses
from collections.abc import Sequence
from pathlib import Path
from typing import Any

import jax.numpy as jnp
import numpy as np

from kapl_jax.data.user_csv import (
    NewUser,
    look_up_items,
    parse_user_features,
    read_new_user,
)
from kapl_jax.episodes.tasks import ExampleSets, Tasks
from kapl_jax.errors import UserError
from kapl_jax.explain.user_explanation import ModulationExplanation
from kapl_jax.methods.coldnas.explanations import explain_users
from kapl_jax.methods.coldnas.trained import RatingModel
from kapl_jax.runs.program import print_warnings
from kapl_jax.runs.settings import Settings, setting


@dataclasses.dataclass(frozen=True)
class UserQuestion(Settings):
    """A new user, to whom items are to be recommended."""

    ratings: str = setting(
        "",
        "CSV file of a new user's ratings, with the header item,rating; the items are ranked.",
        path=True,
    )
    user_features: str = setting("", "What is known of the new user: field=value,field=value.")
    top: int = setting(10, "Items shown.", low=1)


@dataclasses.dataclass(frozen=True)
class UserExplanationQuestion(Settings):
    """A new user, and an item whose predicted rating is to be explained."""

    ratings: str = setting(
        "", "CSV file of a user's ratings, with the header item,rating.", path=True
    )
    user_features: str = setting("", "What is known of the user: field=value,field=value.")
    item: str = setting("", "Item to explain; by default the best one.")


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


@dataclasses.dataclass(frozen=True)
class Recommendations:
    """Items for a user, best first, a `methods.predictor.Prediction`."""

    items: Sequence[Recommendation]
    warnings: tuple[str, ...] = ()
    error: UserError | None = None

    def text(self) -> str:
        """Return the items as a table."""
        names = [one.title or one.item for one in self.items]
        width = max(len("item"), *map(len, names))
        lines = [f"  rank  {'item':<{width}}  predicted rating  in training"]
        lines += [
            f"  {rank:>4}  {name:<{width}}  {one.rating:>16.3f}  {'yes' if one.seen else 'no'}"
            for rank, (name, one) in enumerate(zip(names, self.items, strict=True), start=1)
        ]
        return "\n".join(lines)

    def to_json(self) -> list[dict[str, Any]]:
        """Return a list of the items."""
        return [dataclasses.asdict(one) for one in self.items]


class ColdNASRecommender:
    """Ranks items for new users (`methods.predictor.Predictor`)."""

    def __init__(self, model: RatingModel) -> None:
        """Recommend with a trained model."""
        self.model = model

    def predict(self, question: UserQuestion) -> list[Recommendations]:
        """Return the items with the highest predicted ratings that the user has not rated.

        Raises:
            UserError: The ratings are missing or cannot be read, or the user has rated all items.
        """
        user = self._new_user(question.ratings, question.user_features)
        data, rest = self.model.data, self._unrated(user)
        predicted = self.model.predict(self._task(user, rest))[0]
        seen = data.items_of_training()
        found = [
            Recommendation(
                data.items[rest[index]],
                data.titles[rest[index]] if data.titles else "",
                float(predicted[index]),
                bool(seen[rest[index]]),
            )
            for index in np.argsort(-predicted, kind="stable")[: question.top]
        ]
        return [Recommendations(found, user.warnings)]

    def explain(self, question: UserExplanationQuestion) -> ModulationExplanation:
        """Return why an item, by default the best one, is predicted as it is for a user.

        Raises:
            UserError: The ratings are missing or cannot be read, the item is unknown, or none is
                given and the user has rated all.
        """
        user = self._new_user(question.ratings, question.user_features)
        print_warnings(user.warnings)
        items = self._named(question.item) if question.item else self._unrated(user)
        return ModulationExplanation(
            structure=self.model.record.get("formula", ""),
            expressions=tuple(self.model.record.get("expressions", [])),
            users=explain_users(self.model, [self._task(user, items)], ["this user"]),
        )

    def _new_user(self, ratings: str, features: str) -> NewUser:
        """Read a new user; see `data.user_csv`. Warnings tell also what training never showed."""
        if not ratings:
            raise UserError("--ratings: missing, expected a CSV file with the header item,rating")
        path, data = Path(ratings), self.model.data
        known = parse_user_features(features, data.user_features)
        user = read_new_user(path, data, known)
        unseen = _unseen_items(path, user)
        return dataclasses.replace(user, warnings=(*user.warnings, *unseen, *known.warnings))

    def _unrated(self, user: NewUser) -> np.ndarray:
        """Return the rows int[n] of the items that the user has not rated, at least one."""
        data = self.model.data
        rest = np.setdiff1d(np.arange(len(data.items)), user.support_items)
        if len(rest) == 0:
            raise UserError(
                f"--ratings: found all {len(data.items)} items of {data.name} rated, expected some "
                "left to recommend"
            )
        return rest

    def _named(self, item: str) -> np.ndarray:
        """Return the row int[1] of an item called by name or title."""

        def refuse(_: int, found: str, expected: str) -> UserError:
            return UserError(f"--item: found {found}, expected {expected}")

        return look_up_items([item], self.model.data, refuse)

    def _task(self, user: NewUser, items: np.ndarray) -> Tasks:
        """Return the task of predicting `items` int[Q] for a new user."""
        low, high = self.model.data.rating_range
        count = len(items)
        return Tasks(
            features=tuple(jnp.asarray(rows)[None] for rows in user.features.rows),
            support=ExampleSets(
                jnp.asarray(user.support_items)[None],
                jnp.asarray((user.support_ratings - low) / (high - low))[None],
                jnp.ones((1, len(user.support_items)), bool),
            ),
            query=ExampleSets(
                jnp.asarray(items, jnp.int32)[None],
                jnp.zeros((1, count)),
                jnp.ones((1, count), bool),
            ),
            weights=jnp.ones(1),
        )


def _unseen_items(ratings: Path, user: NewUser) -> tuple[str, ...]:
    """Return a warning where training never saw some of the rated items."""
    if not user.unseen:
        return ()
    count = len(user.unseen)
    items = "1 rated item" if count == 1 else f"{count} rated items"
    return (
        f"{ratings}: training never had {items}, known by features alone; "
        f"the first is {user.unseen[0]!r}",
    )
