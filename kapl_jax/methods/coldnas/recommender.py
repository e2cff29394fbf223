"""Recommendations of a trained ColdNAS model to a new user."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import jax.numpy as jnp
import numpy as np

from kapl_jax.data.cold_start import ColdStartData, describe_cold_start
from kapl_jax.data.cold_start_loading import load_cold_start
from kapl_jax.data.cold_start_protocol import Protocol
from kapl_jax.data.user_csv import (
    NewUser,
    parse_user_features,
    read_new_user,
)
from kapl_jax.errors import UserError
from kapl_jax.methods.coldnas.problem import ColdNASOptions, ColdNASProblem
from kapl_jax.methods.coldnas.reasons import reasons_of
from kapl_jax.methods.coldnas.tasks import Tasks
from kapl_jax.methods.coldnas.trained import TrainedModel
from kapl_jax.methods.models import ModelStore
from kapl_jax.methods.recommendations import Recommendation
from kapl_jax.modulation.networks import network_modulate
from kapl_jax.modulation.operations import modulate
from kapl_jax.runs.run_directory import Run

_PROTOCOL_FLAGS = {
    "seed": "split_seed",
    "min_ratings": "min_ratings",
    "max_ratings": "max_ratings",
    "query_items": "query_items",
    "train_share": "train_share",
    "valid_share": "valid_share",
    "scenario": "scenario",
    "new_items_since": "new_items_since",
}


class ColdNASRecommender:
    """Ranks items for new users (`methods.recommendations.Recommender`)."""

    def __init__(self, model: TrainedModel, description: dict[str, Any]) -> None:
        """Recommend with a trained model and its description from the model store."""
        self.model = model
        self.description = description

    @classmethod
    def from_run(cls, run: Run, data_dir: str | None) -> ColdNASRecommender:
        """Load the best model of a run and the data that it was trained on.

        Raises:
            UserError: The run is not finished, or the data are not those it was trained on.
        """
        parameters, description = ModelStore(Path(run.path) / "checkpoints").load_best()
        settings = run.config["settings"]
        protocol = Protocol(**{name: settings[flag] for name, flag in _PROTOCOL_FLAGS.items()})
        data = load_cold_start(settings["dataset"], data_dir, protocol)
        _check_same_data(run, data)
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
        return cls(TrainedModel(problem, parameters, structure), description)

    def new_user(self, ratings: Path, features: str) -> NewUser:
        """Read a new user; see `data.user_csv`."""
        data = self.model.data
        known = parse_user_features(features, data.user_features)
        return read_new_user(ratings, data, known)

    def recommend(self, user: NewUser, top: int) -> list[Recommendation]:
        """Return the `top` items with the highest predicted ratings that the user has not rated."""
        data = self.model.data
        rest = np.setdiff1d(np.arange(len(data.items)), user.support_items)
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
            UserError: The item is unknown.
        """
        data = self.model.data
        rest = np.setdiff1d(np.arange(len(data.items)), user.support_items)
        if item is not None:
            if item not in data.items:
                raise UserError(
                    f"--item={item}: unknown, expected one of the {len(data.items)} items of "
                    f"{data.name}"
                )
            rest = np.array([data.items.index(item)])
        found = reasons_of(self.model, [self._task(user, rest)], ["this user"])
        return {
            "structure": self.description["formula"],
            "expressions": self.description.get("expressions", []),
            **found,
        }

    def _task(self, user: NewUser, items: np.ndarray) -> Tasks:
        """Return the task of predicting `items` int[Q] for a new user."""
        low, high = self.model.data.rating_range
        count = len(items)
        return Tasks(
            users=tuple(jnp.asarray(rows)[None] for rows in user.features.rows),
            support_items=jnp.asarray(user.support_items)[None],
            support_ratings=jnp.asarray((user.support_ratings - low) / (high - low))[None],
            support_mask=jnp.ones((1, len(user.support_items)), bool),
            query_items=jnp.asarray(items, jnp.int32)[None],
            query_ratings=jnp.zeros((1, count)),
            query_mask=jnp.ones((1, count), bool),
            weights=jnp.ones(1),
        )


def _check_same_data(run: Run, data: ColdStartData) -> None:
    found = describe_cold_start(data)
    differences = [
        f"{key} {found[key]}, not {trained}"
        for key, trained in run.config["dataset"].items()
        if key != "name" and trained != found[key]
    ]
    if differences:
        raise UserError(
            f"{run.path}: the model was trained on other data than {data.name} as found now "
            f"({'; '.join(differences)}); give the --data_dir of the run"
        )
