"""Filtered ranking of entities, on the device, with the realistic (mean) rank on ties.

For a query (h, r, ?) every entity is scored, the entities already known to be right are left out
(all but the target), and the target's position among the rest is its filtered rank (Bordes et al.,
NIPS 2013). Where n others score exactly as the target does, the rank is the mean over all orders
of the tied ones: 1 + #better + n / 2 (the "realistic" rank of Berrendorf et al., 2020), so that a
model that gives one constant score gains nothing.

Ranks of both directions are kept as `float32[2, Q]`: row 0 tail prediction, row 1 head prediction.
The module knows scores only, not the model that gives them.
"""

from __future__ import annotations

from collections.abc import Callable
from typing import TypeVar

import flax.struct
import jax
import jax.numpy as jnp
import numpy as np

ScoreFn = Callable[[jax.Array], jax.Array]
"""Maps triples `int32[B, 3]` to the scores `float[B, N]` of all entities for one direction."""

Numeric = TypeVar("Numeric", jax.Array, np.ndarray)

METRIC_NAMES = ("mrr", "hits_at_1", "hits_at_3", "hits_at_10", "mean_rank")


@flax.struct.dataclass
class KnownPairs:
    """The answers not to count, as a padded list of pairs for each of S batches of B queries.

    Attributes:
        query: `int32[S, F]`, the query's index in its batch; B where the pair is padding.
        entity: `int32[S, F]`, an entity known to answer that query; its target may be among them.
    """

    query: jax.Array
    entity: jax.Array


@flax.struct.dataclass
class RankingBatches:
    """The triples to rank, cut into S batches of B, and what to filter; see `rank_all`.

    Attributes:
        triples: `int32[S, B, 3]`, columns head, relation, tail.
        weight: `float32[S, B]`, 1 for a triple and 0 for padding.
        position: `int32[S, B]`, the triple's row in the list given; its length Q for padding.
        tails: known answers to (h, r, ?).
        heads: known answers to (?, r, t).
    """

    triples: jax.Array
    weight: jax.Array
    position: jax.Array
    tails: KnownPairs
    heads: KnownPairs


def filtered_ranks(
    scores: jax.Array, targets: jax.Array, known_query: jax.Array, known_entity: jax.Array
) -> jax.Array:
    """Rank each target among the entities that are not known to be right.

    `1 + #{better, not known} + 0.5 * #{equal, not known, not the target}`, as counts over all
    entities minus counts over the known ones, so that no filtered copy of the scores is made.
    A score that is not a number never helps: as a target it takes the last rank, as another
    entity's it counts as better.

    Args:
        scores: `float[Q, N]`, higher is better.
        targets: `int32[Q]`, the entity whose rank is asked.
        known_query: `int32[F]`, rows of `scores`; entries >= Q are padding and ignored.
        known_entity: `int32[F]`, the known entity of that row. Pairs must be distinct; the target
            itself may be among them.

    Returns:
        `float32[Q]`, ranks from 1 to N, in steps of a half.
    """
    num_queries = scores.shape[0]
    target_scores = jnp.take_along_axis(scores, targets[:, None], axis=1)
    everywhere = jnp.sum(half_ranks(scores, target_scores), axis=1)
    itself = half_ranks(target_scores, target_scores)[:, 0]

    row = jnp.minimum(known_query, num_queries - 1)
    halves = half_ranks(scores[row, known_entity], target_scores[row, 0])
    counted = (known_query < num_queries) & (known_entity != targets[row])
    known = jax.ops.segment_sum(jnp.where(counted, halves, 0), row, num_segments=num_queries)

    return 1.0 + 0.5 * (everywhere - itself - known).astype(jnp.float32)


def half_ranks(scores: jax.Array, target_scores: jax.Array) -> jax.Array:
    """Count by how many half ranks a score pushes the target back: 2 better, 1 equal, 0 worse.

    The comparisons are negated because every comparison with NaN is false. Integers keep the sums
    exact for any number of entities.
    """
    not_worse = ~(scores < target_scores)
    better = ~(scores <= target_scores)
    return not_worse.astype(jnp.int32) + better.astype(jnp.int32)


def rank_all(batches: RankingBatches, score_tails: ScoreFn, score_heads: ScoreFn) -> jax.Array:
    """Rank all triples in both directions, one batch of scores in memory at a time.

    Traceable: may be compiled, and mapped over a population whose parameters the score functions
    close over.

    Args:
        batches: from `build_ranking_batches`.
        score_tails: scores of every entity as the tail of (h, r, ?).
        score_heads: scores of every entity as the head of (?, r, t).

    Returns:
        Ranks `float32[2, S * B]` in the order of the batches; those of padding may be anything.
    """

    def rank_batch(batch: RankingBatches) -> jax.Array:
        tails, heads = batch.tails, batch.heads
        triples = batch.triples
        return jnp.stack(
            [
                filtered_ranks(score_tails(triples), triples[:, 2], tails.query, tails.entity),
                filtered_ranks(score_heads(triples), triples[:, 0], heads.query, heads.entity),
            ]
        )

    ranks = jax.lax.map(rank_batch, batches)
    return jnp.moveaxis(ranks, 0, 1).reshape(2, -1)


def in_query_order(batches: RankingBatches, ranks: np.ndarray | jax.Array) -> np.ndarray:
    """Undo the batching: `float32[..., S * B]` from `rank_all` to `float32[..., Q]` as given."""
    position = np.asarray(batches.position).reshape(-1)
    real = np.asarray(batches.weight).reshape(-1) > 0
    ranks = np.asarray(ranks)
    ordered = np.empty((*ranks.shape[:-1], int(real.sum())), np.float32)
    ordered[..., position[real]] = ranks[..., real]
    return ordered


def rank_measures(ranks: Numeric) -> dict[str, Numeric]:
    """Return what each rank contributes to each metric, same shape as `ranks`, by metric name."""
    return {
        "mrr": 1.0 / ranks,
        "hits_at_1": (ranks <= 1) * 1.0,
        "hits_at_3": (ranks <= 3) * 1.0,
        "hits_at_10": (ranks <= 10) * 1.0,
        "mean_rank": ranks * 1.0,
    }


def mean_rank_metrics(ranks: np.ndarray) -> dict[str, np.ndarray]:
    """Average the metrics over all ranks of each individual.

    Args:
        ranks: `float32[P, ...]`; of no rank at all the metrics are NaN.

    Returns:
        `float64[P]` by metric name (`METRIC_NAMES`); hits are fractions in 0..1.
    """
    measures = rank_measures(np.asarray(ranks, np.float64).reshape(len(ranks), -1))
    return {name: measures[name].mean(axis=1) for name in METRIC_NAMES}


def build_ranking_batches(
    triples: np.ndarray,
    known_triples: np.ndarray,
    num_entities: int,
    num_relations: int,
    batch_size: int,
) -> RankingBatches:
    """Cut triples into equal batches and look up what is to be filtered for each, on the host.

    Triples with many known answers are spread over the batches, so that the lists of pairs, padded
    to the longest, stay short. Batches may come out a little smaller than asked, where that saves
    padding.

    Args:
        triples: `int[Q, 3]`, those to rank, Q >= 1.
        known_triples: `int[T, 3]`, all triples known to hold (training, validation, test);
            duplicates do no harm.
        num_entities: N.
        num_relations: R.
        batch_size: most triples in a batch.

    Returns:
        The batches, on the default device.

    Raises:
        ValueError: if there is nothing to rank or `batch_size` is not positive.
    """
    num_queries = len(triples)
    if num_queries == 0 or batch_size < 1:
        raise ValueError(f"{num_queries} triples in batches of {batch_size}: both must be positive")
    head, relation, tail = np.asarray(triples, np.int64).T
    known_head, known_relation, known_tail = np.asarray(known_triples, np.int64).reshape(-1, 3).T
    tails = _Answers(
        head * num_relations + relation,
        known_head * num_relations + known_relation,
        known_tail,
        num_entities,
    )
    heads = _Answers(
        tail * num_relations + relation,
        known_tail * num_relations + known_relation,
        known_head,
        num_entities,
    )
    position = _spread(tails.counts + heads.counts, batch_size)
    padded = np.append(np.asarray(triples, np.int32), np.zeros((1, 3), np.int32), axis=0)
    return RankingBatches(
        triples=jnp.asarray(padded[position]),
        weight=jnp.asarray(position < num_queries, jnp.float32),
        position=jnp.asarray(position),
        tails=tails.pairs(position),
        heads=heads.pairs(position),
    )


class _Answers:
    """The known answers of every query in one direction: a stretch of the sorted known pairs."""

    def __init__(
        self, key: np.ndarray, known_key: np.ndarray, known_entity: np.ndarray, num_entities: int
    ) -> None:
        pairs = np.unique(known_key * num_entities + known_entity)
        self._entity = pairs % num_entities
        self._start = np.searchsorted(pairs, key * num_entities)
        self.counts = np.searchsorted(pairs, (key + 1) * num_entities) - self._start

    def pairs(self, position: np.ndarray) -> KnownPairs:
        """List them for queries laid out as `position: int[S, B]` (padding: number of queries)."""
        num_batches, batch_size = position.shape
        slots = position.reshape(-1)
        counts = np.append(self.counts, 0)[slots]
        slot = np.repeat(np.arange(len(slots)), counts)
        within = np.arange(len(slot)) - np.repeat(np.cumsum(counts) - counts, counts)
        query = slots[slot]
        entity = self._entity[self._start[query] + within]
        return _pad_pairs(slot, entity, num_batches, batch_size)


def _pad_pairs(
    slot: np.ndarray, entity: np.ndarray, num_batches: int, batch_size: int
) -> KnownPairs:
    """Put pairs, ordered by slot `0..S*B`, in rows of equal length, one per batch."""
    batch = slot // batch_size
    lengths = np.bincount(batch, minlength=num_batches)
    column = np.arange(len(slot)) - (np.cumsum(lengths) - lengths)[batch]
    shape = (num_batches, max(1, int(lengths.max())))
    padded_query = np.full(shape, batch_size, np.int32)
    padded_entity = np.zeros(shape, np.int32)
    padded_query[batch, column] = slot % batch_size
    padded_entity[batch, column] = entity
    return KnownPairs(query=jnp.asarray(padded_query), entity=jnp.asarray(padded_entity))


def _spread(counts: np.ndarray, batch_size: int) -> np.ndarray:
    """Deal queries to batches in turn, largest counts first.

    Returns:
        `int32[S, B]`, indices into `counts`; `len(counts)` is padding.
    """
    num_queries = len(counts)
    num_batches = -(-num_queries // batch_size)
    rounds = -(-num_queries // num_batches)
    order = np.argsort(-counts, kind="stable").astype(np.int32)
    padding = np.full(rounds * num_batches - num_queries, num_queries, np.int32)
    return np.concatenate([order, padding]).reshape(rounds, num_batches).T
