"""A trained ColdNAS model with its data: predictions, parameters φ and the weight of ratings."""

from __future__ import annotations

from functools import cached_property
from typing import Any

import numpy as np

from kapl_jax.data.cold_start import ColdStartData, UserTasks
from kapl_jax.episodes.tasks import Tasks
from kapl_jax.methods.coldnas.problem import ColdNASProblem
from kapl_jax.methods.coldnas.tasks import as_tasks
from kapl_jax.search.compiling import jit_in_full_precision


class TrainedModel:
    """Predicts ratings of users from their support sets."""

    def __init__(self, problem: ColdNASProblem, parameters: Any, structure: np.ndarray) -> None:
        """Take a trained model.

        Args:
            problem: The problem that it was trained on.
            parameters: Its parameters.
            structure: Its candidate.
        """
        self.problem = problem
        self.parameters = parameters
        self.structure = structure

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
        predicted = self._predict(self.parameters, self.structure, self.problem.data, tasks)
        return low + (high - low) * np.asarray(predicted)

    def phi(self, tasks: Tasks) -> list[np.ndarray]:
        """Return the modulation parameters of the users, float32[4, U, width] a position."""
        return [np.asarray(one) for one in self._phi(self.parameters, self.problem.data, tasks)]

    @cached_property
    def _predict(self) -> Any:
        return jit_in_full_precision(self.problem.predict)

    @cached_property
    def _phi(self) -> Any:
        return jit_in_full_precision(self.problem.phi)
