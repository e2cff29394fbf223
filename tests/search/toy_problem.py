"""A problem that has nothing to do with graphs: fitting a line; and the same, slowly."""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from typing import Any

import jax
import jax.numpy as jnp
import numpy as np
import optax

from kapl_jax.search.individual import Individual, epoch_keys, initial_key
from kapl_jax.search.problem import (
    CandidateOfStep,
    EpochKeys,
    Problem,
    PyTree,
    Split,
    TrainingState,
)

POINTS, MOMENTUM = 12, 0.5
# Three blocks per epoch, of two shapes, where they are streamed.
ENDS = (5, 10, POINTS)


class LineProblem(Problem):
    """Fits y = a x + b; the candidate float32[2] is where a and b start from zero noise.

    The noise of each step is drawn from the individual's own keys, and the order of the points from
    the order key, so that any mix-up of keys or rows shows in the numbers. Momentum is the state of
    the optimizer, and the steps are counted beside the weights, so that a loss of either shows.

    Attributes:
        traced: How often the functions of blocks were traced, by name.
    """

    objective = "closeness"

    def __init__(self) -> None:
        x = np.linspace(-1, 1, POINTS, dtype=np.float32)
        trained = {"x": x, "y": 2 * x - 1}
        self.data = {"train": trained, "valid": trained, "test": {"x": x, "y": 3 * x}}
        self.traced = {"train": 0, "evaluate": 0}

    def init(
        self, key: jax.Array, candidate: jax.Array, hyperparameters: dict[str, jax.Array]
    ) -> TrainingState:
        params = {"w": candidate + 0.1 * jax.random.normal(key, (2,))}
        variables = {"params": params, "counts": {"steps": jnp.int32(0)}}
        return TrainingState(variables, _optimizer(hyperparameters).init(params))

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
        self.traced["train"] += 1
        points = self.points(keys, epoch, data, block)

        def step(state: TrainingState, point: Any) -> tuple[TrainingState, jax.Array]:
            w = state.variables["params"]["w"]
            error = w[0] * point["x"] + w[1] - point["y"]
            push = 0.01 * jax.random.normal(jax.random.fold_in(keys.own, point["number"]), (2,))
            gradient = {"w": error * jnp.stack([point["x"], 1.0]) + push}
            counts = {"steps": state.variables["counts"]["steps"] + 1}
            return state.step(_optimizer(hyperparameters), gradient, counts=counts), error**2

        state, errors = jax.lax.scan(step, state, points)
        return state, errors.sum() / POINTS

    def points(self, keys: EpochKeys, epoch: jax.Array, data: PyTree, block: PyTree) -> PyTree:
        """Return the points to train on, in order, and the number of each in the epoch."""
        del epoch, block
        order = jax.random.permutation(keys.order, POINTS)
        return {**jax.tree.map(lambda leaf: leaf[order], data), "number": jnp.arange(POINTS)}

    def evaluate_block(
        self, variables: dict[str, Any], candidate: jax.Array, data: PyTree, block: PyTree
    ) -> PyTree:
        self.traced["evaluate"] += 1
        points, w = block or data, variables["params"]["w"]
        return {"errors": (w[0] * points["x"] + w[1] - points["y"]) ** 2, "slope": w[0]}

    def metrics(self, split: Split, values: Sequence[PyTree]) -> dict[str, np.ndarray]:
        errors = np.concatenate([one["errors"] for one in values], axis=1)
        assert errors.shape[1] == POINTS
        return {"closeness": -errors.mean(axis=1), "slope": values[0]["slope"]}


def points_of(epoch: int) -> dict[str, np.ndarray]:
    """Return the points of an epoch in an order that the host draws, as training takes them."""
    x = np.random.default_rng(epoch).permutation(np.linspace(-1, 1, POINTS)).astype(np.float32)
    return {"x": x, "y": 2 * x - 1, "number": np.arange(POINTS, dtype=np.int32)}


class OrderedLine(LineProblem):
    """Fits the line to points that lie on the devices in the host's order of a few epochs."""

    def __init__(self, epochs: int) -> None:
        super().__init__()
        ordered = jax.tree.map(lambda *leaves: np.stack(leaves), *map(points_of, range(epochs)))
        self.data = {**self.data, "train": ordered}

    def points(self, keys: EpochKeys, epoch: jax.Array, data: PyTree, block: PyTree) -> PyTree:
        return jax.tree.map(lambda leaf: leaf[epoch], data)


class StreamedLine(LineProblem):
    """Fits the line to points that the host gives in blocks, in its order.

    Attributes:
        fails: Whether the second block of an epoch cannot be made.
    """

    def __init__(self) -> None:
        super().__init__()
        self.data = {"train": (), "valid": (), "test": ()}
        self.fails = False

    def blocks(self, split: Split, epoch: int = 0, first: int = 0) -> Iterator[PyTree]:
        data = points_of(epoch) if split == "train" else LineProblem().data[split]
        ends = ENDS if split == "train" else (8, POINTS)
        for start, end in list(zip((0, *ends), ends, strict=False))[first:]:
            if self.fails and start:
                raise ValueError("no second block")
            yield {name: values[start:end] for name, values in data.items()}

    def weight(self, block: PyTree) -> float:
        return len(block["x"]) / POINTS

    def points(self, keys: EpochKeys, epoch: jax.Array, data: PyTree, block: PyTree) -> PyTree:
        return block


PROBLEMS = {"resident": LineProblem, "streamed": StreamedLine}


def fit_slowly(one: Individual, epochs: int, kind: str = "resident") -> list[dict[str, Any]]:
    """Fit the line to the points of one of `PROBLEMS` in NumPy, alone and point by point.

    Returns:
        After each epoch, the first of which is none: w float64[2], the loss of the epoch, and
        closeness on validation and test.
    """
    seed, stamp = np.uint32(one.seed), np.uint32(one.stamp)
    data = LineProblem().data
    w = one.candidate + 0.1 * np.asarray(jax.random.normal(initial_key(seed, stamp), (2,)), float)
    velocity, loss, reached = np.zeros(2), np.nan, []
    for epoch in range(epochs + 1):
        if epoch:
            errors, keys = [], epoch_keys(seed, stamp, np.int32(epoch - 1))
            pushes = np.asarray(_pushes(keys.own), float)
            points = points_of(epoch - 1)
            if kind == "resident":
                order = np.asarray(jax.random.permutation(keys.order, POINTS))
                points = {name: values[order] for name, values in data["train"].items()}
            for x, y, push in zip(points["x"], points["y"], pushes, strict=True):
                error = w[0] * x + w[1] - y
                velocity = MOMENTUM * velocity + error * np.array([x, 1.0]) + push
                w = w - one.hyperparameters["learning_rate"] * velocity
                errors.append(error**2)
            loss = np.mean(errors)
        closeness = {
            split: -np.mean((w[0] * data[split]["x"] + w[1] - data[split]["y"]) ** 2)
            for split in ("valid", "test")
        }
        reached.append({"w": w, "loss": loss, **closeness})
    return reached


@jax.jit
def _pushes(key: jax.Array) -> jax.Array:
    numbers = jnp.arange(POINTS)
    keys = jax.vmap(lambda number: jax.random.fold_in(key, number))(numbers)
    return 0.01 * jax.vmap(lambda key: jax.random.normal(key, (2,)))(keys)


def _optimizer(hyperparameters: dict[str, jax.Array]) -> optax.GradientTransformation:
    return optax.sgd(hyperparameters["learning_rate"], momentum=MOMENTUM)
