"""AutoBLM's problem: how one scoring structure is trained and evaluated on one graph."""

from __future__ import annotations

import dataclasses
from collections.abc import Callable, Sequence
from typing import Any

import jax
import jax.numpy as jnp
import numpy as np
import optax

from kapl_jax.bilinear.losses import (
    l2_penalty,
    multiclass_log_loss,
    n3_penalty,
    occurrences,
    sampled_softmax_loss,
)
from kapl_jax.bilinear.model import BilinearModel
from kapl_jax.bilinear.scoring import queries_both_ways, signed_one_hot, tail_queries
from kapl_jax.data.knowledge_graph import KnowledgeGraph
from kapl_jax.evaluation.ranking import (
    RankingBatches,
    build_ranking_batches,
    in_query_order,
    mean_rank_metrics,
    rank_all,
)
from kapl_jax.search.problem import (
    CandidateOfStep,
    EpochKeys,
    Problem,
    Split,
    TrainingState,
    decayed_rate,
)

Penalty = Callable[[jax.Array, jax.Array], jax.Array]
# A batch of evaluation scores is kept below this many numbers (per individual and direction).
_SCORES_AT_ONCE = 1 << 23


@dataclasses.dataclass(frozen=True)
class TrainingOptions:
    """What is fixed for a whole population, because it changes the program.

    Attributes:
        embedding_dim: d, divisible by the number of blocks.
        batch_size: Triples in a batch.
        optimizer: "adagrad" or "adam".
        regulariser: "l2" or "n3".
        penalised: "relation", or "all" for head, relation and tail.
        unit_ball: Project entity embeddings onto the unit ball after each step.
        reciprocal: Use reciprocal relations.
        negatives: Entities drawn for the sampled softmax; 0 is the full softmax.
        dropout: Whether any individual uses dropout.
        precision: Of matrix products, of `search.compiling.PRECISIONS`. For "bfloat16" the operands
            of the large ones are rounded here, so that it means the same on every device.
    """

    embedding_dim: int = 64
    batch_size: int = 256
    optimizer: str = "adagrad"
    regulariser: str = "n3"
    penalised: str = "all"
    unit_ball: bool = False
    reciprocal: bool = False
    negatives: int = 0
    dropout: bool = False
    precision: str = "default"


class AutoBLMProblem(Problem):
    """Trains a structure by multiclass log-loss in both directions.

    The data lie on the devices: the training triples int32[T, 3], and the triples of validation
    and test in `RankingBatches`. Candidates are structures int8[K, K].
    """

    objective = "mrr"

    def __init__(self, graph: KnowledgeGraph, options: TrainingOptions) -> None:
        """Prepare the arrays of `graph` for training with `options`."""
        self.graph = graph
        self.options = options
        # Of the operands of the loss; whatever is ranked is of float32.
        self.dtype = jnp.bfloat16 if options.precision == "bfloat16" else None
        self.model = BilinearModel(
            graph.num_entities,
            graph.num_relations,
            options.embedding_dim,
            options.reciprocal,
        )
        self.data = {
            "train": jnp.asarray(graph.training_triples),
            "valid": _ranking_batches(graph, graph.valid),
            "test": _ranking_batches(graph, graph.test),
        }
        self._penalty: Penalty = {"l2": l2_penalty, "n3": n3_penalty}[options.regulariser]

    def init(
        self, key: jax.Array, candidate: jax.Array, hyperparameters: dict[str, jax.Array]
    ) -> TrainingState:
        """Return embeddings and the optimizer's state before training; see `Problem`."""
        triple = jnp.zeros((1, 3), jnp.int32)
        variables = self.model.init(key, signed_one_hot(candidate), triple)
        optimizer = self._optimizer(hyperparameters["learning_rate"])
        return TrainingState(dict(variables), optimizer.init(variables["params"]))

    def train_block(
        self,
        state: TrainingState,
        candidate_of_step: CandidateOfStep,
        hyperparameters: dict[str, jax.Array],
        epoch: jax.Array,
        keys: EpochKeys,
        data: jax.Array,
        block: tuple[()],
    ) -> tuple[TrainingState, jax.Array]:
        """Train for one epoch; see `Problem`."""
        del block
        batches, weights = _shuffled(data, keys.order, self.options.batch_size)
        optimizer = self._optimizer(decayed_rate(hyperparameters, epoch))

        def step(
            state: TrainingState, inputs: tuple[jax.Array, jax.Array, jax.Array]
        ) -> tuple[TrainingState, jax.Array]:
            number, triples, weight = inputs
            key = jax.random.fold_in(keys.own, number)
            signs = signed_one_hot(candidate_of_step(key))
            loss, gradient = jax.value_and_grad(self._loss)(
                state.variables["params"], signs, hyperparameters, triples, weight, key
            )
            return self._projected(state.step(optimizer, gradient)), loss

        numbers = jnp.arange(len(batches))
        state, losses = jax.lax.scan(step, state, (numbers, batches, weights))
        return state, jnp.sum(losses) / data.shape[0]

    def evaluate_block(
        self,
        variables: dict[str, Any],
        candidate: jax.Array,
        data: RankingBatches,
        block: tuple[()],
    ) -> jax.Array:
        """Return the filtered ranks float32[2, S * B] in the order of the batches."""
        del block
        model, signs = self.model.bind(variables), signed_one_hot(candidate)
        return rank_all(
            data,
            lambda triples: model.score_tails(signs, triples),
            lambda triples: model.score_heads(signs, triples),
        )

    def metrics(self, split: Split, values: Sequence[np.ndarray]) -> dict[str, np.ndarray]:
        """Return the filtered ranking metrics; see `Problem`."""
        return mean_rank_metrics(self.ranks(split, values))

    def ranks(self, split: Split, values: Sequence[np.ndarray]) -> np.ndarray:
        """Return ranks float32[P, 2, Q] in the order of the split's triples: tails, then heads."""
        return in_query_order(self.data[split], values[0])

    def _loss(
        self,
        parameters: Any,
        signs: jax.Array,
        hyperparameters: dict[str, jax.Array],
        triples: jax.Array,
        weight: jax.Array,
        key: jax.Array,
    ) -> jax.Array:
        """Return the loss summed over a batch int32[B, 3] with weights float32[B]."""
        entities, relations = parameters["entity"], parameters["relation"]
        ends = entities[triples[:, ::2].T]
        relation = relations[triples[:, 1]]
        if self.options.reciprocal:
            reverse = relations[triples[:, 1] + self.graph.num_relations]
            both_ways = jnp.concatenate([relation, reverse])
            queries = tail_queries(signs, ends.reshape(both_ways.shape), both_ways)
        else:
            queries = queries_both_ways(signs, ends, relation).reshape(-1, ends.shape[-1])
        penalty = self._weighted_penalty(entities, relations, ends, triples, weight)
        drop_key, sample_key = jax.random.split(key)
        both = self._drop(queries, hyperparameters["dropout"], drop_key)
        targets = triples[:, ::-2].T.reshape(-1)
        weights = jnp.concatenate([weight, weight])
        answers = ends[::-1].reshape(queries.shape)
        loss = self._log_loss(both, entities, answers, targets, weights, sample_key)
        return loss + hyperparameters["regularisation"] * penalty

    def _weighted_penalty(
        self,
        entities: jax.Array,
        relations: jax.Array,
        ends: jax.Array,
        triples: jax.Array,
        weight: jax.Array,
    ) -> jax.Array:
        """Return the penalty of a batch: of its relations, and where wanted of its entities."""
        # A table's rows, each as often as it occurs, need no gradient scattered: this pays where
        # the table is no longer than the batch.
        rows = triples[:, 1]
        weights = occurrences(rows, weight, len(relations))
        if self.options.reciprocal:
            reverse = rows + self.graph.num_relations
            weights = weights + occurrences(reverse, weight, len(relations))
        penalty = self._penalty(relations, weights)
        if self.options.penalised == "relation":
            return penalty
        both = jnp.concatenate([weight, weight])
        if len(entities) <= len(both):
            return penalty + self._penalty(
                entities, occurrences(triples[:, ::2].T.reshape(-1), both, len(entities))
            )
        return penalty + self._penalty(ends.reshape(len(both), -1), both)

    def _log_loss(
        self,
        queries: jax.Array,
        entities: jax.Array,
        answers: jax.Array,
        targets: jax.Array,
        weights: jax.Array,
        key: jax.Array,
    ) -> jax.Array:
        dtype = self.dtype
        if not self.options.negatives:
            return multiclass_log_loss(queries, entities, targets, weights, dtype)
        count = self.graph.num_entities
        negatives = jax.random.randint(key, (self.options.negatives,), 0, count)
        return sampled_softmax_loss(
            queries, answers, targets, entities[negatives], negatives, weights, count, dtype
        )

    def _drop(self, queries: jax.Array, rate: jax.Array, key: jax.Array) -> jax.Array:
        """Zero coordinates of the queries at `rate`, where any individual does so."""
        if not self.options.dropout:
            return queries
        keep = jax.random.bernoulli(key, 1.0 - rate, queries.shape)
        return jnp.where(keep, queries / (1.0 - rate), 0.0)

    def _projected(self, state: TrainingState) -> TrainingState:
        """Return the state with entities projected onto the unit ball, where that is asked for."""
        if not self.options.unit_ball:
            return state
        params = state.variables["params"]
        projected = {**params, "entity": _into_unit_ball(params["entity"])}
        return TrainingState({**state.variables, "params": projected}, state.optimizer)

    def _optimizer(self, rate: jax.Array) -> optax.GradientTransformation:
        scaling = optax.scale_by_adam()
        if self.options.optimizer == "adagrad":
            # The sum starts at 0 as published: the first step is as long as the learning rate.
            scaling = optax.scale_by_rss(initial_accumulator_value=0.0, eps=1e-10)
        return optax.chain(scaling, optax.scale_by_learning_rate(rate))


def _ranking_batches(graph: KnowledgeGraph, triples: np.ndarray) -> RankingBatches:
    """Put the triples of a split in the arrays that ranking them needs."""
    known = np.concatenate([graph.training_triples, graph.valid, graph.test])
    size = min(max(1, min(512, _SCORES_AT_ONCE // graph.num_entities)), len(triples))
    return build_ranking_batches(triples, known, graph.num_entities, graph.num_relations, size)


def _shuffled(triples: jax.Array, key: jax.Array, batch_size: int) -> tuple[jax.Array, jax.Array]:
    """Return the triples in random order as int32[S, B, 3], and weights float32[S, B].

    The last batch is filled with the first triples again, at weight 0.
    """
    count = triples.shape[0]
    size = min(batch_size, count)
    steps = -(-count // size)
    positions = jnp.arange(steps * size)
    weights = (positions < count).astype(jnp.float32).reshape(steps, size)
    order = _random_order(key, count)[positions % count]
    return triples[order].reshape(steps, size, 3), weights


def _random_order(key: jax.Array, count: int) -> jax.Array:
    """Return 0..count-1 in random order, int32[count]."""
    numbers = jax.random.bits(key, (count,))
    index_bits = max(1, (count - 1).bit_length())
    if index_bits > 16:
        return jnp.argsort(numbers)
    # Random numbers that carry their index in their low bits: sorting one array is four times as
    # fast as sorting two, and 16 random bits or more are enough for a shuffle.
    mask = jnp.uint32((1 << index_bits) - 1)
    carried = (numbers & ~mask) | jnp.arange(count, dtype=jnp.uint32)
    return (jnp.sort(carried) & mask).astype(jnp.int32)


def _into_unit_ball(rows: jax.Array) -> jax.Array:
    norms = jnp.sqrt(jnp.sum(jnp.square(rows), axis=1, keepdims=True))
    return rows / jnp.maximum(norms, 1.0)
