"""Filtered ranks where a few entities are listed with their scores, and all others score 0.

As `answer_ranking`, for models that reach few of many entities: nothing is as large as all scores.
"""

from __future__ import annotations

import jax
import jax.numpy as jnp

from kapl_jax.evaluation.answer_ranking import Answers
from kapl_jax.evaluation.ranking import half_places


def ranks_among_listed(
    scores: jax.Array, entities: jax.Array, num_entities: int, answers: Answers
) -> jax.Array:
    """Rank answers among the entities that are not known to be right.

    Equals `ranks_of_answers` of the scores of all entities.

    Args:
        scores: float32[B, n], higher is better.
        entities: int32[B, n], distinct within a query; `num_entities` for padding.
        num_entities: N.
        answers: What to rank, and what not to count; known pairs must be distinct.

    Returns:
        float32[K], from 1 to N, in steps of a half; for padding any number.
    """
    batch = len(scores)
    entities, scores = jax.lax.sort((entities, scores), dimension=1, num_keys=1)
    place = _places(entities, answers.known_query, answers.known_entity)
    known = jnp.zeros(scores.shape, bool)
    known = known.at[answers.known_query, place].set(True, mode="drop")
    counted = (entities < num_entities) & ~known
    num_known = jnp.zeros(batch, jnp.int32).at[answers.known_query].add(1, mode="drop")
    num_unlisted = num_entities - num_known - jnp.sum(counted, axis=1)

    place = _places(entities, answers.query, answers.entity)
    target = scores.at[answers.query, place].get(mode="fill", fill_value=0.0)
    places = half_places(scores[answers.query], target[:, None])
    listed = jnp.sum(jnp.where(counted[answers.query], places, 0), axis=1)
    others = num_unlisted[answers.query] * half_places(jnp.zeros_like(target), target)
    # The answer itself does not stand in its own way, whether it is listed as known or not.
    itself = jnp.where(_is_known(answers), 0, half_places(target, target))
    return 1.0 + 0.5 * (listed + others - itself).astype(jnp.float32)


def _is_known(answers: Answers) -> jax.Array:
    same_query = answers.query[:, None] == answers.known_query
    return jnp.any(same_query & (answers.entity[:, None] == answers.known_entity), axis=1)


def _places(entities: jax.Array, queries: jax.Array, wanted: jax.Array) -> jax.Array:
    """Return where entities stand in sorted rows, int32[F]; the rows' width if nowhere.

    Args:
        entities: int32[B, n], sorted.
        queries: int32[F], rows.
        wanted: int32[F].
    """
    width = entities.shape[1]
    bits = width.bit_length()

    def step(number: jax.Array, smaller: jax.Array) -> jax.Array:
        more = smaller + (1 << (bits - 1 - number))
        right = entities[queries, jnp.minimum(more, width) - 1] < wanted
        return jnp.where((more <= width) & right, more, smaller)

    place = jax.lax.fori_loop(0, bits, step, jnp.zeros_like(queries))
    found = entities[queries, jnp.minimum(place, width - 1)] == wanted
    return jnp.where((place < width) & found, place, width)
