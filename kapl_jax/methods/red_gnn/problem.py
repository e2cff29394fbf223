"""RED-GNN's problem: how one reasoning model is trained and evaluated on a graph or a pair."""

from __future__ import annotations

import dataclasses
import functools
from collections.abc import Iterator, Sequence
from typing import Any

import flax.struct
import jax
import jax.numpy as jnp
import numpy as np
import optax

from kapl_jax.evaluation.answer_ranking import in_order, ranks_of_answers
from kapl_jax.evaluation.ranking import METRIC_NAMES, rank_measures
from kapl_jax.methods.red_gnn.tasks import Asked, Tasks, split_pool
from kapl_jax.methods.stepwise import TrainingState
from kapl_jax.relational.choices import Offered, choices
from kapl_jax.relational.graph import RelationalGraph
from kapl_jax.relational.layers import dropping, keep_all
from kapl_jax.relational.parameters import RelationalModel
from kapl_jax.relational.regimes import (
    AdaptiveRegime,
    DenseRegime,
    FrontierRegime,
    Prepared,
    Regime,
    fits_dense,
)
from kapl_jax.search.problem import EpochKeys, PyTree

_TRAINING, _VALIDATION = "training", "validation"
HYPERPARAMETERS = ("learning_rate", "decay", "weight_decay", "dropout")


@dataclasses.dataclass(frozen=True)
class RedGNNOptions:
    """What is fixed for a whole population, because it changes the program or its data.

    Attributes:
        num_layers: L.
        hidden_dim: D.
        offered: What candidates choose among.
        batch_size: Queries in a batch of training.
        fact_share: Share of the training triples that are edges in an epoch; the others are asked.
        dropout: Whether any candidate uses dropout.
        regime: "dense", "frontier", or "auto": dense where the graph is small.
        top_k: Nodes that a query adds in a layer (AdaProp); 0: all.
        most_edges: Edges of a query in a layer, where nodes are chosen.
        data_seed: Seed of the epochs' splits and orders, the same for all candidates.
    """

    num_layers: int = 4
    hidden_dim: int = 48
    offered: Offered = dataclasses.field(default_factory=Offered)
    batch_size: int = 20
    fact_share: float = 0.75
    dropout: bool = True
    regime: str = "auto"
    top_k: int = 0
    most_edges: int = 1 << 15
    data_seed: int = 0


@flax.struct.dataclass
class TrainingBlock:
    """Some batches of training.

    Attributes:
        prepared: What the regime needs.
        tails: int32[S, B], the answers.
        weights: float32[S, B], 0 for padding.
        numbers: int32[S], of the batches in the epoch.
        share: What a query counts in the epoch's mean loss.
    """

    prepared: Prepared
    tails: Any
    weights: Any
    numbers: Any
    share: Any


@flax.struct.dataclass
class AskedBlock:
    """Some batches of evaluation: what the regime needs, and the answers to rank."""

    prepared: Prepared
    answers: Any


class RedGNNProblem:
    """Trains by log-loss of queries that are left out of the graph (`StreamedProblem`).

    The optimizer is Adam; weight decay is added to the gradient, as in the published program.

    Attributes:
        training_regime: How messages are passed in training.
    """

    def __init__(self, tasks: Tasks, options: RedGNNOptions) -> None:
        """Prepare to train on `tasks` with `options`."""
        self.tasks = tasks
        self.options = options
        self.data: PyTree = ()
        self.model = RelationalModel(
            tasks.num_relations,
            options.num_layers,
            options.hidden_dim,
            max(options.offered.attention_dims),
            samples=options.top_k > 0,
        )
        self.optimizer = optax.scale_by_adam()
        self.training_regime = _regime(
            options, tasks.num_entities, tasks.most_edges, options.batch_size
        )
        asked = tasks.valid.queries.heads.shape[1]
        self._ask = _regime(options, tasks.most_entities, tasks.most_edges, asked)
        self._drop = dropping if options.dropout else lambda key, rate: keep_all

    def init(
        self, key: jax.Array, candidate: jax.Array, hyperparameters: dict[str, jax.Array]
    ) -> TrainingState:
        """Return the state before training; see `TrainableProblem.init`."""
        del candidate, hyperparameters
        parameters = self.model.init(key)["params"]
        return TrainingState(parameters, self.optimizer.init(parameters))

    def score(self, metrics: dict[str, Any]) -> Any:
        """Return the MRR; see `TrainableProblem.score`."""
        return metrics["mrr"]

    def training_blocks(self, epoch: int, first: int = 0) -> Iterator[TrainingBlock]:
        """Return the batches of an epoch; see `StreamedProblem`."""
        regime = self._measured_regime
        graph, (heads, relations, tails), weights = self._epoch(epoch)
        numbers, share = np.arange(len(heads), dtype=np.int32), np.float32(1 / weights.sum())
        for part, prepared in regime.prepare(graph, heads, relations, _TRAINING, first):
            yield TrainingBlock(prepared, tails[part], weights[part], numbers[part], share)

    def weight(self, block: TrainingBlock) -> float:
        """Return how much of its epoch a block is; see `StreamedProblem`."""
        return float(block.weights.sum() * block.share)

    @functools.cached_property
    def _measured_regime(self) -> Regime:
        """The regime of training, its sizes settled by the first epoch whatever is resumed."""
        graph, batches, _ = self._epoch(0)
        self.training_regime.measure(graph, batches[0], _TRAINING)
        return self.training_regime

    def _epoch(self, epoch: int) -> tuple[RelationalGraph, np.ndarray, np.ndarray]:
        """Return an epoch's graph, its queries int32[3, S, B] and weights float32[S, B]."""
        options = self.options
        graph, queries = split_pool(self.tasks, options.fact_share, options.data_seed, epoch)
        steps = -(-len(queries) // options.batch_size)
        places = np.arange(steps * options.batch_size).reshape(steps, -1)
        batches = queries[places % len(queries)].astype(np.int32)
        return graph, np.moveaxis(batches, -1, 0), (places < len(queries)).astype(np.float32)

    def train_block(
        self,
        state: TrainingState,
        candidate: jax.Array,
        hyperparameters: dict[str, jax.Array],
        epoch: jax.Array,
        keys: EpochKeys,
        data: PyTree,
        block: TrainingBlock,
    ) -> tuple[TrainingState, jax.Array]:
        """Train on some batches; see `StreamedProblem`."""
        del data
        chosen, regime = choices(candidate), self.training_regime
        rate = hyperparameters["learning_rate"] * hyperparameters["decay"] ** epoch

        def loss_of(parameters: Any, step: Any) -> jax.Array:
            arrays, tails, weights, number = step
            drop_key, key = jax.random.split(jax.random.fold_in(keys.own, number))
            drop = self._drop(drop_key, hyperparameters["dropout"])
            shared = block.prepared.shared
            losses = regime.losses(parameters, chosen, shared, arrays, tails, drop, key)
            return jnp.sum(losses * weights)

        def train(state: TrainingState, step: Any) -> tuple[TrainingState, jax.Array]:
            loss, gradient = jax.value_and_grad(loss_of)(state.parameters, step)
            return self._update(state, gradient, rate, hyperparameters["weight_decay"]), loss

        steps = (block.prepared.steps, block.tails, block.weights, block.numbers)
        state, losses = jax.lax.scan(train, state, steps)
        return state, jnp.sum(losses) * block.share

    def validation_blocks(self) -> Iterator[AskedBlock]:
        """Return the validation queries; see `StreamedProblem`."""
        return self.asked_blocks(self.tasks.valid, _VALIDATION)

    def asked_blocks(self, asked: Asked, purpose: str) -> Iterator[AskedBlock]:
        """Return batches of queries with their answers to rank."""
        queries = asked.queries
        batches = self._ask.prepare(asked.graph, queries.heads, queries.relations, purpose)
        for part, prepared in batches:
            yield AskedBlock(
                prepared, jax.tree.map(lambda leaf, part=part: leaf[part], queries.answers)
            )

    def evaluate_block(
        self, state: TrainingState, candidate: jax.Array, data: PyTree, block: AskedBlock
    ) -> jax.Array:
        """Return the filtered ranks float32[S, K] of the answers; see `StreamedProblem`."""
        del data
        chosen = choices(candidate)

        def ranks(step: Any) -> jax.Array:
            arrays, answers = step
            scores = self._ask.scores(
                state.parameters, chosen, block.prepared.shared, arrays, keep_all
            )
            return ranks_of_answers(scores, answers)

        return jax.lax.map(ranks, (block.prepared.steps, block.answers))

    def metrics(
        self, blocks: Sequence[AskedBlock], values: Sequence[np.ndarray]
    ) -> dict[str, np.ndarray]:
        """Return the validation metrics; see `StreamedProblem`."""
        del blocks
        return mean_metrics(self.ranks(self.tasks.valid, values))

    def ranks(self, asked: Asked, values: Sequence[np.ndarray]) -> np.ndarray:
        """Return ranks float32[P, 2, Q] of `asked` in order: tails, then heads.

        Args:
            asked: What was asked.
            values: What `evaluate_block` gave for its blocks, float32[P, S, K] each.
        """
        ranks = in_order(asked.queries, np.concatenate(values, axis=1))
        return ranks.reshape(len(ranks), 2, -1)

    def _update(
        self, state: TrainingState, gradient: Any, rate: jax.Array, weight_decay: jax.Array
    ) -> TrainingState:
        decayed = jax.tree.map(lambda g, p: g + weight_decay * p, gradient, state.parameters)
        direction, optimizer = self.optimizer.update(decayed, state.optimizer)
        parameters = jax.tree.map(lambda p, d: p - rate * d, state.parameters, direction)
        return TrainingState(parameters, optimizer)


def mean_metrics(ranks: np.ndarray) -> dict[str, np.ndarray]:
    """Return the metrics float64[P] of ranks float32[P, ...], means over all but the first axis."""
    measures = rank_measures(np.asarray(ranks, np.float64).reshape(len(ranks), -1))
    return {name: measures[name].mean(axis=1) for name in METRIC_NAMES}


def _regime(options: RedGNNOptions, num_entities: int, num_edges: int, batch_size: int) -> Regime:
    if options.top_k:
        return AdaptiveRegime(
            options.offered,
            options.num_layers,
            num_entities,
            options.top_k,
            options.most_edges,
        )
    offered = options.offered
    small = fits_dense(offered, options.hidden_dim, batch_size, num_entities, num_edges)
    if options.regime == "dense" or (options.regime == "auto" and small):
        return DenseRegime(options.offered)
    return FrontierRegime(options.offered, options.num_layers, num_entities)
