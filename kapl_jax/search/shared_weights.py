"""One-shot evaluation: many candidates train one set of weights, then each is scored with them."""

from __future__ import annotations

import copy
import hashlib
from collections.abc import Callable, Iterator, Sequence
from typing import Any

import jax
import jax.numpy as jnp
import numpy as np

from kapl_jax.runs.run_directory import RunDirectory
from kapl_jax.search.compiling import full_precision
from kapl_jax.search.problem import (
    CandidateOfStep,
    EpochKeys,
    Problem,
    PyTree,
    Split,
    TrainingState,
)
from kapl_jax.search.programs import SPLIT, WHOLE, Placement

# Candidates scored at a time: enough to fill a device, little beside the training's own memory.
_SCORED_AT_ONCE = 16


class Supernet(Problem):
    """A problem whose individuals are supernets: each step trains a candidate drawn from a pool.

    "Single Path One-Shot Neural Architecture Search" (Guo et al., ECCV 2020) is the scheme,
    AutoSF+'s published `train_many` its use for scoring functions. It is trained as any other
    problem, in stages; an individual's candidate is one of the pool, which it is evaluated by.
    """

    def __init__(self, problem: Problem, pool: np.ndarray) -> None:
        """Train the weights of `problem` under candidates `pool` `[n, ...]`, n >= 1."""
        self.problem = problem
        self.objective = problem.objective
        self.cpu_options = problem.cpu_options
        self.data = {**problem.data, "train": (problem.data["train"], jnp.asarray(pool))}

    def init(
        self, key: jax.Array, candidate: jax.Array, hyperparameters: dict[str, jax.Array]
    ) -> TrainingState:
        """Return the state before training; see `Problem`."""
        return self.problem.init(key, candidate, hyperparameters)

    def blocks(self, split: Split, epoch: int = 0, first: int = 0) -> Iterator[PyTree]:
        """Return the blocks of the problem; see `Problem`."""
        return self.problem.blocks(split, epoch, first)

    def weight(self, block: PyTree) -> float:
        """Return how much of its epoch a block is; see `Problem`."""
        return self.problem.weight(block)

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
        """Train on a block, each step with a candidate of the pool; see `Problem`."""
        del candidate_of_step
        own, pool = data

        def draw(key: jax.Array) -> jax.Array:
            return pool[jax.random.randint(key, (), 0, pool.shape[0])]

        return self.problem.train_block(state, draw, hyperparameters, epoch, keys, own, block)

    def evaluate_block(
        self, variables: dict[str, Any], candidate: jax.Array, data: PyTree, block: PyTree
    ) -> PyTree:
        """Evaluate a candidate with the shared weights; see `Problem`."""
        return self.problem.evaluate_block(variables, candidate, data, block)

    def metrics(self, split: Split, values: Sequence[PyTree]) -> dict[str, np.ndarray]:
        """Return the metrics of a candidate with the shared weights; see `Problem`."""
        return self.problem.metrics(split, values)


class SharedWeights:
    """Trained shared weights that score candidates on validation, spread over the devices."""

    def __init__(
        self,
        problem: Problem,
        variables: PyTree,
        devices: Sequence[jax.Device] | None = None,
    ) -> None:
        """Score by `variables`, of one trained `Supernet` of `problem`."""
        devices = list(devices or jax.local_devices())
        placement = Placement(devices)
        self._problem = problem
        self._variables = variables
        self._width = len(devices)

        def evaluate(
            variables: PyTree, candidates: jax.Array, data: PyTree, block: PyTree
        ) -> PyTree:
            return jax.lax.map(
                lambda candidate: problem.evaluate_block(variables, candidate, data, block),
                candidates,
                batch_size=_SCORED_AT_ONCE,
            )

        self._evaluate = jax.jit(placement.over_devices(evaluate, (WHOLE, SPLIT, WHOLE, WHOLE)))

    def with_variables(self, variables: PyTree) -> SharedWeights:
        """Return what scores by other variables, with the program that is compiled already."""
        other = copy.copy(self)
        other._variables = variables
        return other

    def scores(self, candidates: np.ndarray) -> np.ndarray:
        """Return the score of each of `[n, ...]` candidates, float[n]; -inf where not finite."""
        problem, count = self._problem, len(candidates)
        filled = np.concatenate([candidates, np.repeat(candidates[-1:], -count % self._width, 0)])
        values = []
        with full_precision():
            for block in problem.blocks("valid"):
                found = self._evaluate(self._variables, filled, problem.data["valid"], block)
                values.append(jax.tree.map(lambda leaf: np.asarray(leaf)[:count], found))
        scores = problem.score(problem.metrics("valid", values))
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
