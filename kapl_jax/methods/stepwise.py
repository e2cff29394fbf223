"""Problems that train by gradient steps: what the methods' problems have in common."""

from __future__ import annotations

import abc
from collections.abc import Callable
from typing import Any

import flax.struct
import jax
import optax

from kapl_jax.search.problem import EpochKeys, PyTree


@flax.struct.dataclass
class TrainingState:
    """What training changes: the model's parameters and the optimizer's state."""

    parameters: Any
    optimizer: Any


class StepwiseProblem(abc.ABC):
    """Trains one candidate, or a drawn one at each step (`search.problem.SharedWeightProblem`).

    A method says how parameters begin and how an epoch's steps go.

    Attributes:
        optimizer: Scales gradients; the learning rate comes later.
    """

    optimizer: optax.GradientTransformation

    @abc.abstractmethod
    def init_parameters(self, key: jax.Array, candidate: jax.Array) -> PyTree:
        """Return the parameters before training."""

    @abc.abstractmethod
    def train_steps(
        self,
        state: TrainingState,
        candidate_of_step: Callable[[jax.Array], jax.Array],
        hyperparameters: dict[str, jax.Array],
        epoch: jax.Array,
        keys: EpochKeys,
        data: PyTree,
    ) -> tuple[TrainingState, jax.Array]:
        """Train for one epoch; return the state and its mean loss.

        Args:
            state: The state before.
            candidate_of_step: Returns what `prepare` made of a step's candidate, given its key.
            hyperparameters: Numbers by name.
            epoch: int32[] from 0.
            keys: The randomness of the epoch.
            data: What all candidates share.
        """

    def prepare(self, candidate: jax.Array) -> jax.Array:
        """Return what a step needs of a candidate; once an epoch where all steps have the same."""
        return candidate

    def init(
        self, key: jax.Array, candidate: jax.Array, hyperparameters: dict[str, jax.Array]
    ) -> TrainingState:
        """Return the state before training; see `Problem.init`."""
        del hyperparameters
        parameters = self.init_parameters(key, candidate)
        return TrainingState(parameters, self.optimizer.init(parameters))

    def train_epoch(
        self,
        state: TrainingState,
        candidate: jax.Array,
        hyperparameters: dict[str, jax.Array],
        epoch: jax.Array,
        keys: EpochKeys,
        data: PyTree,
    ) -> tuple[TrainingState, jax.Array]:
        """Train for one epoch; see `Problem.train_epoch`."""
        ready = self.prepare(candidate)
        return self.train_steps(state, lambda key: ready, hyperparameters, epoch, keys, data)

    def train_epoch_shared(
        self,
        state: TrainingState,
        pool: jax.Array,
        hyperparameters: dict[str, jax.Array],
        epoch: jax.Array,
        keys: EpochKeys,
        data: PyTree,
    ) -> tuple[TrainingState, jax.Array]:
        """Train for one epoch, each step with a candidate drawn from `pool` `[n, ...]`."""

        def draw(key: jax.Array) -> jax.Array:
            return self.prepare(pool[jax.random.randint(key, (), 0, pool.shape[0])])

        return self.train_steps(state, draw, hyperparameters, epoch, keys, data)
