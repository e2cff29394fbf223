"""Populations: where the training of many individuals stands, as one pytree."""

from __future__ import annotations

import dataclasses
from collections.abc import Sequence
from functools import partial
from typing import Any

import flax.struct
import jax
import jax.numpy as jnp
import numpy as np

from kapl_jax.search.individual import Cohort, Individual
from kapl_jax.search.problem import PyTree, TrainingState
from kapl_jax.search.programs import Programs


@flax.struct.dataclass
class Best:
    """The best variables of each individual so far, the population axis first.

    Attributes:
        variables: Of the model.
        score: float64[P].
        epoch: int64[P].
        metrics: Validation metrics by name, float64[P] each.
    """

    variables: PyTree
    score: Any
    epoch: Any
    metrics: dict[str, Any]


@flax.struct.dataclass
class Population:
    """Where the training of some individuals stands, the population axis first.

    Training always goes on from the last state, and reports the best variables.

    Attributes:
        state: The last training state.
        losses: Mean losses of the last whole epoch, float32[P]; NaN before it.
        shares: Of the epoch in progress, what each block added to its mean losses, float32[P]
            each; empty between epochs.
        best: The best so far; None where the last counts.
    """

    state: TrainingState
    losses: Any
    shares: tuple[Any, ...] = ()
    best: Best | None = None

    def take(self, rows: Any) -> Population:
        """Return that of some individuals, by index; of arrays on the host."""
        taken: Population = jax.tree.map(lambda leaf: leaf[rows], self)
        return taken


def join_populations(parts: Sequence[Population]) -> Population:
    """Return that of all individuals, one part after the other; of arrays on the host."""
    joined: Population = jax.tree.map(lambda *leaves: np.concatenate(leaves), *parts)
    return joined


@dataclasses.dataclass
class Chunk:
    """Individuals that are on the devices together.

    Attributes:
        individuals: Those that count; arrays on the devices may hold repetitions of the last
            behind them.
        cohort: Their arrays, on the devices.
        programs: The programs compiled for this size.
        population: Where they stand; states and variables are on the devices.
        epoch: Whole epochs trained so far.
        done: How much of the epoch in progress is done, 0 to 1.
    """

    individuals: Sequence[Individual]
    cohort: Cohort
    programs: Programs
    population: Population
    epoch: int = 0
    done: float = 0.0

    @property
    def size(self) -> int:
        """Individuals on the devices, repetitions included."""
        return int(self.cohort.stamp.shape[0])

    def settle(self) -> None:
        """Give up all but the variables that count: the best where they are kept, else the last.

        What follows, such as the test, has the memory for itself.
        """
        best, state = self.population.best, self.population.state
        variables = state.variables if best is None else best.variables
        self.population = Population(TrainingState(variables, ()), self.population.losses)

    def keep_best(self, scores: np.ndarray, metrics: dict[str, np.ndarray]) -> None:
        """Keep each individual's variables where it has not been better.

        Args:
            scores: float64[P] of the last state.
            metrics: Validation metrics of it by name, float64[P] each.
        """
        last, best = self.population.state.variables, self.population.best
        if best is None:
            epochs = np.full(len(scores), self.epoch)
            kept = Best(jax.tree.map(jnp.copy, last), scores, epochs, metrics)
        else:
            better = scores > best.score
            filled = np.concatenate([better, np.repeat(better[-1:], self.size - len(better))])
            kept = Best(
                variables=_choose(filled, last, best.variables),
                score=np.where(better, scores, best.score),
                epoch=np.where(better, self.epoch, best.epoch),
                metrics={
                    name: np.where(better, value, best.metrics[name])
                    for name, value in metrics.items()
                },
            )
        self.population = dataclasses.replace(self.population, best=kept)


@partial(jax.jit, donate_argnums=2)
def _choose(first_is_better: jax.Array, first: PyTree, second: PyTree) -> PyTree:
    """Take each individual's arrays from `first` where told so, else from `second`, given up."""

    def choose(one: jax.Array, other: jax.Array) -> jax.Array:
        shape = (-1,) + (1,) * (one.ndim - 1)
        return jnp.where(first_is_better.reshape(shape), one, other)

    return jax.tree.map(choose, first, second)
