"""RED-GNN's problem: how one reasoning model is trained and evaluated on a graph or a pair."""

from __future__ import annotations

import dataclasses
import functools
from collections.abc import Iterator, Mapping, Sequence
from types import MappingProxyType
from typing import Any

import flax.struct
import jax
import jax.numpy as jnp
import numpy as np
import optax

from kapl_jax.errors import UserError
from kapl_jax.evaluation.answer_ranking import in_order, ranks_of_answers
from kapl_jax.evaluation.ranking import mean_rank_metrics
from kapl_jax.methods.red_gnn.tasks import Asked, Tasks, split_pool
from kapl_jax.relational.choices import Offered, choices
from kapl_jax.relational.graph import RelationalGraph
from kapl_jax.relational.layer import dropping, keep_all
from kapl_jax.relational.parameters import RelationalModel
from kapl_jax.relational.regimes import (
    AdaPropRegime,
    Batches,
    DenseRegime,
    FrontierRegime,
    Prepared,
    Regime,
    fits_dense,
)
from kapl_jax.relational.searched_layer import searched_layer
from kapl_jax.search.problem import (
    CandidateOfStep,
    EpochKeys,
    Problem,
    PyTree,
    Split,
    TrainingState,
    decayed_rate,
)

# What sizes are learnt for, apart.
_TRAINING = "training"


@dataclasses.dataclass(frozen=True)
class RedGNNOptions:
    """What is fixed for a whole population, because it changes the program or its data.

    Attributes:
        num_layers: L.
        hidden_dim: D.
        offered: The alternatives that structures choose among.
        batch_size: Queries in a batch of training.
        fact_share: Share of the training triples that are edges in an epoch; others are queries.
        dropout: Whether any individual uses dropout.
        regime: "dense", "frontier", or "auto": dense where the graph is small.
        top_k: Nodes that a query adds in a layer (AdaProp); 0: all.
        most_edges: Most edges per query and layer, with AdaProp.
        data_seed: Seed of the epochs' splits and orders, the same for all individuals.
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


class RedGNNProblem(Problem):
    """Trains by log-loss of queries that are left out of the graph.

    Attributes:
        training_regime: How messages are passed in training.
    """

    objective = "mrr"
    data: Mapping[Split, PyTree] = MappingProxyType({"train": (), "valid": (), "test": ()})
    # With its library for CPUs XLA keeps what it could compute on the way: measured to take a fifth
    # more time and a half more memory on gathered rows of different numbers.
    cpu_options = MappingProxyType({"xla_cpu_experimental_ynn_fusion_type": ""})

    def __init__(self, tasks: Tasks, options: RedGNNOptions) -> None:
        """Prepare to train on `tasks` with `options`.

        Raises:
            UserError: The dense regime is asked for what it cannot do.
        """
        self.tasks = tasks
        self.options = options
        self.model = RelationalModel(
            tasks.num_relations,
            options.num_layers,
            options.hidden_dim,
            options.offered,
            samples=options.top_k > 0,
        )
        self.training_regime = _regime(
            options, tasks.num_entities, tasks.most_edges, options.batch_size
        )
        asked = tasks.valid.queries.heads.shape[1]
        _check_dense(options, tasks, max(asked, options.batch_size))
        self._ask = _regime(options, tasks.most_entities, tasks.most_edges, asked)
        self._drop = dropping if options.dropout else lambda key, rate: keep_all

    def init(
        self, key: jax.Array, candidate: jax.Array, hyperparameters: dict[str, jax.Array]
    ) -> TrainingState:
        """Return the state before training; see `Problem`."""
        del candidate
        variables = self.model.init(key)
        optimizer = _optimizer(hyperparameters["weight_decay"], hyperparameters["learning_rate"])
        return TrainingState(dict(variables), optimizer.init(variables["params"]))

    def blocks(
        self, split: Split, epoch: int = 0, first: int = 0
    ) -> Iterator[TrainingBlock | AskedBlock]:
        """Return batches of queries; see `Problem`."""
        if split == "train":
            return self._training_blocks(epoch, first)
        return self._asked_blocks(self.asked(split), split)

    def asked(self, split: Split) -> Asked:
        """Return what is asked in validation or test."""
        return self.tasks.valid if split == "valid" else self.tasks.test

    def _training_blocks(self, epoch: int, first: int) -> Iterator[TrainingBlock]:
        regime = self._measured_regime
        graph, (heads, relations, tails), weights = self._epoch(epoch)
        numbers, share = np.arange(len(heads), dtype=np.int32), np.float32(1 / weights.sum())
        batches = Batches(graph, heads, relations)
        for part, prepared in regime.prepare(batches, _TRAINING, first):
            yield TrainingBlock(prepared, tails[part], weights[part], numbers[part], share)

    def weight(self, block: TrainingBlock) -> float:
        """Return how much of its epoch a block is; see `Problem`."""
        return float(block.weights.sum() * block.share)

    @functools.cached_property
    def _measured_regime(self) -> Regime:
        """The regime of training, its sizes settled by the first epoch whatever is resumed."""
        graph, (heads, relations, _), _ = self._epoch(0)
        self.training_regime.measure(Batches(graph, heads, relations), _TRAINING)
        return self.training_regime

    def _epoch(self, epoch: int) -> tuple[RelationalGraph, np.ndarray, np.ndarray]:
        """Return an epoch's graph, its queries int32[3, S, B] and weights float32[S, B]."""
        options = self.options
        graph, queries = split_pool(self.tasks, options.fact_share, options.data_seed, epoch)
        steps = -(-len(queries) // options.batch_size)
        positions = np.arange(steps * options.batch_size).reshape(steps, -1)
        batches = queries[positions % len(queries)].astype(np.int32)
        return graph, np.moveaxis(batches, -1, 0), (positions < len(queries)).astype(np.float32)

    def train_block(
        self,
        state: TrainingState,
        candidate_of_step: CandidateOfStep,
        hyperparameters: dict[str, jax.Array],
        epoch: jax.Array,
        keys: EpochKeys,
        data: PyTree,
        block: TrainingBlock,
    ) -> tuple[TrainingState, jax.Array]:
        """Train on some batches; see `Problem`."""
        del data
        regime = self.training_regime
        rate = decayed_rate(hyperparameters, epoch)
        optimizer = _optimizer(hyperparameters["weight_decay"], rate)

        def loss_of(parameters: Any, step: Any) -> jax.Array:
            arrays, tails, weights, number = step
            own = jax.random.fold_in(keys.own, number)
            layer = searched_layer(self.options.offered, choices(candidate_of_step(own)))
            drop_key, key = jax.random.split(own)
            drop = self._drop(drop_key, hyperparameters["dropout"])
            shared = block.prepared.shared
            losses = regime.losses(layer, parameters, shared, arrays, tails, drop, key)
            return jnp.sum(losses * weights)

        def train(state: TrainingState, step: Any) -> tuple[TrainingState, jax.Array]:
            loss, gradient = jax.value_and_grad(loss_of)(state.variables["params"], step)
            return state.step(optimizer, gradient), loss

        steps = (block.prepared.steps, block.tails, block.weights, block.numbers)
        state, losses = jax.lax.scan(train, state, steps)
        return state, jnp.sum(losses) * block.share

    def _asked_blocks(self, asked: Asked, purpose: str) -> Iterator[AskedBlock]:
        queries = asked.queries
        batches = Batches(asked.graph, queries.heads, queries.relations)
        for part, prepared in self._ask.prepare(batches, purpose):
            yield AskedBlock(
                prepared, jax.tree.map(lambda leaf, part=part: leaf[part], queries.answers)
            )

    def evaluate_block(
        self, variables: dict[str, Any], candidate: jax.Array, data: PyTree, block: AskedBlock
    ) -> jax.Array:
        """Return the filtered ranks float32[S, K] of the answers; see `Problem`."""
        del data
        parameters = variables["params"]
        layer = searched_layer(self.options.offered, choices(candidate))

        def ranks(step: Any) -> jax.Array:
            arrays, answers = step
            scores = self._ask.scores(layer, parameters, block.prepared.shared, arrays, keep_all)
            return ranks_of_answers(scores, answers)

        return jax.lax.map(ranks, (block.prepared.steps, block.answers))

    def metrics(self, split: Split, values: Sequence[np.ndarray]) -> dict[str, np.ndarray]:
        """Return the filtered ranking metrics; see `Problem`."""
        return mean_rank_metrics(self.ranks(split, values))

    def ranks(self, split: Split, values: Sequence[np.ndarray]) -> np.ndarray:
        """Return ranks float32[P, 2, Q] in the order of the split's triples: tails, then heads.

        Args:
            split: What was asked.
            values: What `evaluate_block` gave for its blocks, float32[P, S, K] each.
        """
        ranks = in_order(self.asked(split).queries, np.concatenate(values, axis=1))
        return ranks.reshape(len(ranks), 2, -1)


def _optimizer(weight_decay: jax.Array, rate: jax.Array) -> optax.GradientTransformation:
    """Return Adam; weight decay is added to the gradient, as in the published program."""
    return optax.chain(
        optax.add_decayed_weights(weight_decay),
        optax.scale_by_adam(),
        optax.scale_by_learning_rate(rate),
    )


def _check_dense(options: RedGNNOptions, tasks: Tasks, largest: int) -> None:
    sizes = (tasks.most_entities, tasks.most_edges)
    if options.regime == "dense" and not fits_dense(
        options.offered, options.hidden_dim, largest, *sizes
    ):
        raise UserError(
            f"--regime=dense: batches of {largest} queries on {sizes[0]} entities and "
            f"{sizes[1]} edges are too large; expected --regime=frontier or auto, or smaller "
            "--batch_size and --evaluation_batch_size"
        )


def _regime(options: RedGNNOptions, num_entities: int, num_edges: int, batch_size: int) -> Regime:
    if options.top_k:
        return AdaPropRegime(options.num_layers, num_entities, options.top_k, options.most_edges)
    offered = options.offered
    small = fits_dense(offered, options.hidden_dim, batch_size, num_entities, num_edges)
    if options.regime == "dense" or (options.regime == "auto" and small):
        return DenseRegime()
    return FrontierRegime(options.num_layers, num_entities)
