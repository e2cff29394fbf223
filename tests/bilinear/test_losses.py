"""Losses against NumPy in float64, their gradients against jax's own of a naive formulation."""

import jax
import jax.numpy as jnp
import jax.test_util
import numpy as np
import pytest

from kapl_jax.bilinear import losses, scoring

from .equivalence import transform
from .test_scoring import permute_blocks


def _draw(num_queries=5, num_entities=11, dim=8, seed=0):
    rng = np.random.default_rng(seed)
    queries = rng.normal(size=(num_queries, dim)).astype(np.float32)
    entities = rng.normal(size=(num_entities, dim)).astype(np.float32)
    targets = rng.integers(0, num_entities, num_queries).astype(np.int32)
    weights = rng.uniform(0.5, 2.0, num_queries).astype(np.float32)
    return queries, entities, targets, weights


def slow_log_loss(queries, entities, targets, weights):
    """Query by query in float64."""
    total = 0.0
    for query, target, weight in zip(queries, targets, weights, strict=True):
        scores = entities.astype(np.float64) @ query.astype(np.float64)
        shifted = scores - scores.max()
        total += weight * (np.log(np.exp(shifted).sum()) - shifted[target])
    return total


def naive_log_loss(queries, entities, targets, weights):
    log_probabilities = jax.nn.log_softmax(queries @ entities.T)
    return -jnp.sum(weights * log_probabilities[jnp.arange(len(targets)), targets])


@pytest.mark.parametrize("scale", [1.0, 30.0])
def test_log_loss_equals_numpy(scale):
    queries, entities, targets, weights = _draw()
    arguments = (queries * scale, entities, targets, weights)
    expected = slow_log_loss(*arguments)
    np.testing.assert_allclose(losses.multiclass_log_loss(*arguments), expected, rtol=1e-5)
    value, _ = jax.jit(jax.value_and_grad(losses.multiclass_log_loss))(*arguments)
    np.testing.assert_allclose(value, expected, rtol=1e-5)


@pytest.mark.parametrize("scale", [1.0, 30.0])
def test_log_loss_gradients_equal_those_of_the_naive_formulation(scale):
    queries, entities, targets, weights = _draw()
    arguments = (queries * scale, entities, targets, weights)

    def times(function):
        return lambda *arguments: 1.7 * function(*arguments)

    found = jax.jit(jax.grad(times(losses.multiclass_log_loss), argnums=(0, 1, 3)))(*arguments)
    expected = jax.jit(jax.grad(times(naive_log_loss), argnums=(0, 1, 3)))(*arguments)
    for one, other in zip(found, expected, strict=True):
        np.testing.assert_allclose(one, other, rtol=1e-4, atol=1e-4)


def test_log_loss_gradient_equals_finite_differences():
    queries, entities, targets, weights = _draw()
    jax.test_util.check_grads(
        lambda q, e: losses.multiclass_log_loss(q, e, targets, weights),
        (queries, entities),
        order=1,
        modes=["rev"],
        rtol=2e-2,
        atol=2e-2,
        eps=1e-2,
    )


def test_log_loss_stays_finite_at_huge_scores():
    queries, entities, targets, weights = _draw()
    value, gradients = jax.value_and_grad(losses.multiclass_log_loss, argnums=(0, 1))(
        queries * 1e4, entities, targets, weights
    )
    assert np.isfinite(value)
    assert all(np.isfinite(gradient).all() for gradient in gradients)


def test_bfloat16_log_loss_is_close_and_keeps_float32_gradients():
    queries, entities, targets, weights = _draw(dim=32)
    arguments = (queries * 0.3, entities * 0.3, targets, weights)
    full, half = (
        jax.value_and_grad(losses.multiclass_log_loss, argnums=(0, 1))(*arguments, dtype)
        for dtype in (None, jnp.bfloat16)
    )
    np.testing.assert_allclose(half[0], full[0], rtol=1e-2)
    for one, other in zip(half[1], full[1], strict=True):
        assert one.dtype == jnp.float32
        np.testing.assert_allclose(one, other, atol=2e-2)


def test_padded_rows_change_nothing():
    queries, entities, targets, weights = _draw()
    padded = (
        np.concatenate([queries, queries[:2] + 1]),
        entities,
        np.concatenate([targets, [0, 3]]).astype(np.int32),
        np.concatenate([weights, np.zeros(2)]).astype(np.float32),
    )
    full = jax.jit(jax.value_and_grad(losses.multiclass_log_loss, argnums=(0, 1)))
    value, (for_queries, for_entities) = full(queries, entities, targets, weights)
    padded_value, (padded_queries, padded_entities) = full(*padded)
    np.testing.assert_allclose(padded_value, value, rtol=1e-5)
    np.testing.assert_allclose(padded_entities, for_entities, rtol=1e-5, atol=1e-6)
    np.testing.assert_allclose(padded_queries[:5], for_queries, rtol=1e-5, atol=1e-6)
    np.testing.assert_array_equal(padded_queries[5:], 0.0)
    for penalty in (losses.l2_penalty, losses.n3_penalty):
        np.testing.assert_allclose(
            penalty(padded[0], padded[3]), penalty(queries, weights), rtol=1e-5
        )


def test_a_population_loses_as_its_members():
    drawn = [_draw(seed=seed) for seed in range(4)]
    stacked = [np.stack(arrays) for arrays in zip(*drawn, strict=True)]
    gradient = jax.jit(jax.value_and_grad(losses.multiclass_log_loss, argnums=(0, 1)))
    together = jax.jit(jax.vmap(gradient))(*stacked)
    for member, arguments in enumerate(drawn):
        alone = gradient(*arguments)
        for one, other in zip(jax.tree.leaves(together), jax.tree.leaves(alone), strict=True):
            np.testing.assert_allclose(one[member], other, rtol=1e-5, atol=1e-5)


def test_equivalent_structures_have_equal_losses_and_transformed_gradients():
    rng = np.random.default_rng(3)
    structure = rng.integers(-4, 5, (4, 4)).astype(np.int8)
    entities = rng.normal(size=(9, 16)).astype(np.float32)
    relations = rng.normal(size=(3, 16)).astype(np.float32)
    triples = np.stack([rng.integers(0, n, 6) for n in (9, 3, 9)], axis=1)
    entity_order, relation_order = rng.permutation(4), rng.permutation(4)
    flips = rng.choice([-1, 1], 4)

    def loss(entities, relations, structure):
        signs = scoring.signed_one_hot(structure)
        queries = scoring.queries_both_ways(
            signs, entities[triples[:, ::2].T], relations[triples[:, 1]]
        )
        targets = jnp.concatenate([triples[:, 2], triples[:, 0]])
        return losses.multiclass_log_loss(
            queries.reshape(12, 16), entities, targets, jnp.ones(12, jnp.float32)
        )

    gradient = jax.jit(jax.value_and_grad(loss, argnums=(0, 1)))
    value, (for_entities, for_relations) = gradient(entities, relations, structure)
    before = np.argsort(relation_order)
    other, (other_entities, other_relations) = gradient(
        permute_blocks(entities, entity_order),
        permute_blocks(relations, relation_order, flips),
        transform(structure, entity_order, before + 1, flips[before]),
    )
    np.testing.assert_allclose(other, value, rtol=1e-5)
    np.testing.assert_allclose(
        other_entities, permute_blocks(for_entities, entity_order), rtol=1e-3, atol=1e-4
    )
    np.testing.assert_allclose(
        other_relations, permute_blocks(for_relations, relation_order, flips), rtol=1e-3, atol=1e-4
    )


def _sampled(queries, entities, targets, weights, negatives):
    return losses.sampled_softmax_loss(
        queries,
        entities[targets],
        targets,
        entities[negatives],
        negatives,
        weights,
        len(entities),
    )


def test_sampled_loss_with_all_entities_as_negatives_is_the_full_loss():
    queries, entities, targets, weights = _draw()
    found = jax.jit(jax.value_and_grad(_sampled, argnums=(0, 1)))(
        jnp.asarray(queries), jnp.asarray(entities), targets, weights, np.arange(11, dtype=np.int32)
    )
    expected = jax.jit(jax.value_and_grad(naive_log_loss, argnums=(0, 1)))(
        queries, entities, targets, weights
    )
    for one, other in zip(jax.tree.leaves(found), jax.tree.leaves(expected), strict=True):
        np.testing.assert_allclose(one, other, rtol=1e-4, atol=1e-5)


def test_sampled_normaliser_is_the_full_one_in_expectation():
    queries, entities, targets, _ = _draw(num_queries=1, num_entities=6)
    negatives = np.stack(np.meshgrid(*[np.arange(6)] * 3), -1).reshape(-1, 3).astype(np.int32)
    one = np.ones(1, np.float32)
    entities = jnp.asarray(entities)
    sampled = jax.vmap(lambda drawn: _sampled(queries, entities, targets, one, drawn))(negatives)
    full = slow_log_loss(queries, np.asarray(entities), targets, one)
    # exp(loss) is the normaliser over the target's term, the same in every draw.
    np.testing.assert_allclose(np.mean(np.exp(sampled)), np.exp(full), rtol=1e-4)


def test_sampled_loss_where_every_negative_is_the_target_is_zero():
    queries, entities, targets, weights = _draw(num_queries=1)
    value, gradient = jax.jit(jax.value_and_grad(_sampled))(
        queries, jnp.asarray(entities), targets, weights, np.repeat(targets, 4)
    )
    assert value == pytest.approx(0.0, abs=1e-6)
    np.testing.assert_allclose(gradient, 0.0, atol=1e-6)


def test_penalties_sum_powers_of_coordinates():
    rows = np.array([[1.0, -2.0], [3.0, 0.0], [9.0, 9.0]], np.float32)
    weights = np.array([1.0, 0.5, 0.0], np.float32)
    assert losses.l2_penalty(rows, weights) == pytest.approx(1 + 4 + 0.5 * 9)
    assert losses.n3_penalty(rows, weights) == pytest.approx(1 + 8 + 0.5 * 27)
    gradient = jax.grad(losses.n3_penalty)(rows, weights)
    np.testing.assert_allclose(gradient, [[3.0, -12.0], [13.5, 0.0], [0.0, 0.0]])


@pytest.mark.parametrize("penalty", [losses.l2_penalty, losses.n3_penalty])
def test_penalty_on_the_table_equals_that_on_the_rows_of_the_batch(penalty):
    rng = np.random.default_rng(0)
    table = rng.normal(size=(4, 8)).astype(np.float32)
    indices = np.array([0, 3, 3, 1, 0], np.int32)
    weights = np.array([1.0, 1.0, 0.5, 0.0, 2.0], np.float32)

    def by_rows(table):
        return penalty(table[indices], weights)

    def by_table(table):
        return penalty(table, losses.occurrences(indices, weights, len(table)))

    for one, other in zip(
        jax.value_and_grad(by_table)(jnp.asarray(table)),
        jax.value_and_grad(by_rows)(jnp.asarray(table)),
        strict=True,
    ):
        np.testing.assert_allclose(one, other, rtol=1e-5)
