"""What the engine may ask of a method: a handful of pure functions of one candidate."""

from __future__ import annotations

from typing import Any, NamedTuple, Protocol

import jax

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


class Problem(Protocol):
    """Trains and evaluates one candidate; the engine maps it over a population.

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

    def score(self, metrics: dict[str, Any]) -> Any:
        """Return what is searched for of what `evaluate` gives, scalar or array; higher is better.

        For a metric of which less is better that is the metric's negative.
        """
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
