"""Bilinear scoring of triples and queries by a structure that is data.

A structure ``A`` in ``{-K..K}^(K x K)`` scores a triple by

    f(h, r, t) = sum_ij sign(A_ij) <h_i, r_|A_ij|, t_j>

(Zhang et al., "Bilinear Scoring Function Search for Knowledge Graph Learning", TPAMI 2022, eq. 4)
with ``h_i`` the i-th of K equal consecutive slices of the head's embedding. Fixing two of the three
arguments leaves a linear form in the third, whose coefficients are called the *query* here: the
scores of all entities are one matrix product of the queries with the entity embeddings.

All functions are written for one structure; ``jax.vmap`` over ``signs`` and the embeddings gives a
population.
"""

import jax
import jax.numpy as jnp
from jax.typing import ArrayLike, DTypeLike


def signed_one_hot(structure: ArrayLike) -> jax.Array:
    """Turns a structure into the tensor that the scoring functions contract with.

    Args:
        structure: int[K, K] with entries in -K..K.

    Returns:
        float32[K, K, K] whose entry i, j, k is the sign of ``structure[i, j]`` where its absolute
        value is k + 1, and 0 elsewhere.
    """
    cells = jnp.asarray(structure)[..., None]
    blocks = jnp.arange(1, cells.shape[-2] + 1, dtype=cells.dtype)
    return jnp.where(jnp.abs(cells) == blocks, jnp.sign(cells), 0).astype(jnp.float32)


def _split(rows: jax.Array, num_blocks: int) -> jax.Array:
    """Cuts rows float[B, d] into blocks float[B, K, d / K]."""
    return rows.reshape(rows.shape[0], num_blocks, -1)


def _mix_relation(signs: jax.Array, relation: jax.Array) -> jax.Array:
    """The signed relation block in every cell of the structure: float[B, K, K, d / K]."""
    return jnp.einsum("ijk,bkm->bijm", signs, _split(relation, signs.shape[0]))


def tail_queries(signs: jax.Array, head: jax.Array, relation: jax.Array) -> jax.Array:
    """Queries (h, r, ?): ``queries @ entities.T`` are the scores of all tails.

    Args:
        signs: float[K, K, K], see ``signed_one_hot``.
        head: float[B, d] embeddings of heads, d divisible by K.
        relation: float[B, d] embeddings of relations.

    Returns:
        float[B, d].
    """
    mixed = _mix_relation(signs, relation)
    return jnp.einsum("bijm,bim->bjm", mixed, _split(head, signs.shape[0])).reshape(head.shape)


def head_queries(signs: jax.Array, tail: jax.Array, relation: jax.Array) -> jax.Array:
    """Queries (?, r, t): ``queries @ entities.T`` are the scores of all heads.

    Args:
        signs: float[K, K, K], see ``signed_one_hot``.
        tail: float[B, d] embeddings of tails, d divisible by K.
        relation: float[B, d] embeddings of relations.

    Returns:
        float[B, d].
    """
    mixed = _mix_relation(signs, relation)
    return jnp.einsum("bijm,bjm->bim", mixed, _split(tail, signs.shape[0])).reshape(tail.shape)


def both_queries(
    signs: jax.Array, head: jax.Array, relation: jax.Array, tail: jax.Array
) -> tuple[jax.Array, jax.Array]:
    """Queries of both directions of the same triples, sharing the work on the relations.

    Args:
        signs: float[K, K, K], see ``signed_one_hot``.
        head: float[B, d] embeddings of heads, d divisible by K.
        relation: float[B, d] embeddings of relations.
        tail: float[B, d] embeddings of tails.

    Returns:
        The queries for tails and the queries for heads, float[B, d] each.
    """
    mixed = _mix_relation(signs, relation)
    num_blocks = signs.shape[0]
    for_tails = jnp.einsum("bijm,bim->bjm", mixed, _split(head, num_blocks))
    for_heads = jnp.einsum("bijm,bjm->bim", mixed, _split(tail, num_blocks))
    return for_tails.reshape(head.shape), for_heads.reshape(tail.shape)


def score_all(queries: jax.Array, entities: jax.Array, dtype: DTypeLike | None = None) -> jax.Array:
    """Scores of every entity for every query.

    Args:
        queries: float[Q, d].
        entities: float[N, d].
        dtype: of the operands of the matrix product (bfloat16 for mixed precision); sums are
            always kept in float32. Left out: that of the operands.

    Returns:
        float32[Q, N].
    """
    if dtype is not None:
        queries, entities = queries.astype(dtype), entities.astype(dtype)
    return jnp.einsum("qd,nd->qn", queries, entities, preferred_element_type=jnp.float32)


def score_triples(
    signs: jax.Array, head: jax.Array, relation: jax.Array, tail: jax.Array
) -> jax.Array:
    """Scores of single triples.

    Args:
        signs: float[K, K, K], see ``signed_one_hot``.
        head: float[B, d] embeddings of heads, d divisible by K.
        relation: float[B, d] embeddings of relations.
        tail: float[B, d] embeddings of tails.

    Returns:
        float[B].
    """
    return jnp.sum(tail_queries(signs, head, relation) * tail, axis=-1)
