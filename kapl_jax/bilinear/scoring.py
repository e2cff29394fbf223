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

from functools import reduce
from operator import add

import jax
import jax.numpy as jnp
import numpy as np
from jax.typing import ArrayLike, DTypeLike

from kapl_jax.bilinear.fusion import compiled_apart

_Saved = tuple[jax.Array, jax.Array, jax.Array]


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
    of_block = jnp.abs(cells) == blocks[None, None]
    return jnp.where(of_block, jnp.sign(cells), 0).astype(jnp.float32)


@compiled_apart
def _swap(blocks: jax.Array) -> jax.Array:
    """Swaps the block axis with the row axis of float[D, B, K, m] or float[D, K, B, m]."""
    return jnp.swapaxes(blocks, -3, -2)


def _to_blocks(rows: jax.Array, num_blocks: int) -> jax.Array:
    """Cuts rows float[D, B, d] into blocks float[D, K, B * m], m = d / K.

    A block of all rows lies in one piece, so that the arithmetic on blocks runs over long
    contiguous vectors whatever the size of a block.
    """
    batch = rows.shape[:-1]
    return _swap(rows.reshape(*batch, num_blocks, -1)).reshape(batch[0], num_blocks, -1)


def _to_rows(blocks: jax.Array, num_rows: int) -> jax.Array:
    """Puts blocks float[D, K, B * m] together to rows float[D, B, d]."""
    directions, num_blocks, _ = blocks.shape
    return _swap(blocks.reshape(directions, num_blocks, num_rows, -1)).reshape(
        directions, num_rows, -1
    )


def _mix(coefficients: jax.Array, blocks: jax.Array) -> jax.Array:
    """``sum_k coefficients[:, k] blocks[k]``: float[M, K] and float[K, L] to float[M, L].

    Written out as a sum, not as a product of matrices: with so few terms it fuses into the
    loop that uses it, and the sums themselves are never stored.
    """
    return reduce(add, (coefficients[:, k, None] * blocks[k][None] for k in range(blocks.shape[0])))


@compiled_apart
def _combine(signs: jax.Array, sources: jax.Array, relation: jax.Array) -> jax.Array:
    """``out_j = sum_i source_i * sum_k signs_ijk relation_k`` in every direction.

    Args:
        signs: float[D, K, K, K].
        sources: float[D, K, L].
        relation: float[K, L], shared by the directions.

    Returns:
        float[D, K, L].
    """

    def one(signs: jax.Array, source: jax.Array) -> jax.Array:
        num_blocks = source.shape[0]
        return reduce(add, (_mix(signs[i], relation) * source[i][None] for i in range(num_blocks)))

    return jax.vmap(one)(signs, sources)


@compiled_apart
def _combine_with_output(signs: jax.Array, sources: jax.Array, outputs: jax.Array) -> jax.Array:
    """``out_k = sum_dij signs_dijk source_di output_dj``: float[K, L] from two float[D, K, L]."""
    by_source = jnp.moveaxis(signs, 1, -1)
    pairs = np.ndindex(outputs.shape[:2])
    return reduce(add, (_mix(by_source[n, j], sources[n]) * outputs[n, j][None] for n, j in pairs))


@jax.custom_vjp
def _queries(signs: jax.Array, sources: jax.Array, relation: jax.Array) -> jax.Array:
    """Queries of D directions.

    Args:
        signs: float[D, K, K, K], the axes source block, output block, relation block.
        sources: float[D, B, d].
        relation: float[B, d], shared by the directions.

    Returns:
        float[D, B, d].
    """
    return _queries_forward(signs, sources, relation)[0]


def _queries_forward(
    signs: jax.Array, sources: jax.Array, relation: jax.Array
) -> tuple[jax.Array, _Saved]:
    num_blocks = signs.shape[1]
    source_blocks = _to_blocks(sources, num_blocks)
    relation_blocks = _to_blocks(relation[None], num_blocks)[0]
    queries = _combine(signs, source_blocks, relation_blocks)
    return _to_rows(queries, relation.shape[0]), (signs, source_blocks, relation_blocks)


def _queries_backward(saved: _Saved, cotangent: jax.Array) -> _Saved:
    signs, sources, relation = saved
    outputs = _to_blocks(cotangent, signs.shape[1])
    num_rows = cotangent.shape[1]
    # Nothing is computed for the first unless somebody differentiates by the signs.
    for_signs = jnp.einsum("dil,djl,kl->dijk", sources, outputs, relation)
    for_sources = _combine(jnp.swapaxes(signs, 1, 2), outputs, relation)
    for_relation = _combine_with_output(signs, sources, outputs)
    return for_signs, _to_rows(for_sources, num_rows), _to_rows(for_relation[None], num_rows)[0]


_queries.defvjp(_queries_forward, _queries_backward)


def tail_queries(signs: jax.Array, head: jax.Array, relation: jax.Array) -> jax.Array:
    """Queries (h, r, ?): ``queries @ entities.T`` are the scores of all tails.

    Args:
        signs: float[K, K, K], see ``signed_one_hot``.
        head: float[B, d] embeddings of heads, d divisible by K.
        relation: float[B, d] embeddings of relations.

    Returns:
        float[B, d].
    """
    return _queries(signs[None], head[None], relation)[0]


def head_queries(signs: jax.Array, tail: jax.Array, relation: jax.Array) -> jax.Array:
    """Queries (?, r, t): ``queries @ entities.T`` are the scores of all heads.

    Args:
        signs: float[K, K, K], see ``signed_one_hot``.
        tail: float[B, d] embeddings of tails, d divisible by K.
        relation: float[B, d] embeddings of relations.

    Returns:
        float[B, d].
    """
    return tail_queries(jnp.swapaxes(signs, 0, 1), tail, relation)


def queries_both_ways(signs: jax.Array, ends: jax.Array, relation: jax.Array) -> jax.Array:
    """Queries of both directions of the same triples, in one kernel.

    Args:
        signs: float[K, K, K], see ``signed_one_hot``.
        ends: float[2, B, d] embeddings of heads and of tails, d divisible by K.
        relation: float[B, d] embeddings of relations.

    Returns:
        float[2, B, d], the queries for tails and the queries for heads.
    """
    return _queries(jnp.stack([signs, jnp.swapaxes(signs, 0, 1)]), ends, relation)


def contract(
    subscripts: str, left: jax.Array, right: jax.Array, dtype: DTypeLike | None = None
) -> jax.Array:
    """``jnp.einsum`` of two float32 arrays, optionally in mixed precision.

    Args:
        subscripts: as for ``jnp.einsum``.
        left: float32 array.
        right: float32 array.
        dtype: that the operands are rounded to (bfloat16 for mixed precision). Left out: none.

    Returns:
        float32 array; sums are kept in float32 whatever the operands.
    """
    if dtype is not None:
        left, right = left.astype(dtype), right.astype(dtype)
    return jnp.einsum(subscripts, left, right, preferred_element_type=jnp.float32)


def score_all(queries: jax.Array, entities: jax.Array, dtype: DTypeLike | None = None) -> jax.Array:
    """Scores of every entity for every query.

    Args:
        queries: float32[Q, d].
        entities: float32[N, d].
        dtype: of the operands of the matrix product, see ``contract``.

    Returns:
        float32[Q, N].
    """
    return contract("qd,nd->qn", queries, entities, dtype)
