"""Losses of link prediction and penalties on embeddings.

All losses are sums over the rows of a batch (not means), weighted by row, so that a padded row
(weight 0) changes nothing.
"""

from functools import partial

import jax
import jax.numpy as jnp
from jax.typing import DTypeLike

from kapl_jax.bilinear.fusion import compiled_apart
from kapl_jax.bilinear.scoring import contract, score_all


@partial(jax.custom_vjp, nondiff_argnums=(4,))
def multiclass_log_loss(
    queries: jax.Array,
    entities: jax.Array,
    targets: jax.Array,
    weights: jax.Array,
    dtype: DTypeLike | None = None,
) -> jax.Array:
    """Negative log-likelihood of the target among all entities, summed over the queries.

    ``sum_q w_q (logsumexp_n <query_q, entity_n> - <query_q, entity_target>)``, the loss of Lacroix
    et al., "Canonical Tensor Decomposition for Knowledge Base Completion", ICML 2018.

    The gradients are computed together with the loss, where the scores are at hand, so that at no
    time more than one array of the scores' size is needed.

    Args:
        queries: float32[Q, d], see ``kapl_jax.bilinear.scoring``.
        entities: float32[N, d].
        targets: int32[Q], the index of the entity that answers the query.
        weights: float32[Q], 0 for padded rows.
        dtype: of the operands of the matrix products, see ``score_all``.

    Returns:
        float32 scalar.
    """
    scores = score_all(queries, entities, dtype)
    target = jnp.take_along_axis(scores, targets[:, None], axis=1)[:, 0]
    return jnp.sum(weights * (jax.nn.logsumexp(scores, axis=1) - target))


@compiled_apart
def _exp_shifted(scores: jax.Array, largest: jax.Array) -> jax.Array:
    return jnp.exp(scores - largest)


@compiled_apart
def _error(
    unnormalised: jax.Array, normaliser: jax.Array, targets: jax.Array, weights: jax.Array
) -> jax.Array:
    """The loss's gradient in the scores: weighted probabilities less the targets."""
    is_target = jnp.arange(unnormalised.shape[1])[None] == targets[:, None]
    probabilities = unnormalised * (1.0 / normaliser)
    return (probabilities - is_target.astype(probabilities.dtype)) * weights[:, None]


def _log_loss_forward(
    queries: jax.Array,
    entities: jax.Array,
    targets: jax.Array,
    weights: jax.Array,
    dtype: DTypeLike | None,
) -> tuple[jax.Array, tuple[jax.Array, jax.Array, jax.Array]]:
    scores = score_all(queries, entities, dtype)
    target = jnp.take_along_axis(scores, targets[:, None], axis=1)
    largest = jnp.max(scores, axis=1, keepdims=True)
    unnormalised = _exp_shifted(scores, largest)
    normaliser = jnp.sum(unnormalised, axis=1, keepdims=True)
    errors = _error(unnormalised, normaliser, targets, weights)
    by_row = (jnp.log(normaliser) + largest - target)[:, 0]
    for_queries = contract("qn,nd->qd", errors, entities, dtype)
    for_entities = contract("qn,qd->nd", errors, queries, dtype)
    return jnp.sum(weights * by_row), (for_queries, for_entities, by_row)


def _log_loss_backward(
    dtype: DTypeLike | None,
    saved: tuple[jax.Array, jax.Array, jax.Array],
    cotangent: jax.Array,
) -> tuple[jax.Array, jax.Array, None, jax.Array]:
    del dtype
    for_queries, for_entities, by_row = saved
    return cotangent * for_queries, cotangent * for_entities, None, cotangent * by_row


multiclass_log_loss.defvjp(_log_loss_forward, _log_loss_backward)


def sampled_softmax_loss(
    queries: jax.Array,
    target_embeddings: jax.Array,
    targets: jax.Array,
    negative_embeddings: jax.Array,
    negatives: jax.Array,
    weights: jax.Array,
    num_entities: int,
    dtype: DTypeLike | None = None,
) -> jax.Array:
    """Estimate of ``multiclass_log_loss`` from a shared sample of entities.

    The normaliser is the target's own term plus the sampled negatives' terms, scaled so that
    its expectation over uniformly drawn negatives is the full one (Bengio and Senecal 2008; Jean et
    al. 2015). Memory is O(Q M) whatever the number of entities.

    Args:
        queries: float32[Q, d].
        target_embeddings: float32[Q, d], the embeddings of the targets.
        targets: int32[Q], the indices of the targets.
        negative_embeddings: float32[M, d], the embeddings of the negatives.
        negatives: int32[M], drawn uniformly from all entities; those that hit a query's target
            are left out of that query's normaliser.
        weights: float32[Q], 0 for padded rows.
        num_entities: N, the number of entities that the negatives were drawn from.
        dtype: of the operands of the matrix products, see ``score_all``.

    Returns:
        float32 scalar.
    """
    target = jnp.sum(queries * target_embeddings, axis=-1)
    scores = score_all(queries, negative_embeddings, dtype)
    # A draw misses the target with probability (N - 1) / N, so each of the N - 1 other entities
    # appears M / N times among the draws.
    scores = scores + jnp.log(num_entities / negatives.shape[0])
    scores = jnp.where(negatives[None] == targets[:, None], -jnp.inf, scores)
    normaliser = jnp.logaddexp(target, jax.nn.logsumexp(scores, axis=1))
    return jnp.sum(weights * (normaliser - target))


def occurrences(indices: jax.Array, weights: jax.Array, num_rows: int) -> jax.Array:
    """How much each row of a table of embeddings weighs in a batch.

    A penalty on the rows of a batch, ``penalty(table[indices], weights)``, equals the penalty on
    the whole table ``penalty(table, occurrences(indices, weights, len(table)))``, whose gradient
    needs no scatter. Structures that train on the same batches share the result.

    Args:
        indices: int32[B], rows of the table.
        weights: float32[B], 0 for padded rows.
        num_rows: R, of the table.

    Returns:
        float32[R], for each row the sum of the weights where it occurs.
    """
    return jnp.zeros(num_rows, weights.dtype).at[indices].add(weights)


def l2_penalty(embeddings: jax.Array, weights: jax.Array) -> jax.Array:
    """Weighted sum of squared norms.

    Args:
        embeddings: float32[B, d], one row per triple of the batch, or a whole table.
        weights: float32[B], 0 for padded rows; for a whole table its ``occurrences``.

    Returns:
        float32 scalar, ``sum_b w_b sum_i embeddings_bi^2``.
    """
    return jnp.vdot(weights, jnp.sum(jnp.square(embeddings), axis=1))


def n3_penalty(embeddings: jax.Array, weights: jax.Array) -> jax.Array:
    """Weighted sum of cubed nuclear 3-norm factors (Lacroix et al., ICML 2018, eq. 6).

    Lacroix et al. cube the modulus of each complex coordinate. A structure says nothing about which
    blocks are real and imaginary parts of one another, so every real coordinate stands for itself,
    as in their penalty on CP.

    Args:
        embeddings: float32[B, d], one row per triple of the batch, or a whole table.
        weights: float32[B], 0 for padded rows; for a whole table its ``occurrences``.

    Returns:
        float32 scalar, ``sum_b w_b sum_i |embeddings_bi|^3``.
    """
    return jnp.vdot(weights, jnp.sum(jnp.abs(embeddings) ** 3, axis=1))
