"""The PyTorch programs do the same mathematics as ours."""

import jax
import jax.numpy as jnp
import numpy as np
import pytest

from kapl_jax.bilinear import losses, scoring

pytest.importorskip("torch")

from experiments.pytorch_baselines import bilinear as opponent

pytestmark = pytest.mark.usefixtures("compiled_plainly")


@pytest.fixture
def work():
    rng = np.random.default_rng(0)
    population, entities, relations, dim, triples = 4, 9, 3, 8, 21
    return opponent.BilinearWork(
        triples=np.stack([rng.integers(0, n, triples) for n in (entities, relations, entities)], 1),
        structures=rng.integers(-4, 5, (population, 4, 4)).astype(np.int8),
        entities=rng.normal(size=(population, entities, dim)).astype(np.float32),
        relations=rng.normal(size=(population, relations, dim)).astype(np.float32),
        orders=np.stack([rng.permutation(triples) for _ in range(3)]),
        batch_size=8,
        learning_rate=0.1,
        regularisation=0.01,
    )


def _train_with_our_kernels(work):
    """The losses [epochs, P] of the same training, one step after the other in jax."""

    def loss(parameters, signs, triples):
        entities, relations = parameters
        relation = relations[triples[:, 1]]
        queries = scoring.queries_both_ways(signs, entities[triples[:, ::2].T], relation)
        targets = jnp.concatenate([triples[:, 2], triples[:, 0]])
        weights = jnp.ones(len(triples), jnp.float32)
        value = losses.multiclass_log_loss(
            queries.reshape(len(targets), -1), entities, targets, jnp.tile(weights, 2)
        )
        return value + work.regularisation * losses.l2_penalty(relation, weights)

    @jax.jit
    @jax.vmap
    def signs_of(structure):
        return scoring.signed_one_hot(structure)

    gradient = jax.jit(jax.vmap(jax.value_and_grad(loss), in_axes=(0, 0, None)))
    signs = signs_of(work.structures)
    parameters = (work.entities, work.relations)
    sums = tuple(np.zeros_like(table) for table in parameters)
    totals = []
    for order in work.orders:
        total = 0.0
        for first in range(0, len(order), work.batch_size):
            batch = work.triples[order[first : first + work.batch_size]]
            value, gradients = gradient(parameters, signs, batch)
            total += np.asarray(value, np.float64)
            sums = tuple(s + np.square(g) for s, g in zip(sums, gradients, strict=True))
            entities, relations = (
                np.asarray(p - work.learning_rate * g / (np.sqrt(s) + 1e-10))
                for p, g, s in zip(parameters, gradients, sums, strict=True)
            )
            norms = np.linalg.norm(entities, axis=-1, keepdims=True)
            parameters = (entities / np.maximum(norms, 1.0), relations)
        totals.append(total)
    return np.stack(totals)


def test_one_by_one_reaches_the_losses_of_our_kernels(work):
    found = opponent.train_one_by_one(work)
    np.testing.assert_allclose(found.losses, _train_with_our_kernels(work), rtol=1e-3)
    assert found.seconds > 0


@pytest.mark.parametrize("gradients", [opponent.gradients_by_hand, opponent.gradients_by_vmap])
def test_batched_reaches_the_losses_of_one_by_one(work, gradients):
    expected = opponent.train_one_by_one(work).losses
    trainer = opponent.BatchedTrainer(work, chunk_size=2, gradients=gradients, compiled=False)
    np.testing.assert_allclose(trainer.train().losses, expected, rtol=1e-3)
    # It starts over each time.
    np.testing.assert_allclose(trainer.train().losses, expected, rtol=1e-3)


def test_the_published_broadcast_multiplies_the_loss_by_the_batch(work):
    import torch

    rng = np.random.default_rng(1)
    target = torch.tensor(rng.normal(size=6))
    scores = [torch.tensor(rng.normal(size=(6, 9))) for _ in range(2)]
    plain = opponent.log_loss(target, *scores)
    spread = opponent.log_loss_with_broadcast(target, *scores)
    assert float(spread) == pytest.approx(6 * float(plain))
