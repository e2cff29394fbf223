"""How a reasoning model trains: against the slow model, alone and in company, dense and not."""

from __future__ import annotations

import dataclasses
import functools

import jax
import jax.numpy as jnp
import numpy as np
import optax
import pytest

from kapl_jax.evaluation.ranking import mean_rank_metrics
from kapl_jax.methods.red_gnn.tasks import split_pool
from kapl_jax.relational.choices import choices
from kapl_jax.relational.dense import dense_graph
from kapl_jax.relational.layer import keep_all
from kapl_jax.relational.regimes import DenseRegime
from kapl_jax.relational.searched_layer import searched_layer
from kapl_jax.search.individual import Individual
from tests.evaluation.slow import assert_metrics_within
from tests.methods.red_gnn.tiny import (
    BATCH,
    ENTITIES,
    HYPERPARAMETERS,
    OPTIONS,
    RELATIONS,
    individuals,
    made_of,
    metrics_of_ranks,
    slow_rank_bounds,
    slow_scores,
    tiny_data,
    tiny_tasks,
    trainer,
)
from tests.relational.slow import slow_loss

pytestmark = pytest.mark.usefixtures("compiled_plainly")
EPOCHS = 3
FRONTIER = dataclasses.replace(OPTIONS, regime="frontier")
CHOOSING = dataclasses.replace(OPTIONS, top_k=2, most_edges=64)
TOLERANCE = {"rtol": 1e-4, "atol": 1e-5}


def train(members, epochs=EPOCHS, options=OPTIONS, interrupted_at=0):
    """Return the parameters before, the losses of the last epoch, parameters and ranks after."""
    one = trainer(options)
    chunk = one.start(members, len(members))
    before = parameters_of(one, chunk)
    if interrupted_at:
        one.train(chunk, interrupted_at)
        chunk = one.place(members, len(members), one.fetch(chunk), chunk.epoch)
    one.train(chunk, epochs - chunk.epoch)
    ranks = {
        split: one.problem.ranks(split, one.evaluate(chunk, split)) for split in ("valid", "test")
    }
    return before, one.fetch(chunk).losses, parameters_of(one, chunk), ranks


def parameters_of(one, chunk):
    return one.fetch(chunk).state.variables["params"]


@functools.cache
def four(options=OPTIONS):
    return train(individuals(4), options=options)


def standing_still(candidate):
    return Individual(candidate, {**HYPERPARAMETERS, "learning_rate": 0.0}, 0)


def test_the_loss_of_an_epoch_is_the_mean_of_the_slow_losses_of_its_queries():
    members = [standing_still(one.candidate) for one in individuals(4)]
    before, losses, _, _ = train(members, epochs=1)
    graph, queries = split_pool(tiny_tasks(), OPTIONS.fact_share, OPTIONS.data_seed, 0)
    assert len(queries) % BATCH  # the last batch is filled up, which counts nothing
    edges = np.stack([graph.sources, graph.relations, graph.targets], axis=1)
    triples = edges[graph.relations < RELATIONS]
    for index, one in enumerate(members):
        parameters = jax.tree.map(lambda leaf, index=index: leaf[index], before)
        scores = slow_scores(
            parameters, made_of(one.candidate), triples, ENTITIES, queries[:, 0], queries[:, 1]
        )
        expected = np.mean([slow_loss(*pair) for pair in zip(scores, queries[:, 2], strict=True)])
        np.testing.assert_allclose(losses[index], expected, **TOLERANCE)


@pytest.mark.parametrize("split", ["valid", "test"])
def test_ranks_are_the_slow_ones_in_the_order_of_the_triples(split):
    _, _, parameters, ranks = four()
    for index, one in enumerate(individuals(4)):
        lowest, highest = np.moveaxis(slow_bounds(one, index, parameters, split), -1, 0)
        assert ranks[split][index].shape == lowest.shape == (2, 6)
        assert ((lowest <= ranks[split][index]) & (ranks[split][index] <= highest)).all()


@pytest.mark.parametrize("split", ["valid", "test"])
def test_metrics_are_those_of_the_slow_ranks(split):
    assert_metrics_of_slow_ranks(four(), split)


def assert_metrics_of_slow_ranks(trained, split="valid"):
    _, _, parameters, ranks = trained
    metrics = mean_rank_metrics(ranks[split])
    for index, one in enumerate(individuals(4)):
        bounds = slow_bounds(one, index, parameters, split).reshape(-1, 2)
        found = {name: values[index] for name, values in metrics.items()}
        assert_metrics_within(found, metrics_of_ranks, bounds)


def slow_bounds(one, index, parameters, split):
    tables = jax.tree.map(lambda leaf: leaf[index], parameters)
    return slow_rank_bounds(tiny_data().graph, split, tables, made_of(one.candidate))


@pytest.mark.parametrize("options", [OPTIONS, CHOOSING], ids=["all", "chosen"])
def test_the_loss_falls(options):
    hyperparameters = {**HYPERPARAMETERS, "learning_rate": 0.03, "decay": 1.0, "weight_decay": 0.0}
    members = [dataclasses.replace(one, hyperparameters=hyperparameters) for one in individuals(4)]
    _, first, _, _ = train(members, epochs=1, options=options)
    _, later, _, _ = train(members, epochs=25, options=options)
    assert (later < first - 0.1).all()


def test_steps_are_those_of_adam_with_weight_decay_added_to_the_gradient():
    one, regime = individuals(1)[0], DenseRegime()
    before, _, after, _ = train([one], epochs=2)
    parameters = jax.tree.map(lambda leaf: leaf[0], before)
    hyperparameters = one.hyperparameters
    optimizer = optax.chain(
        optax.add_decayed_weights(hyperparameters["weight_decay"]), optax.scale_by_adam()
    )
    state = optimizer.init(parameters)

    @jax.jit
    def gradient(parameters, graph, queries, weights):
        def loss(parameters):
            step, key = (queries[:, 0], queries[:, 1]), jax.random.key(0)
            layer = searched_layer(OPTIONS.offered, choices(one.candidate))
            losses = regime.losses(layer, parameters, graph, step, queries[:, 2], keep_all, key)
            return jnp.sum(losses * weights)

        return jax.grad(loss)(parameters)

    for epoch in range(2):
        graph, queries = split_pool(tiny_tasks(), OPTIONS.fact_share, OPTIONS.data_seed, epoch)
        rate = hyperparameters["learning_rate"] * hyperparameters["decay"] ** epoch
        for start in range(0, len(queries), BATCH):
            indices = np.arange(start, start + BATCH)
            batch = queries[indices % len(queries)]
            weights = (indices < len(queries)).astype(np.float32)
            found = gradient(parameters, dense_graph(graph), batch, weights)
            # Optax raises floats to the power of counts.
            with jax.numpy_dtype_promotion("standard"):
                direction, state = optimizer.update(found, state, parameters)
            parameters = jax.tree.map(lambda p, d, rate=rate: p - rate * d, parameters, direction)
    for name, table in parameters.items():
        np.testing.assert_allclose(after[name][0], table, rtol=1e-3, atol=1e-4, err_msg=name)


@pytest.mark.parametrize("options", [OPTIONS, CHOOSING], ids=["all", "chosen"])
@pytest.mark.parametrize("index", [0, 3])
def test_a_candidate_alone_becomes_what_it_becomes_among_four(index, options):
    alone = train([individuals(4)[index]], options=options)
    for one, other in zip(jax.tree.leaves(alone), jax.tree.leaves(four(options)), strict=True):
        # Adam divides by the size of gradients, which makes more of rounding errors.
        np.testing.assert_allclose(one[0], other[index], rtol=1e-3, atol=1e-4)


def test_candidates_differ():
    """Else the test above would prove nothing."""
    before, _, after, _ = four()
    for tables in (before, after):
        scores = tables["score"]
        assert min(np.abs(scores[i] - scores[j]).max() for i in range(4) for j in range(i)) > 1e-2


def test_streamed_again_and_after_a_resume_it_is_the_very_same():
    for again in (train(individuals(4)), train(individuals(4), interrupted_at=1)):
        jax.tree.map(np.testing.assert_array_equal, again, four())


def test_choosing_nodes_resumes_to_the_very_same_and_differs_from_keeping_all():
    chosen = four(CHOOSING)
    again = train(individuals(4), options=CHOOSING, interrupted_at=1)
    jax.tree.map(np.testing.assert_array_equal, again, chosen)
    assert np.abs(chosen[2]["sampling"] - chosen[0]["sampling"]).max() > 1e-3
    assert np.abs(chosen[1] - four()[1]).max() > 1e-3


def test_regimes_train_alike():
    dense, frontier = four(), train(individuals(4), options=FRONTIER)
    for name, table in dense[2].items():
        np.testing.assert_allclose(frontier[2][name], table, rtol=1e-2, atol=1e-3, err_msg=name)
    np.testing.assert_allclose(frontier[1], dense[1], rtol=1e-3)


def test_regimes_give_the_same_first_loss_and_ranks():
    members = [standing_still(one.candidate) for one in individuals(4)]
    dense, frontier = train(members, 1), train(members, 1, options=FRONTIER)
    jax.tree.map(np.testing.assert_array_equal, dense[0], frontier[0])
    np.testing.assert_allclose(frontier[1], dense[1], **TOLERANCE)
    for trained in (dense, frontier):
        assert_metrics_of_slow_ranks(trained)


def test_blocks_of_an_epoch_ask_each_query_once():
    problem = trainer(FRONTIER).problem
    tasks = tiny_tasks()
    for epoch in (0, 1):
        blocks = list(problem.blocks("train", epoch))
        _, queries = split_pool(tasks, OPTIONS.fact_share, OPTIONS.data_seed, epoch)
        weights = np.concatenate([block.weights for block in blocks]).ravel()
        tails = np.concatenate([block.tails for block in blocks]).ravel()
        assert weights.sum() == len(queries)
        np.testing.assert_array_equal(tails[weights > 0], queries[:, 2])
        numbers = np.concatenate([block.numbers for block in blocks])
        assert numbers.tolist() == list(range(len(weights) // BATCH))
        assert all(block.share == np.float32(1 / len(queries)) for block in blocks)
