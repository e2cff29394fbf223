"""A problem that has nothing to do with graphs: fitting a line by noisy gradient steps."""

from __future__ import annotations

from typing import Any

import jax
import jax.numpy as jnp

from kapl_jax.search.problem import EpochKeys


class LineProblem:
    """Fits y = a x + b; the candidate float32[2] is where a and b start from zero noise.

    The noise of each step is drawn from the individual's own keys, and the order of the points from
    the order key, so that any mix-up of keys or rows shows in the numbers.
    """

    def __init__(self, points: int = 12) -> None:
        x = jnp.linspace(-1, 1, points)
        self.data = {"x": x, "y": 2 * x - 1}

    def init(
        self, key: jax.Array, candidate: jax.Array, hyperparameters: dict[str, jax.Array]
    ) -> Any:
        del hyperparameters
        return {"w": candidate + 0.1 * jax.random.normal(key, (2,)), "steps": jnp.int32(0)}

    def train_epoch(
        self,
        state: Any,
        candidate: jax.Array,
        hyperparameters: dict[str, jax.Array],
        epoch: jax.Array,
        keys: EpochKeys,
        data: Any,
    ) -> tuple[Any, jax.Array]:
        del candidate
        order = jax.random.permutation(keys.order, data["x"].shape[0])
        noise = 0.01 * jax.random.normal(keys.own, (len(order), 2))

        def step(w: jax.Array, inputs: tuple[jax.Array, jax.Array]) -> tuple[jax.Array, jax.Array]:
            place, push = inputs
            error = w[0] * data["x"][place] + w[1] - data["y"][place]
            gradient = error * jnp.stack([data["x"][place], 1.0]) + push
            return w - hyperparameters["learning_rate"] * gradient, error**2

        w, errors = jax.lax.scan(step, state["w"], (order, noise))
        return {"w": w, "steps": state["steps"] + len(order) * (epoch >= 0)}, errors.mean()

    def evaluate(self, state: Any, candidate: jax.Array, data: Any) -> dict[str, jax.Array]:
        del candidate
        error = state["w"][0] * data["x"] + state["w"][1] - data["y"]
        return {"closeness": -jnp.mean(error**2), "slope": state["w"][0]}

    def score(self, metrics: dict[str, Any]) -> Any:
        return metrics["closeness"]
