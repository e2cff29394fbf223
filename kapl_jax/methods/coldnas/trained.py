"""A trained ColdNAS model with its data: predictions, parameters φ and the weight of ratings."""

from __future__ import annotations

from functools import cached_property
from typing import Any

import numpy as np

from kapl_jax.data.cold_start import ColdStartData, UserTasks
from kapl_jax.episodes.tasks import Tasks
from kapl_jax.methods.coldnas.problem import ColdNASProblem
from kapl_jax.methods.coldnas.tasks import as_tasks
from kapl_jax.methods.trained import TrainedModel
from kapl_jax.search.compiling import jit_in_full_precision


class RatingModel:
    """Predicts ratings of users from their support sets."""

    def __init__(self, model: TrainedModel) -> None:
        """Predict with a trained model."""
        problem = model.problem
        assert isinstance(problem, ColdNASProblem)
        self.problem = problem
        self.structure = model.structure
        self.record = model.record
        self._parameters = model.variables["params"]
        self._item_fields = problem.data["train"].item_fields

    @property
    def data(self) -> ColdStartData:
        """The data that it was trained on."""
        return self.problem.cold_start

    def tasks(self, tasks: UserTasks) -> Tasks:
        """Return tasks of known users as device arrays."""
        return as_tasks(self.data, tasks)

    def predict(self, tasks: Tasks) -> np.ndarray:
        """Return the predicted ratings of the query items float32[U, Q], in the data's range."""
        low, high = self.data.rating_range
        predicted = self._predict(self._parameters, self.structure, self._item_fields, tasks)
        return low + (high - low) * np.asarray(predicted)

    def phi(self, tasks: Tasks) -> list[np.ndarray]:
        """Return the modulation parameters of the users, float32[4, U, width] per position."""
        return [np.asarray(one) for one in self._phi(self._parameters, self._item_fields, tasks)]

    @cached_property
    def _predict(self) -> Any:
        return jit_in_full_precision(self.problem.predict)

    @cached_property
    def _phi(self) -> Any:
        return jit_in_full_precision(self.problem.phi)
