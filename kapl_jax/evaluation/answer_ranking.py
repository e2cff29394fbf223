"""Filtered ranks of the answers of distinct queries, for models whose work is by query.

A query (h, r) that several triples ask is scored once, and all of its right answers are ranked.
Ranks are those of `kapl_jax.evaluation.ranking`: filtered, realistic on ties.
"""

from __future__ import annotations

from dataclasses import dataclass
from typing import Any

import flax.struct
import jax
import jax.numpy as jnp
import numpy as np

from kapl_jax.evaluation.ranking import half_ranks


@flax.struct.dataclass
class Answers:
    """The right answers of a batch of B queries.

    Attributes:
        query: int32[K], the query's index in the batch.
        entity: int32[K], an entity to rank.
        position: int32[K], which rank this is of all that are asked; -1 for padding.
        known_query: int32[F]; B for padding.
        known_entity: int32[F], known to answer that query.
    """

    query: jax.Array
    entity: jax.Array
    position: jax.Array
    known_query: jax.Array
    known_entity: jax.Array


@dataclass(frozen=True, eq=False)
class AskedQueries:
    """Distinct queries in batches, with what to rank for each.

    Attributes:
        heads: int32[S, B]; the last batch is filled with its last query again.
        relations: int32[S, B].
        answers: With a leading axis S.
        count: How many ranks there will be.
    """

    heads: np.ndarray
    relations: np.ndarray
    answers: Answers
    count: int


def ranks_of_answers(scores: jax.Array, answers: Answers) -> jax.Array:
    """Rank answers among the entities that are not known to be right.

    Args:
        scores: float32[B, N], higher is better.
        answers: What to rank, and what not to count.

    Returns:
        float32[K]; for padding any number.
    """
    known = jnp.zeros(scores.shape, bool)
    known = known.at[answers.known_query, answers.known_entity].set(True, mode="drop")
    # The answer itself does not stand in its own way, whether it is listed as known or not.
    target = scores[answers.query, answers.entity][:, None]
    halves = jnp.where(known[answers.query], 0, half_ranks(scores[answers.query], target))
    listed = known[answers.query, answers.entity]
    itself = jnp.where(listed, 0, half_ranks(target, target)[:, 0])
    return 1.0 + 0.5 * (jnp.sum(halves, axis=1) - itself).astype(jnp.float32)


def asked_queries(
    triples: np.ndarray, known_triples: np.ndarray, num_entities: int, batch_size: int
) -> AskedQueries:
    """Group queries, each a triple whose tail is asked, by head and relation.

    The distinct ones are in random order, the same for the same triples: batches are alike then.

    Args:
        triples: int[Q, 3], Q >= 1; for head queries the inverse triples.
        known_triples: int[T, 3], all that hold, in the same form.
        num_entities: N.
        batch_size: B, distinct queries in a batch.
    """
    triples = np.asarray(triples, np.int64)
    width = int(max(triples[:, 1].max(), np.max(known_triples[:, 1], initial=0))) + 1
    found, query = np.unique(triples[:, 0] * width + triples[:, 1], return_inverse=True)
    shuffle = np.random.default_rng(0).permutation(len(found))
    distinct, query = found[shuffle], np.argsort(shuffle)[query]
    known = np.asarray(known_triples, np.int64)
    asked = known[:, 0] * width + known[:, 1]
    index = np.minimum(np.searchsorted(found, asked), len(found) - 1)
    # Of the many triples of a large graph few answer what is asked: only these are sorted.
    answering = found[index] == asked
    pairs = np.unique(index[answering] * num_entities + known[answering, 2])
    index, entities = np.argsort(shuffle)[pairs // num_entities], pairs % num_entities
    by_index = np.argsort(index, kind="stable")
    batches = -(-len(distinct) // batch_size)
    padded = np.append(distinct, np.repeat(distinct[-1:], batches * batch_size - len(distinct)))
    order = np.argsort(query, kind="stable")
    asked_for = (triples[order, 2], 0), (order, -1)
    known_entities = (entities[by_index], 0)
    columns: Any = (
        *_by_batch(query[order], batch_size, batches, *asked_for, fill=0),
        *_by_batch(index[by_index], batch_size, batches, known_entities, fill=batch_size),
    )
    answers = Answers(*columns)
    heads, relations = np.divmod(padded.reshape(batches, batch_size), width)
    return AskedQueries(heads.astype(np.int32), relations.astype(np.int32), answers, len(triples))


def in_order(asked: AskedQueries, ranks: np.ndarray) -> np.ndarray:
    """Return ranks float32[..., S, K] in the order of the triples, float32[..., Q]."""
    position = np.asarray(asked.answers.position)
    real = position >= 0
    ordered = np.empty((*ranks.shape[:-2], asked.count), np.float32)
    ordered[..., position[real]] = ranks[..., real]
    return ordered


def _by_batch(
    query: np.ndarray,
    batch_size: int,
    batches: int,
    *columns: tuple[np.ndarray, int],
    fill: int,
) -> list[np.ndarray]:
    """Put sorted queries and what belongs to them in rows of equal length, one per batch.

    Args:
        query: int[n], sorted.
        batch_size: Queries in a batch.
        batches: How many batches.
        *columns: Values int[n], and what to fill up with.
        fill: The same for the query's index in its batch.
    """
    batch = query // batch_size
    lengths = np.bincount(batch, minlength=batches)
    within = np.arange(len(query)) - (np.cumsum(lengths) - lengths)[batch]
    rows = []
    for values, filler in ((query % batch_size, fill), *columns):
        padded = np.full((batches, max(1, int(lengths.max()))), filler, np.int32)
        padded[batch, within] = values
        rows.append(padded)
    return rows
