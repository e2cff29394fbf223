"""How a reasoning model trains: against the slow model, alone and in company, dense and not."""

from __future__ import annotations

import dataclasses
import functools

import jax
import jax.numpy as jnp
import numpy as np
import optax
import pytest

from kapl_jax.methods.red_gnn.problem import mean_metrics
from kapl_jax.methods.red_gnn.tasks import split_pool
from kapl_jax.relational.choices import choices
from kapl_jax.relational.dense import dense_graph
from kapl_jax.relational.layer import keep_all
from kapl_jax.relational.regimes import DenseRegime
from kapl_jax.relational.searched_layer import searched_layer
from kapl_jax.search.individual import Individual
from tests.evaluation.slow import assert_metrics_within, rank_bounds
from tests.methods.red_gnn.tiny import (
    BATCH,
    ENTITIES,
    NUMBERS,
    OPTIONS,
    RELATIONS,
    individuals,
    made_of,
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
    """Return the parameters before, the losses of the last epoch, states and metrics after."""
    one = trainer(options)
    chunk = one.start(members, len(members))
    before = one.fetch(chunk).parameters
    if interrupted_at:
        one.train(chunk, interrupted_at)
        chunk = one.resume(members, len(members), one.fetch(chunk), chunk.epoch)
    losses = one.train(chunk, epochs - chunk.epoch)
    return before, losses, one.fetch(chunk), one.evaluate(chunk)


@functools.cache
def four(options=OPTIONS):
    return train(individuals(4), options=options)


def standing_still(candidate):
    return Individual(candidate, {**NUMBERS, "learning_rate": 0.0}, 0)


def test_the_loss_of_an_epoch_is_the_mean_of_the_slow_losses_of_its_queries():
    members = [standing_still(one.candidate) for one in individuals(4)]
    before, losses, _, _ = train(members, epochs=1)
    graph, queries = split_pool(tiny_tasks(), OPTIONS.fact_share, OPTIONS.data_seed, 0)
    assert len(queries) % BATCH  # the last batch is filled up, which counts nothing
    edges = np.stack([graph.sources, graph.relations, graph.targets], axis=1)
    triples = edges[graph.relations < RELATIONS]
    for place, one in enumerate(members):
        parameters = jax.tree.map(lambda leaf, place=place: leaf[place], before)
        scores = slow_scores(
            parameters, made_of(one.candidate), triples, ENTITIES, queries[:, 0], queries[:, 1]
        )
        expected = np.mean([slow_loss(*pair) for pair in zip(scores, queries[:, 2], strict=True)])
        np.testing.assert_allclose(losses[place], expected, **TOLERANCE)


def test_metrics_are_those_of_the_slow_ranks():
    _, _, states, metrics = four()
    assert_metrics_of_slow_ranks(metrics, states.parameters)


def assert_metrics_of_slow_ranks(metrics, parameters):
    for place, one in enumerate(individuals(4)):
        tables = jax.tree.map(lambda leaf, place=place: leaf[place], parameters)
        bounds = slow_rank_bounds(one.candidate, tables)
        found = {name: values[place] for name, values in metrics.items()}
        assert_metrics_within(found, metrics_of_ranks, bounds)


def metrics_of_ranks(ranks):
    return {name: value for name, (value,) in mean_metrics(ranks[None]).items()}


def slow_rank_bounds(candidate, parameters):
    """The bounds of the ranks of all validation triples, for their tails, then for their heads."""
    graph, bounds = tiny_data().graph, []
    known = np.concatenate([graph.training_triples, graph.valid, graph.test])
    for way, back in ((0, 2), (2, 0)):
        asked = slow_scores(
            parameters,
            made_of(candidate),
            graph.training_triples,
            ENTITIES,
            graph.valid[:, way],
            graph.valid[:, 1] + RELATIONS * (way == 2),
        )
        for scores, triple in zip(asked, graph.valid, strict=True):
            same = (known[:, 1] == triple[1]) & (known[:, way] == triple[way])
            bounds.append(rank_bounds(scores, triple[back], set(known[same, back].tolist())))
    return bounds


@pytest.mark.parametrize("options", [OPTIONS, CHOOSING], ids=["all", "chosen"])
def test_the_loss_falls(options):
    numbers = {**NUMBERS, "learning_rate": 0.03, "decay": 1.0, "weight_decay": 0.0}
    members = [dataclasses.replace(one, hyperparameters=numbers) for one in individuals(4)]
    _, first, _, _ = train(members, epochs=1, options=options)
    _, later, _, _ = train(members, epochs=60, options=options)
    assert (later < first - 0.1).all()


def test_steps_are_those_of_adam_with_weight_decay_added_to_the_gradient():
    one, regime = individuals(1)[0], DenseRegime()
    before, _, states, _ = train([one], epochs=2)
    parameters = jax.tree.map(lambda leaf: leaf[0], before)
    numbers = one.hyperparameters
    optimizer = optax.chain(
        optax.add_decayed_weights(numbers["weight_decay"]), optax.scale_by_adam()
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
        rate = numbers["learning_rate"] * numbers["decay"] ** epoch
        for start in range(0, len(queries), BATCH):
            places = np.arange(start, start + BATCH)
            batch = queries[places % len(queries)]
            found = gradient(parameters, dense_graph(graph), batch, places < len(queries))
            direction, state = optimizer.update(found, state, parameters)
            parameters = jax.tree.map(lambda p, d, rate=rate: p - rate * d, parameters, direction)
    for name, table in parameters.items():
        trained = states.parameters[name][0]
        np.testing.assert_allclose(trained, table, rtol=1e-3, atol=1e-4, err_msg=name)


@pytest.mark.parametrize("options", [OPTIONS, CHOOSING], ids=["all", "chosen"])
@pytest.mark.parametrize("place", [0, 3])
def test_a_candidate_alone_becomes_what_it_becomes_among_four(place, options):
    alone = train([individuals(4)[place]], options=options)
    for one, other in zip(jax.tree.leaves(alone), jax.tree.leaves(four(options)), strict=True):
        # Adam divides by the size of gradients, which makes more of rounding errors.
        np.testing.assert_allclose(one[0], other[place], rtol=1e-3, atol=1e-4)


def test_candidates_differ():
    """Else the test above would prove nothing."""
    before, _, states, _ = four()
    for tables in (before, states.parameters):
        scores = tables["score"]
        assert min(np.abs(scores[i] - scores[j]).max() for i in range(4) for j in range(i)) > 1e-2


def test_streamed_again_and_after_a_resume_it_is_the_very_same():
    for again in (train(individuals(4)), train(individuals(4), interrupted_at=1)):
        jax.tree.map(np.testing.assert_array_equal, again, four())


def test_choosing_nodes_resumes_to_the_very_same_and_differs_from_keeping_all():
    chosen = four(CHOOSING)
    again = train(individuals(4), options=CHOOSING, interrupted_at=1)
    jax.tree.map(np.testing.assert_array_equal, again, chosen)
    assert np.abs(chosen[2].parameters["sampling"] - chosen[0]["sampling"]).max() > 1e-3
    assert np.abs(chosen[1] - four()[1]).max() > 1e-3


def test_regimes_train_alike():
    dense, frontier = four(), train(individuals(4), options=FRONTIER)
    for name, table in dense[2].parameters.items():
        np.testing.assert_allclose(
            frontier[2].parameters[name], table, rtol=1e-2, atol=1e-3, err_msg=name
        )
    np.testing.assert_allclose(frontier[1], dense[1], rtol=1e-3)


def test_regimes_give_the_same_first_loss_and_ranks():
    members = [standing_still(one.candidate) for one in individuals(4)]
    dense, frontier = train(members, 1), train(members, 1, options=FRONTIER)
    jax.tree.map(np.testing.assert_array_equal, dense[0], frontier[0])
    np.testing.assert_allclose(frontier[1], dense[1], **TOLERANCE)
    for _, _, states, metrics in (dense, frontier):
        assert_metrics_of_slow_ranks(metrics, states.parameters)


def test_blocks_of_an_epoch_ask_each_query_once():
    problem = trainer(FRONTIER).problem
    tasks = tiny_tasks()
    for epoch in (0, 1):
        blocks = list(problem.training_blocks(epoch))
        _, queries = split_pool(tasks, OPTIONS.fact_share, OPTIONS.data_seed, epoch)
        weights = np.concatenate([block.weights for block in blocks]).ravel()
        tails = np.concatenate([block.tails for block in blocks]).ravel()
        assert weights.sum() == len(queries)
        np.testing.assert_array_equal(tails[weights > 0], queries[:, 2])
        numbers = np.concatenate([block.numbers for block in blocks])
        assert numbers.tolist() == list(range(len(weights) // BATCH))
        assert all(block.share == np.float32(1 / len(queries)) for block in blocks)
