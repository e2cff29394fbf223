"""One-shot evaluation: many candidates train one set of weights, then each is scored with them."""

from __future__ import annotations

from functools import cached_property
from typing import Any

import jax
import jax.numpy as jnp
import numpy as np

from kapl_jax.runs.run_directory import RunDirectory
from kapl_jax.search.individual import epoch_keys, initial_key
from kapl_jax.search.problem import SharedWeightProblem

# Candidates scored at a time: enough to fill a device, little beside the training's own memory.
_SCORED_AT_ONCE = 16


class SharedWeights:
    """A supernet: weights trained under candidates drawn from a pool, that then score any others.

    Every step trains the shared weights under a candidate drawn from the pool; "Single Path
    One-Shot Neural Architecture Search" (Guo et al., ECCV 2020) is the scheme, AutoSF+'s published
    `train_many` its use for scoring functions.
    """

    def __init__(
        self,
        problem: SharedWeightProblem,
        pool: np.ndarray,
        hyperparameters: dict[str, float],
        epochs: int,
        seed: int,
    ) -> None:
        """Prepare a supernet; it is trained when the first score is wanted.

        Args:
            problem: What to train.
            pool: Candidates `[n, ...]` to train with, n >= 1.
            hyperparameters: Those of the supernet.
            epochs: Epochs to train.
            seed: Seed of its initial values and draws.
        """
        self.problem = problem
        self.pool = pool
        self.hyperparameters = hyperparameters
        self.epochs = epochs
        self.seed = seed
        self._score = jax.jit(self._score_all)

    def scores(self, candidates: np.ndarray) -> np.ndarray:
        """Return the score of each of `[n, ...]` candidates, float[n]; -inf where not finite."""
        scored = self._score(self._state, jnp.asarray(candidates), self.problem.data)
        scores = np.asarray(scored, np.float64)
        return np.where(np.isfinite(scores), scores, -np.inf)

    @cached_property
    def _state(self) -> Any:
        """The trained weights."""
        numbers = {name: jnp.float32(value) for name, value in self.hyperparameters.items()}
        shared, stamp = jnp.uint32(self.seed), jnp.uint32(0)
        problem = self.problem

        @jax.jit
        def train(candidates: jax.Array, data: object) -> object:
            state = problem.init(initial_key(shared, stamp), candidates[0], numbers)

            def epoch(number: jax.Array, state: object) -> object:
                keys = epoch_keys(shared, stamp, number)
                return problem.train_epoch_shared(state, candidates, numbers, number, keys, data)[0]

            return jax.lax.fori_loop(0, self.epochs, epoch, state)

        return train(jnp.asarray(self.pool), problem.data)

    def _score_all(self, state: object, candidates: jax.Array, data: object) -> jax.Array:
        return jax.lax.map(
            lambda candidate: self.problem.score(self.problem.evaluate(state, candidate, data)),
            candidates,
            batch_size=_SCORED_AT_ONCE,
        )


class RecordedProxy:
    """Scores of a supernet that are recorded in a run: a continued search gets the same again.

    The n-th call is answered from the n-th record where there is one, so calls must come in the
    same order in a continued run; searchers, whose proposals follow from seeds and scores, see to
    that.
    """

    def __init__(self, weights: SharedWeights, run: RunDirectory) -> None:
        """Score with `weights` and record in `run`."""
        self._weights = weights
        self._run = run
        self._calls = 0

    def __call__(self, candidates: np.ndarray) -> np.ndarray:
        """Return the score of each of `[n, ...]` candidates, float[n], higher is better."""
        recorded = self._run.recorded("shared_weights")
        if self._calls == len(recorded):
            scores = self._weights.scores(candidates)
            self._run.log({"event": "shared_weights", "stage": "search", "scores": scores})
            recorded = self._run.recorded("shared_weights")
        found = recorded[self._calls]["scores"]
        self._calls += 1
        return np.array([-np.inf if score is None else score for score in found])
