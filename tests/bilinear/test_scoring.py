"""Scoring against loops over the definition, and the invariances of the score."""

import jax
import jax.numpy as jnp
import jax.test_util
import numpy as np
import pytest

from kapl_jax.bilinear import scoring
from tests.bilinear.equivalence import transform

SIZES = [(3, 12), (4, 16), (5, 15)]


def _draw(num_blocks, dim, batch=6, seed=0):
    rng = np.random.default_rng(seed)
    structure = rng.integers(-num_blocks, num_blocks + 1, (num_blocks, num_blocks)).astype(np.int8)
    rows = rng.normal(size=(3, batch, dim)).astype(np.float32)
    return structure, rows


def slow_score(structure, head, relation, tail):
    """The definition, cell by cell, in float64."""
    head, relation, tail = (
        np.split(np.asarray(x, np.float64), len(structure)) for x in (head, relation, tail)
    )
    score = 0.0
    for i, row in enumerate(structure):
        for j, cell in enumerate(row):
            if cell:
                score += np.sign(cell) * np.sum(head[i] * relation[abs(cell) - 1] * tail[j])
    return score


def score_triples(signs, head, relation, tail):
    """Scores of triples by the queries of their heads and relations."""
    return jnp.sum(scoring.tail_queries(signs, head, relation) * tail, axis=-1)


def naive_queries(signs, source, relation):
    """One einsum that jax differentiates by itself."""
    blocks = len(signs)
    source, relation = (x.reshape(len(x), blocks, -1) for x in (source, relation))
    return jnp.einsum("ijk,bim,bkm->bjm", signs, source, relation).reshape(len(source), -1)


@pytest.mark.parametrize(("num_blocks", "dim"), SIZES)
def test_signed_one_hot_holds_each_cell_once(num_blocks, dim):
    structure, _ = _draw(num_blocks, dim)
    signs = np.asarray(scoring.signed_one_hot(structure))
    assert signs.dtype == np.float32
    for i, j in np.ndindex(structure.shape):
        expected = np.zeros(num_blocks)
        if structure[i, j]:
            expected[abs(structure[i, j]) - 1] = np.sign(structure[i, j])
        np.testing.assert_array_equal(signs[i, j], expected)


@pytest.mark.parametrize(("num_blocks", "dim"), SIZES)
def test_triples_score_as_defined(num_blocks, dim):
    structure, (head, relation, tail) = _draw(num_blocks, dim)
    signs = scoring.signed_one_hot(structure)
    expected = [slow_score(structure, *triple) for triple in zip(head, relation, tail, strict=True)]
    scores = score_triples(signs, head, relation, tail)
    np.testing.assert_allclose(scores, expected, rtol=1e-4, atol=1e-5)


@pytest.mark.parametrize(("num_blocks", "dim"), SIZES)
def test_queries_score_every_entity_as_defined(num_blocks, dim):
    structure, (head, relation, tail) = _draw(num_blocks, dim)
    signs = scoring.signed_one_hot(structure)
    entities = np.random.default_rng(1).normal(size=(7, dim)).astype(np.float32)
    tails = scoring.score_all(scoring.tail_queries(signs, head, relation), entities)
    heads = scoring.score_all(scoring.head_queries(signs, tail, relation), entities)
    for row in range(len(head)):
        for number, entity in enumerate(entities):
            expected = slow_score(structure, head[row], relation[row], entity)
            np.testing.assert_allclose(tails[row, number], expected, rtol=1e-3, atol=1e-4)
            expected = slow_score(structure, entity, relation[row], tail[row])
            np.testing.assert_allclose(heads[row, number], expected, rtol=1e-3, atol=1e-4)


def test_both_directions_together_equal_each_alone():
    structure, (head, relation, tail) = _draw(4, 16)
    signs = scoring.signed_one_hot(structure)
    together = scoring.queries_both_ways(signs, jnp.stack([head, tail]), relation)
    np.testing.assert_allclose(together[0], scoring.tail_queries(signs, head, relation), rtol=1e-6)
    np.testing.assert_allclose(together[1], scoring.head_queries(signs, tail, relation), rtol=1e-6)


@pytest.mark.parametrize(("num_blocks", "dim"), SIZES)
def test_gradients_equal_those_of_the_naive_formulation(num_blocks, dim):
    structure, (head, relation, tail) = _draw(num_blocks, dim)
    signs = scoring.signed_one_hot(structure)
    weights = jnp.asarray(np.random.default_rng(2).normal(size=(2, *head.shape)), jnp.float32)

    def fast(signs, head, relation, tail):
        queries = scoring.queries_both_ways(signs, jnp.stack([head, tail]), relation)
        return jnp.sum(weights * queries)

    def naive(signs, head, relation, tail):
        tails = naive_queries(signs, head, relation)
        heads = naive_queries(signs.swapaxes(0, 1), tail, relation)
        return jnp.sum(weights * jnp.stack([tails, heads]))

    arguments = (signs, head, relation, tail)
    found = jax.jit(jax.grad(fast, argnums=(0, 1, 2, 3)))(*arguments)
    expected = jax.jit(jax.grad(naive, argnums=(0, 1, 2, 3)))(*arguments)
    for one, other in zip(found, expected, strict=True):
        np.testing.assert_allclose(one, other, rtol=1e-4, atol=1e-4)


def test_gradient_equals_finite_differences():
    structure, (head, relation, _) = _draw(4, 16)
    signs = scoring.signed_one_hot(structure)

    def total(head, relation):
        return jnp.sum(jnp.sin(scoring.tail_queries(signs, head, relation)))

    jax.test_util.check_grads(
        total, (head, relation), order=1, modes=["rev"], rtol=2e-2, atol=2e-2, eps=1e-2
    )


def test_a_population_scores_as_its_members():
    drawn = [_draw(4, 16, seed=seed) for seed in range(5)]
    signs = jnp.stack([scoring.signed_one_hot(structure) for structure, _ in drawn])
    rows = jnp.stack([rows for _, rows in drawn])
    together = jax.jit(jax.vmap(lambda s, x: score_triples(s, *x)))(signs, rows)
    alone = [score_triples(s, *x) for s, x in zip(signs, rows, strict=True)]
    np.testing.assert_allclose(together, alone, rtol=1e-4, atol=1e-5)


@pytest.mark.parametrize("seed", range(5))
def test_equivalent_structures_score_alike_with_transformed_parameters(seed):
    structure, (head, relation, tail) = _draw(4, 16, seed=seed)
    rng = np.random.default_rng(seed)
    entity_order, relation_order = rng.permutation(4), rng.permutation(4)
    flips = rng.choice([-1, 1], 4)
    before = np.argsort(relation_order)
    transformed = transform(structure, entity_order, before + 1, flips[before])
    expected = score_triples(scoring.signed_one_hot(structure), head, relation, tail)
    found = score_triples(
        scoring.signed_one_hot(transformed),
        permute_blocks(head, entity_order),
        permute_blocks(relation, relation_order, flips),
        permute_blocks(tail, entity_order),
    )
    np.testing.assert_allclose(found, expected, rtol=1e-4, atol=1e-4)


def permute_blocks(rows, order, flips=None):
    """Rows whose block i is the block order[i] of the given ones, times flips[i]."""
    blocks = np.asarray(rows).reshape(len(rows), len(order), -1)[:, order]
    if flips is not None:
        blocks = blocks * flips[:, None]
    return blocks.reshape(len(rows), -1).astype(np.float32)


def test_bfloat16_rounds_only_the_operands():
    rng = np.random.default_rng(0)
    queries = rng.normal(size=(4, 64)).astype(np.float32)
    entities = rng.normal(size=(9, 64)).astype(np.float32)
    scores = scoring.score_all(queries, entities, jnp.bfloat16)
    rounded = [np.asarray(jnp.asarray(x, jnp.bfloat16), np.float64) for x in (queries, entities)]
    assert scores.dtype == jnp.float32
    np.testing.assert_allclose(scores, rounded[0] @ rounded[1].T, rtol=1e-4, atol=1e-4)
