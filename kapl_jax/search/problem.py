"""What the engine may ask of a method: a handful of pure functions of one candidate."""

from __future__ import annotations

from collections.abc import Callable, Iterator, Mapping, Sequence
from types import MappingProxyType
from typing import Any, Literal, NamedTuple, Protocol

import flax.struct
import jax
import numpy as np
import optax

from kapl_jax.evaluation.objectives import sign

PyTree = Any
Split = Literal["train", "valid", "test"]

CandidateOfStep = Callable[[jax.Array], jax.Array]
"""Returns the candidate that a step trains, given the key of the step: the individual's own, or for
a supernet one that is drawn."""


class EpochKeys(NamedTuple):
    """The randomness of one epoch.

    Attributes:
        order: Depends on the seed and the epoch only: use it for the order of the data, which a
            population of one seed then computes once.
        own: Depends on the seed, the candidate and the epoch: use it for everything else.
    """

    order: jax.Array
    own: jax.Array


@flax.struct.dataclass
class TrainingState:
    """What training changes.

    Attributes:
        variables: Flax's collections of a model: `params`, beside them others like `batch_stats`.
        optimizer: The optimizer's state.
    """

    variables: dict[str, Any]
    optimizer: Any

    def step(
        self, optimizer: optax.GradientTransformation, gradient: PyTree, **collections: PyTree
    ) -> TrainingState:
        """Return the state after a step of gradient descent.

        Args:
            optimizer: The whole chain, with the learning rate of the step in it.
            gradient: Of the loss with respect to `params`.
            **collections: What else changed of the variables, by name.
        """
        params = self.variables["params"]
        # Optax raises floats to the power of counts (Adam's correction of the bias).
        with jax.numpy_dtype_promotion("standard"):
            updates, state = optimizer.update(gradient, self.optimizer, params)
        variables = {
            **self.variables,
            **collections,
            "params": optax.apply_updates(params, updates),
        }
        return TrainingState(variables, state)


class Problem(Protocol):
    """Trains and evaluates one candidate; the engine maps it over a population.

    The functions of states are pure and traceable, and candidates and hyperparameters may be traced
    arrays: whatever differs between candidates of one population is data.

    Data come in blocks, pytrees of NumPy arrays that the host prepares while the devices work: one
    batch or several. All candidates of a population get the same blocks, which follow from the
    problem and the epoch only. Each shape of a block is a program, so there should be few. A
    problem whose data lie on the devices has one block without arrays, `()`, as here; many of its
    epochs then are one call of the devices.

    Attributes:
        data: Of each split, the arrays that lie on the devices for all candidates.
        objective: The metric that is searched for.
        cpu_options: Options of XLA that suit the programs on CPUs, by name.
    """

    data: Mapping[Split, PyTree]
    objective: str
    cpu_options: Mapping[str, Any] = MappingProxyType({})

    def init(
        self, key: jax.Array, candidate: jax.Array, hyperparameters: dict[str, jax.Array]
    ) -> TrainingState:
        """Return the state before training."""
        ...

    def train_block(
        self,
        state: TrainingState,
        candidate_of_step: CandidateOfStep,
        hyperparameters: dict[str, jax.Array],
        epoch: jax.Array,
        keys: EpochKeys,
        data: PyTree,
        block: PyTree,
    ) -> tuple[TrainingState, jax.Array]:
        """Train on a block of an epoch.

        Args:
            state: The state before.
            candidate_of_step: What each step trains.
            hyperparameters: float32[] by name.
            epoch: int32[] from 0.
            keys: The randomness of the epoch.
            data: Of the training split.
            block: One of `blocks("train", epoch)`.

        Returns:
            The state, and the block's share of the epoch's mean loss: shares add up to it.
        """
        ...

    def evaluate_block(
        self, variables: dict[str, Any], candidate: jax.Array, data: PyTree, block: PyTree
    ) -> PyTree:
        """Return what `metrics` needs of a block of validation or test.

        Args:
            variables: Of a trained state.
            candidate: The candidate.
            data: Of the split.
            block: One of `blocks(split)`.
        """
        ...

    def metrics(self, split: Split, values: Sequence[PyTree]) -> dict[str, np.ndarray]:
        """Return metrics float64[P] by name.

        Args:
            split: What was evaluated.
            values: What `evaluate_block` gave for each block, in order: NumPy arrays that lead with
                the population axis.
        """
        ...

    def blocks(self, split: Split, epoch: int = 0, first: int = 0) -> Iterator[PyTree]:
        """Return the blocks of a split in order, without the `first` so many."""
        del split, epoch
        yield from [()][first:]

    def weight(self, block: PyTree) -> float:
        """Return how much of its epoch a training block is; those of an epoch add up to 1."""
        del block
        return 1.0

    def score(self, metrics: Mapping[str, np.ndarray]) -> np.ndarray:
        """Return what is searched for, float64[P], of metrics by name; higher is better."""
        return np.asarray(sign(self.objective) * metrics[self.objective], np.float64)


def decayed_rate(hyperparameters: dict[str, jax.Array], epoch: jax.Array) -> jax.Array:
    """Return the learning rate of an epoch: `learning_rate`, times `decay` after each epoch."""
    return hyperparameters["learning_rate"] * jax.lax.pow(hyperparameters["decay"], epoch)
