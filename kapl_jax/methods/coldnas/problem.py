"""ColdNAS's problem: how one modulation structure is trained and evaluated on cold-start tasks."""

from __future__ import annotations

import dataclasses
from collections.abc import Callable
from typing import Any

import jax
import jax.numpy as jnp
import numpy as np
import optax

from kapl_jax.data.cold_start import ColdStartData
from kapl_jax.episodes.batches import draw_batches, group_tasks
from kapl_jax.episodes.tasks import ExampleRows, Tasks, redrawn
from kapl_jax.evaluation.objectives import sign
from kapl_jax.evaluation.recommendation import user_metrics
from kapl_jax.methods.coldnas.embeddings import UNSEEN
from kapl_jax.methods.coldnas.model import ModulatedPredictor
from kapl_jax.methods.coldnas.tasks import TaskData, item_sets, task_data
from kapl_jax.methods.stepwise import StepwiseProblem, TrainingState
from kapl_jax.modulation.operations import Modulate, modulate
from kapl_jax.search.problem import EpochKeys

HYPERPARAMETERS = ("learning_rate", "decay", "weight_decay", "unseen_rate")
# Users that are evaluated together: bounds memory, enough for any device.
_USERS_AT_ONCE = 256


@dataclasses.dataclass(frozen=True)
class ColdNASOptions:
    """What is fixed for a whole population, because it changes the program.

    Attributes:
        embedding_dim: d, of each field.
        hidden_units: Width of each hidden layer of the predictor.
        context_dim: Width of the set encoder.
        batch_size: Users in a batch.
        objective: Metric that is searched for.
        redraw: Draw support and query of the training users anew each epoch.
    """

    embedding_dim: int = 32
    hidden_units: tuple[int, ...] = (128, 64, 32)
    context_dim: int = 256
    batch_size: int = 32
    objective: str = "mse"
    redraw: bool = True

    @property
    def positions(self) -> int:
        """C, the number of positions that can be modulated."""
        return len(self.hidden_units) + 1


class ColdNASProblem(StepwiseProblem):
    """Trains a structure by the squared error of the query ratings (`search.problem.Problem`).

    The loss is the mean over users of the mean over their query items, of ratings scaled to 0..1;
    metrics are of the ratings as they are. The optimizer is Adam with decoupled weight decay.
    """

    def __init__(
        self,
        cold_start: ColdStartData,
        options: ColdNASOptions,
        modulation: Callable[[jax.Array], Modulate] = modulate,
    ) -> None:
        """Prepare the arrays of `cold_start` for training with `options`.

        Args:
            cold_start: The tasks.
            options: What is fixed.
            modulation: How a candidate modulates.
        """
        self.cold_start = cold_start
        self.options = options
        self.model = ModulatedPredictor(
            cold_start.item_features.sizes,
            cold_start.user_features.sizes,
            options.embedding_dim,
            options.context_dim,
            options.hidden_units,
        )
        self.data = task_data(cold_start, _USERS_AT_ONCE)
        self._groups = group_tasks(
            cold_start.train.support_mask.sum(axis=1),
            cold_start.train.query_mask.sum(axis=1),
            options.batch_size,
        )
        self._modulation = modulation
        self.optimizer = optax.scale_by_adam()

    def init_parameters(self, key: jax.Array, candidate: jax.Array) -> dict[str, Any]:
        """Return the model's parameters before training; see `StepwiseProblem`."""
        one = self.data.train.take(np.s_[:1])
        support, query = item_sets(self.data.item_fields, one)
        modulation = self._modulation(candidate)
        return {"model": self.model.init(key, modulation, one.features, support, query)["params"]}

    def evaluate(
        self, state: TrainingState, candidate: jax.Array, data: TaskData
    ) -> dict[str, jax.Array]:
        """Return the metrics on the validation users."""
        return self.metrics(state.parameters, candidate, data, data.valid)

    def score(self, metrics: dict[str, Any]) -> Any:
        """Return the objective, negated where lower is better; see `Problem.score`."""
        return sign(self.options.objective) * metrics[self.options.objective]

    def metrics(
        self, parameters: Any, candidate: jax.Array, data: TaskData, tasks: Tasks
    ) -> dict[str, jax.Array]:
        """Return the metrics on tasks in batches, as `TaskData` holds them, mean over users."""
        low, high = self.cold_start.rating_range
        # Gains of nDCG grow from a rating of 0, which must be the least.
        low, high = max(low, 0.0), high + max(-low, 0.0)

        def batch(tasks: Tasks) -> dict[str, jax.Array]:
            # Maxima and minima make ties, which the last bits of a sum would break at random.
            predicted = jnp.round(self.predict(parameters, candidate, data, tasks), 6)
            found = user_metrics(
                low + (high - low) * predicted,
                low + (high - low) * tasks.query.labels,
                tasks.query.mask,
            )
            return {name: jnp.sum(tasks.weights * values) for name, values in found.items()}

        sums = jax.lax.map(batch, tasks)
        return {name: jnp.sum(values) / jnp.sum(tasks.weights) for name, values in sums.items()}

    def predict(
        self, parameters: Any, candidate: jax.Array, data: TaskData, tasks: Tasks
    ) -> jax.Array:
        """Return the predicted query ratings float32[U, Q] of some tasks, scaled to 0..1."""
        support, query = item_sets(data.item_fields, tasks)
        rows = self._apply(parameters, candidate, tasks.features, support, query)
        return query.layout.split_rows(rows)[0]

    def phi(self, parameters: Any, data: TaskData, tasks: Tasks) -> list[jax.Array]:
        """Return the modulation parameters of some users, float32[4, U, width] a position."""
        support, _ = item_sets(data.item_fields, tasks)
        variables = {"params": parameters["model"]}
        found = self.model.apply(variables, tasks.features, support, method="user_phi")
        return list(jax.tree.leaves(found))

    def modulation(self, parameters: Any, candidate: jax.Array) -> Modulate:
        """Return how `candidate` modulates."""
        del parameters
        return self._modulation(candidate)

    def train_steps(
        self,
        state: TrainingState,
        candidate_of_step: Callable[[jax.Array], jax.Array],
        hyperparameters: dict[str, jax.Array],
        epoch: jax.Array,
        keys: EpochKeys,
        data: TaskData,
    ) -> tuple[TrainingState, jax.Array]:
        """Train for one epoch; see `StepwiseProblem.train_steps`."""
        order_key, draw_key = jax.random.split(keys.order)
        tasks = redrawn(data.train, draw_key) if self.options.redraw else data.train
        batches, weights = draw_batches(self._groups, order_key)
        rate = hyperparameters["learning_rate"] * hyperparameters["decay"] ** epoch

        def step(
            state: TrainingState, inputs: tuple[jax.Array, jax.Array, jax.Array]
        ) -> tuple[TrainingState, jax.Array]:
            number, users, weight = inputs
            own = jax.random.fold_in(keys.own, number)
            batch = tasks.take(users).replace(weights=weight)
            sets = item_sets(data.item_fields, batch, self._groups.layouts)
            hide_key = jax.random.fold_in(keys.order, number)
            hidden = _hide(batch.features, *sets, hide_key, hyperparameters["unseen_rate"])
            loss, gradient = jax.value_and_grad(self._loss)(
                state.parameters, candidate_of_step(own), *hidden, batch
            )
            return self._update(state, gradient, rate, hyperparameters["weight_decay"]), loss

        numbers = jnp.arange(len(batches))
        state, losses = jax.lax.scan(step, state, (numbers, batches, weights))
        return state, jnp.mean(losses)

    def _loss(
        self,
        parameters: Any,
        candidate: jax.Array,
        users: tuple[jax.Array, ...],
        support: ExampleRows,
        query: ExampleRows,
        batch: Tasks,
    ) -> jax.Array:
        """Return the mean over users of the mean squared error of their query items."""
        predicted = self._apply(parameters, candidate, users, support, query)
        counts = jnp.maximum(jnp.sum(batch.query.mask, axis=1), 1)
        weights = query.layout.spread(batch.weights / counts / jnp.sum(batch.weights))
        return jnp.sum(jnp.where(query.mask, weights * jnp.square(predicted - query.labels), 0.0))

    def _apply(
        self,
        parameters: Any,
        candidate: jax.Array,
        users: tuple[jax.Array, ...],
        support: ExampleRows,
        query: ExampleRows,
    ) -> jax.Array:
        variables = {"params": parameters["model"]}
        modulation = self.modulation(parameters, candidate)
        return jnp.asarray(self.model.apply(variables, modulation, users, support, query))

    def _update(
        self, state: TrainingState, gradient: Any, rate: jax.Array, weight_decay: jax.Array
    ) -> TrainingState:
        direction, optimizer = self.optimizer.update(gradient, state.optimizer)
        parameters = jax.tree.map(
            lambda p, d: p - rate * (d + weight_decay * p), state.parameters, direction
        )
        return TrainingState(parameters, optimizer)


def _hide(
    users: tuple[jax.Array, ...],
    support: ExampleRows,
    query: ExampleRows,
    key: jax.Array,
    rate: jax.Array,
) -> tuple[tuple[jax.Array, ...], ExampleRows, ExampleRows]:
    """Return a batch's users and items, some of them as if training had never shown them.

    So the row for unseen values is trained, and the model learns to do without the others. A user
    or an item is hidden with all its fields.
    """
    keys = jax.random.split(key, 3)

    def hide(values: tuple[jax.Array, ...], key: jax.Array) -> tuple[jax.Array, ...]:
        kept = jax.random.uniform(key, values[0].shape[:-1]) >= rate
        return tuple(jnp.where(kept[..., None], one, _unseen(one)) for one in values)

    return (
        hide(users, keys[0]),
        support.replace(features=hide(support.features, keys[1])),
        query.replace(features=hide(query.features, keys[2])),
    )


def _unseen(values: jax.Array) -> jax.Array:
    """Return values int32[..., W] with the unseen row first and nothing behind it."""
    first = jnp.arange(values.shape[-1]) == 0
    return jnp.where(first, UNSEEN, -1)
