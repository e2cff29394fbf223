"""What the engine may ask of a method: a handful of pure functions of one candidate."""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from typing import Any, NamedTuple, Protocol

import jax
import numpy as np

PyTree = Any


class EpochKeys(NamedTuple):
    """The randomness of one epoch.

    Attributes:
        order: Depends on the seed and the epoch only: use it for the order of the data, which a
            population of one seed then computes once.
        own: Depends on the seed, the candidate and the epoch: use it for everything else.
    """

    order: jax.Array
    own: jax.Array


class TrainableProblem(Protocol):
    """What problems whose data lie on the devices and those whose data are streamed have in common.

    The functions are pure and traceable, and `candidate` and `hyperparameters` may be traced
    arrays: whatever differs between candidates of one population is data.

    Attributes:
        data: Arrays that all candidates share, passed back to the functions as an argument.
    """

    data: PyTree

    def init(
        self, key: jax.Array, candidate: jax.Array, hyperparameters: dict[str, jax.Array]
    ) -> PyTree:
        """Return the state (parameters, optimizer state) before training."""
        ...

    def score(self, metrics: dict[str, Any]) -> Any:
        """Return what is searched for of what is evaluated, scalar or array; higher is better.

        For a metric of which less is better that is the metric's negative.
        """
        ...


class Problem(TrainableProblem, Protocol):
    """Trains and evaluates one candidate; the engine maps it over a population."""

    def train_epoch(
        self,
        state: PyTree,
        candidate: jax.Array,
        hyperparameters: dict[str, jax.Array],
        epoch: jax.Array,
        keys: EpochKeys,
        data: PyTree,
    ) -> tuple[PyTree, jax.Array]:
        """Train for one epoch; `epoch` is int32[] from 0; return the state and its mean loss."""
        ...

    def evaluate(self, state: PyTree, candidate: jax.Array, data: PyTree) -> dict[str, jax.Array]:
        """Return validation metrics, float32 scalars by name."""
        ...


class SharedWeightProblem(Problem, Protocol):
    """A problem in which many candidates can train one set of weights, step by step in turn."""

    def train_epoch_shared(
        self,
        state: PyTree,
        pool: jax.Array,
        hyperparameters: dict[str, jax.Array],
        epoch: jax.Array,
        keys: EpochKeys,
        data: PyTree,
    ) -> tuple[PyTree, jax.Array]:
        """Train for one epoch with a candidate drawn from `pool` `[n, ...]` at every step."""
        ...


class StreamedProblem(TrainableProblem, Protocol):
    """A problem whose data the host prepares, block by block, while the devices work.

    A block is a pytree of NumPy arrays: one batch or several. All candidates of a population get
    the same blocks, which follow from the problem and the epoch only. Each shape of a block is a
    program, so there should be few.
    """

    def training_blocks(self, epoch: int, first: int = 0) -> Iterator[PyTree]:
        """Return the blocks of an epoch, from 0, in order, without the `first` so many."""
        ...

    def weight(self, block: PyTree) -> float:
        """Return how much of its epoch a block is; those of an epoch add up to 1."""
        ...

    def train_block(
        self,
        state: PyTree,
        candidate: jax.Array,
        hyperparameters: dict[str, jax.Array],
        epoch: jax.Array,
        keys: EpochKeys,
        data: PyTree,
        block: PyTree,
    ) -> tuple[PyTree, jax.Array]:
        """Train on a block; return the state and the block's share of the epoch's mean loss."""
        ...

    def validation_blocks(self) -> Iterator[PyTree]:
        """Return the blocks of the validation data."""
        ...

    def evaluate_block(
        self, state: PyTree, candidate: jax.Array, data: PyTree, block: PyTree
    ) -> PyTree:
        """Return what `metrics` needs of a block."""
        ...

    def metrics(self, blocks: Sequence[PyTree], values: Sequence[PyTree]) -> dict[str, np.ndarray]:
        """Return metrics float[P] by name.

        Args:
            blocks: As they were evaluated.
            values: What `evaluate_block` gave for each, NumPy arrays with the population first.
        """
        ...
