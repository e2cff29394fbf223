"""One-shot evaluation: many candidates train one set of weights, then each is scored with them."""

from __future__ import annotations

import jax
import jax.numpy as jnp
import numpy as np

from kapl_jax.search.individual import epoch_keys, initial_key
from kapl_jax.search.problem import SharedWeightProblem

# Candidates scored at a time: enough to fill a device, little beside the training's own memory.
_SCORED_AT_ONCE = 16


def shared_weight_scores(
    problem: SharedWeightProblem,
    pool: np.ndarray,
    hyperparameters: dict[str, float],
    epochs: int,
    seed: int,
) -> np.ndarray:
    """Train a supernet on a pool of candidates and score each with its weights.

    Every step trains the shared weights under a candidate drawn from the pool; "Single Path
    One-Shot Neural Architecture Search" (Guo et al., ECCV 2020) is the scheme, AutoSF+'s published
    `train_many` its use for scoring functions.

    Args:
        problem: What to train.
        pool: Candidates `[n, ...]`, n >= 1.
        hyperparameters: Those of the supernet.
        epochs: Epochs to train.
        seed: Seed of its initial values and draws.

    Returns:
        The objective of each candidate, float[n]; -inf where it is not finite.
    """
    numbers = {name: jnp.float32(value) for name, value in hyperparameters.items()}
    shared = jnp.uint32(seed)
    stamp = jnp.uint32(0)
    candidates = jnp.asarray(pool)

    @jax.jit
    def train(candidates: jax.Array, data: object) -> object:
        state = problem.init(initial_key(shared, stamp), candidates[0], numbers)

        def epoch(number: jax.Array, state: object) -> object:
            keys = epoch_keys(shared, stamp, number)
            return problem.train_epoch_shared(state, candidates, numbers, number, keys, data)[0]

        return jax.lax.fori_loop(0, epochs, epoch, state)

    @jax.jit
    def score(state: object, candidates: jax.Array, data: object) -> jax.Array:
        return jax.lax.map(
            lambda candidate: problem.evaluate(state, candidate, data)[problem.objective],
            candidates,
            batch_size=_SCORED_AT_ONCE,
        )

    state = train(candidates, problem.data)
    scores = np.asarray(score(state, candidates, problem.data), np.float64)
    return np.where(np.isfinite(scores), scores, -np.inf)
