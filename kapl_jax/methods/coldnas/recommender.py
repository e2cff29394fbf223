"""Recommendations of a trained ColdNAS model to a new user."""

from __future__ import annotations

import dataclasses
from pathlib import Path
from typing import Any

import jax.numpy as jnp
import numpy as np

from kapl_jax.data.cold_start import ColdStartData, describe_cold_start
from kapl_jax.data.user_csv import (
    NewUser,
    look_up_items,
    parse_user_features,
    read_new_user,
)
from kapl_jax.episodes.tasks import ExampleSets, Tasks
from kapl_jax.errors import UserError
from kapl_jax.methods.coldnas.problem import ColdNASOptions, ColdNASProblem
from kapl_jax.methods.coldnas.reasons import reasons_of
from kapl_jax.methods.coldnas.settings import ColdNASSettings, load_data
from kapl_jax.methods.coldnas.trained import TrainedModel
from kapl_jax.methods.models import ModelStore
from kapl_jax.methods.recommendations import Recommendation
from kapl_jax.methods.trained_on import DataSource, check_trained_on, settings_of
from kapl_jax.modulation.networks import network_modulate
from kapl_jax.modulation.operations import modulate
from kapl_jax.runs.run_directory import Run


class ColdNASRecommender:
    """Ranks items for new users (`methods.recommendations.Recommender`)."""

    def __init__(self, model: TrainedModel, description: dict[str, Any]) -> None:
        """Recommend with a trained model and its description from the model store."""
        self.model = model
        self.description = description

    @classmethod
    def from_run(cls, run: Run, source: DataSource) -> ColdNASRecommender:
        """Load the best model of a run and the data that it was trained on.

        Raises:
            UserError: The run is not finished, or the data are not those it was trained on.
        """
        store = ModelStore(Path(run.path) / "checkpoints")
        parameters, description = store.load_best()
        settings = settings_of(run, ColdNASSettings, source)
        data = load_data(settings)
        check_trained_on(run, describe_cold_start(data), "other data")
        with store.understanding_best():
            return cls(_model(data, parameters, description), description)

    def new_user(self, ratings: Path, features: str) -> NewUser:
        """Read a new user; see `data.user_csv`. Warnings tell also what training never showed."""
        data = self.model.data
        known = parse_user_features(features, data.user_features)
        user = read_new_user(ratings, data, known)
        unseen = _unseen_items(ratings, user)
        return dataclasses.replace(user, warnings=(*user.warnings, *unseen, *known.warnings))

    def recommend(self, user: NewUser, top: int) -> list[Recommendation]:
        """Return the `top` items with the highest predicted ratings that the user has not rated.

        Raises:
            UserError: The user has rated all items.
        """
        data = self.model.data
        rest = self._unrated(user)
        predicted = self.model.predict(self._task(user, rest))[0]
        seen = data.items_of_training()
        return [
            Recommendation(
                data.items[rest[place]],
                data.titles[rest[place]] if data.titles else "",
                float(predicted[place]),
                bool(seen[rest[place]]),
            )
            for place in np.argsort(-predicted, kind="stable")[:top]
        ]

    def explain(self, user: NewUser, item: str | None) -> dict[str, Any]:
        """Return the reasons for one user: of `item`, or of the best one.

        Raises:
            UserError: The item is unknown, or none is given and the user has rated all.
        """
        items = self._unrated(user) if item is None else self._named(item)
        found = reasons_of(self.model, [self._task(user, items)], ["this user"])
        return {
            "structure": self.description.get("formula", ""),
            "expressions": self.description.get("expressions", []),
            **found,
        }

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


def _model(data: ColdStartData, parameters: Any, description: dict[str, Any]) -> TrainedModel:
    """Return the model that was kept with this description."""
    options = dict(description["options"])
    options["hidden_units"] = tuple(options["hidden_units"])
    hidden = int(description["network_units"])
    symbolic = description["search_space"] == "operations"
    problem = ColdNASProblem(
        data,
        ColdNASOptions(**options),
        modulate if symbolic else lambda weights: network_modulate(weights, hidden),
    )
    structure = np.array(description["structure"], bool if symbolic else np.float32)
    return TrainedModel(problem, parameters, structure)


def _unseen_items(ratings: Path, user: NewUser) -> tuple[str, ...]:
    """Return a warning where training never saw some of the rated items."""
    if not user.unseen:
        return ()
    count = len(user.unseen)
    items = "1 rated item" if count == 1 else f"{count} rated items"
    return (
        f"{ratings}: training never saw {items}, known by features alone; "
        f"the first is {user.unseen[0]!r}",
    )
