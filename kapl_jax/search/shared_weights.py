"""One-shot evaluation: many candidates train one set of weights, then each is scored with them."""

from __future__ import annotations

import hashlib
from collections.abc import Callable, Sequence
from typing import Any

import jax
import jax.numpy as jnp
import numpy as np
from jax.sharding import AxisType, Mesh

from kapl_jax.runs.run_directory import RunDirectory
from kapl_jax.search.compiling import full_precision
from kapl_jax.search.population import AXIS, SPLIT, WHOLE
from kapl_jax.search.problem import EpochKeys, PyTree, SharedWeightProblem

# Candidates scored at a time: enough to fill a device, little beside the training's own memory.
_SCORED_AT_ONCE = 16


class Supernet:
    """A problem whose individuals are supernets: each step trains a candidate drawn from a pool.

    "Single Path One-Shot Neural Architecture Search" (Guo et al., ECCV 2020) is the scheme,
    AutoSF+'s published `train_many` its use for scoring functions. It is trained as any other
    problem, in stages; an individual's candidate is one of the pool, which it is evaluated by.
    """

    def __init__(self, problem: SharedWeightProblem, pool: np.ndarray) -> None:
        """Train the weights of `problem` under candidates `pool` `[n, ...]`, n >= 1."""
        self.problem = problem
        self.data = (problem.data, jnp.asarray(pool))

    def init(
        self, key: jax.Array, candidate: jax.Array, hyperparameters: dict[str, jax.Array]
    ) -> PyTree:
        """Return the weights before training; see `Problem.init`."""
        return self.problem.init(key, candidate, hyperparameters)

    def train_epoch(
        self,
        state: PyTree,
        candidate: jax.Array,
        hyperparameters: dict[str, jax.Array],
        epoch: jax.Array,
        keys: EpochKeys,
        data: PyTree,
    ) -> tuple[PyTree, jax.Array]:
        """Train for one epoch; see `Problem.train_epoch`."""
        del candidate
        own, pool = data
        return self.problem.train_epoch_shared(state, pool, hyperparameters, epoch, keys, own)

    def evaluate(self, state: PyTree, candidate: jax.Array, data: PyTree) -> dict[str, jax.Array]:
        """Return the validation metrics of a candidate with the shared weights."""
        return self.problem.evaluate(state, candidate, data[0])

    def score(self, metrics: dict[str, Any]) -> Any:
        """Return what is searched for; see `Problem.score`."""
        return self.problem.score(metrics)


class SharedWeights:
    """Trained shared weights that score candidates, spread over the devices."""

    def __init__(
        self,
        problem: SharedWeightProblem,
        state: PyTree,
        devices: Sequence[jax.Device] | None = None,
    ) -> None:
        """Score by the weights in `state`, of one trained `Supernet` of `problem`."""
        devices = list(devices or jax.local_devices())
        mesh = Mesh(np.array(devices), (AXIS,), axis_types=(AxisType.Auto,))
        self._state = state
        self._data = problem.data
        self._width = len(devices)

        def score_some(state: PyTree, candidates: jax.Array, data: PyTree) -> jax.Array:
            return jax.lax.map(
                lambda candidate: problem.score(problem.evaluate(state, candidate, data)),
                candidates,
                batch_size=_SCORED_AT_ONCE,
            )

        inputs = (WHOLE, SPLIT, WHOLE)
        self._score = jax.jit(
            jax.shard_map(score_some, mesh=mesh, in_specs=inputs, out_specs=SPLIT, check_vma=False)
        )

    def scores(self, candidates: np.ndarray) -> np.ndarray:
        """Return the score of each of `[n, ...]` candidates, float[n]; -inf where not finite."""
        missing = -len(candidates) % self._width
        filled = np.concatenate([candidates, np.repeat(candidates[-1:], missing, axis=0)])
        with full_precision():
            scored = self._score(self._state, filled, self._data)
        scores = np.asarray(scored, np.float64)[: len(candidates)]
        return np.where(np.isfinite(scores), scores, -np.inf)


class RecordedProxy:
    """Scores of a supernet that are recorded in a run: a continued search gets the same again.

    A record tells which candidates it is of, so that one that is lost is scored again and no other
    is taken for it.
    """

    def __init__(self, score: Callable[[np.ndarray], np.ndarray], run: RunDirectory) -> None:
        """Score with `score`, which is called for what is not recorded, and record in `run`."""
        self._score = score
        self._run = run

    def __call__(self, candidates: np.ndarray) -> np.ndarray:
        """Return the score of each of `[n, ...]` candidates, float[n], higher is better."""
        of = hashlib.sha256(np.ascontiguousarray(candidates).tobytes()).hexdigest()[:12]
        scores = self._recorded(of)
        if scores is None:
            scores = self._score(candidates)
            self._run.log(
                {"event": "shared_weights", "stage": "search", "of": of, "scores": scores}
            )
        return scores

    def _recorded(self, of: str) -> np.ndarray | None:
        for event in self._run.recorded("shared_weights", "search"):
            if event.get("of") == of:
                return np.array([-np.inf if one is None else one for one in event["scores"]])
        return None
