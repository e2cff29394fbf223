"""ColdNAS's problem: how one modulation structure is trained and evaluated on cold-start tasks."""

from __future__ import annotations

import dataclasses
from collections.abc import Sequence
from typing import Any

import jax
import jax.numpy as jnp
import numpy as np
import optax

from kapl_jax.data.cold_start import ColdStartData
from kapl_jax.episodes.batches import draw_batches, group_tasks
from kapl_jax.episodes.tasks import ExampleRows, Tasks, redrawn
from kapl_jax.evaluation.recommendation import user_metrics
from kapl_jax.methods.coldnas.embeddings import UNSEEN
from kapl_jax.methods.coldnas.model import ModulatedPredictor
from kapl_jax.methods.coldnas.tasks import TaskData, item_sets, task_data
from kapl_jax.modulation.networks import network_modulate
from kapl_jax.modulation.operations import Modulate, modulate
from kapl_jax.search.problem import (
    CandidateOfStep,
    EpochKeys,
    Problem,
    Split,
    TrainingState,
    decayed_rate,
)

# Users that are evaluated together: bounds memory, enough for any device.
_USERS_AT_ONCE = 256
# Beside the metrics' sums.
_USERS = "users"


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
        network_units: Hidden units of the networks that modulate; 0 where operations do.
    """

    embedding_dim: int = 32
    hidden_units: tuple[int, ...] = (128, 64, 32)
    context_dim: int = 256
    batch_size: int = 32
    objective: str = "mse"
    redraw: bool = True
    network_units: int = 0

    @property
    def positions(self) -> int:
        """C, the number of positions that can be modulated."""
        return len(self.hidden_units) + 1


class ColdNASProblem(Problem):
    """Trains a structure by the squared error of the query ratings.

    The loss is the mean over users of the mean over their query items, of ratings scaled to 0..1;
    metrics are of the ratings as they are. The optimizer is Adam with decoupled weight decay.
    Candidates are bool[C, 4], or float32[C, n] where small networks modulate.
    """

    def __init__(self, cold_start: ColdStartData, options: ColdNASOptions) -> None:
        """Prepare the arrays of `cold_start` for training with `options`."""
        self.cold_start = cold_start
        self.options = options
        self.objective = options.objective
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

    def init(
        self, key: jax.Array, candidate: jax.Array, hyperparameters: dict[str, jax.Array]
    ) -> TrainingState:
        """Return the state before training; see `Problem`."""
        params = self.init_parameters(key, candidate)
        optimizer = _optimizer(hyperparameters["weight_decay"], hyperparameters["learning_rate"])
        return TrainingState({"params": params}, optimizer.init(params))

    def init_parameters(self, key: jax.Array, candidate: jax.Array) -> dict[str, Any]:
        """Return the parameters before training: `model`, those of the predictor."""
        train = self.data["train"]
        one = train.tasks.take(np.s_[:1])
        support, query = item_sets(train.item_fields, one)
        modulation = self.modulation({}, candidate)
        return {"model": self.model.init(key, modulation, one.features, support, query)["params"]}

    def evaluate_block(
        self,
        variables: dict[str, Any],
        candidate: jax.Array,
        data: TaskData,
        block: tuple[()],
    ) -> dict[str, jax.Array]:
        """Return the sums over users of each metric, and their number as `users`, float32[]."""
        del block
        parameters = variables["params"]
        low, high = self.cold_start.rating_range
        # Gains of nDCG grow from a rating of 0, which must be the least.
        low, high = max(low, 0.0), high + max(-low, 0.0)

        def batch(tasks: Tasks) -> dict[str, jax.Array]:
            # Maxima and minima make ties, which the last bits of a sum would break at random.
            predicted = jnp.round(self.predict(parameters, candidate, data.item_fields, tasks), 6)
            found = user_metrics(
                low + (high - low) * predicted,
                low + (high - low) * tasks.query.labels,
                tasks.query.mask,
            )
            sums = {name: jnp.sum(tasks.weights * values) for name, values in found.items()}
            return {**sums, _USERS: jnp.sum(tasks.weights)}

        sums = jax.lax.map(batch, data.tasks)
        return {name: jnp.sum(values) for name, values in sums.items()}

    def metrics(
        self, split: Split, values: Sequence[dict[str, np.ndarray]]
    ) -> dict[str, np.ndarray]:
        """Return the metrics, means over users; see `Problem`."""
        del split
        sums = {name: np.asarray(value, np.float64) for name, value in values[0].items()}
        users = sums.pop(_USERS)
        return {name: value / users for name, value in sums.items()}

    def predict(
        self,
        parameters: Any,
        candidate: jax.Array,
        item_fields: tuple[jax.Array, ...],
        tasks: Tasks,
    ) -> jax.Array:
        """Return the predicted query ratings float32[U, Q] of some tasks, scaled to 0..1."""
        support, query = item_sets(item_fields, tasks)
        rows = self._apply(parameters, candidate, tasks.features, support, query)
        return query.layout.split_rows(rows)[0]

    def phi(
        self, parameters: Any, item_fields: tuple[jax.Array, ...], tasks: Tasks
    ) -> list[jax.Array]:
        """Return the modulation parameters of users, float32[4, U, width] for each position."""
        support, _ = item_sets(item_fields, tasks)
        variables = {"params": parameters["model"]}
        found = self.model.apply(variables, tasks.features, support, method="user_phi")
        return list(jax.tree.leaves(found))

    def modulation(self, parameters: Any, candidate: jax.Array) -> Modulate:
        """Return how `candidate` modulates."""
        del parameters
        if self.options.network_units:
            return network_modulate(candidate, self.options.network_units)
        return modulate(candidate)

    def train_block(
        self,
        state: TrainingState,
        candidate_of_step: CandidateOfStep,
        hyperparameters: dict[str, jax.Array],
        epoch: jax.Array,
        keys: EpochKeys,
        data: TaskData,
        block: tuple[()],
    ) -> tuple[TrainingState, jax.Array]:
        """Train for one epoch; see `Problem`."""
        del block
        order_key, draw_key = jax.random.split(keys.order)
        tasks = redrawn(data.tasks, draw_key) if self.options.redraw else data.tasks
        batches, weights = draw_batches(self._groups, order_key)
        rate = decayed_rate(hyperparameters, epoch)
        optimizer = _optimizer(hyperparameters["weight_decay"], rate)

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
                state.variables["params"], candidate_of_step(own), *hidden, batch
            )
            return state.step(optimizer, gradient), loss

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
        counts = jnp.maximum(jnp.sum(batch.query.mask, axis=1), 1).astype(batch.weights.dtype)
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


def _optimizer(weight_decay: jax.Array, rate: jax.Array) -> optax.GradientTransformation:
    return optax.chain(
        optax.scale_by_adam(),
        optax.add_decayed_weights(weight_decay),
        optax.scale_by_learning_rate(rate),
    )


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
