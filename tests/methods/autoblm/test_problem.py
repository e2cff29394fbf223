from __future__ import annotations

import dataclasses
import functools

import jax
import jax.numpy as jnp
import numpy as np
import pytest

from kapl_jax.bilinear.scoring import signed_one_hot
from kapl_jax.methods.autoblm import problem as module
from kapl_jax.methods.autoblm.method import flops_per_query
from kapl_jax.methods.autoblm.problem import AutoBLMProblem, TrainingOptions
from kapl_jax.search.individual import epoch_keys
from kapl_jax.search.problem import TrainingState
from kapl_jax.search.shared_weights import Supernet
from tests.bilinear.equivalence import transform
from tests.evaluation.slow import assert_metrics_within
from tests.methods.autoblm.tiny import (
    ENTITIES,
    HYPERPARAMETERS,
    OPTIONS,
    RELATIONS,
    STRUCTURE,
    problem,
    slow_epoch,
    slow_gradient,
    slow_loss,
    slow_metrics,
    slow_rank_bounds,
    tiny_graph,
)

pytestmark = pytest.mark.usefixtures("compiled_plainly")
KEYS = epoch_keys(np.uint32(3), np.uint32(7), np.int32(2))
EPOCH = np.int32(2)
# 40 triples in batches of 15: three steps, the last one with padding.
THREE_STEPS = dataclasses.replace(OPTIONS, batch_size=15)
VARIANTS = [
    THREE_STEPS,
    dataclasses.replace(THREE_STEPS, regulariser="l2", unit_ball=True, optimizer="adam"),
    dataclasses.replace(THREE_STEPS, reciprocal=True, penalised="relation"),
]


def hyperparameters(**changes):
    return {name: np.float32(value) for name, value in {**HYPERPARAMETERS, **changes}.items()}


def start(options=OPTIONS, seed=0, scale=1.0) -> TrainingState:
    """Return a state with parameters large enough that every term of the loss counts."""
    state = init_program(options)(jax.random.key(seed), STRUCTURE, hyperparameters())
    state = jax.tree.map(np.asarray, state)
    scaled = {name: np.float32(scale) * table for name, table in params_of(state).items()}
    return with_params(state, scaled)


def params_of(state: TrainingState) -> dict[str, np.ndarray]:
    return state.variables["params"]


def with_params(state: TrainingState, params: dict[str, np.ndarray]) -> TrainingState:
    return state.replace(variables={"params": params})


@functools.cache
def init_program(options=OPTIONS):
    return jax.jit(problem(options).init)


@functools.cache
def epoch_program(options=OPTIONS):
    one = problem(options)
    data = one.data["train"]

    def train(state, structure, hyperparameters):
        def candidate_of_step(key):
            return structure

        return one.train_block(state, candidate_of_step, hyperparameters, EPOCH, KEYS, data, ())

    return jax.jit(train)


def train_shared(state, pool):
    """Train for an epoch, each step with a structure drawn from a pool."""
    supernet = Supernet(problem(), pool)
    data = supernet.data["train"]

    def train(state, hyperparameters):
        return supernet.train_block(state, None, hyperparameters, EPOCH, KEYS, data, ())

    return jax.jit(train)(state, hyperparameters())


@functools.cache
def loss_program(options=OPTIONS):
    return jax.jit(jax.value_and_grad(_loss_of_structure(problem(options))))


def _loss_of_structure(one):
    return lambda parameters, structure, *more: one._loss(
        parameters, signed_one_hot(structure), *more
    )


@functools.cache
def evaluate_program(one):
    return jax.jit(one.evaluate_block)


def evaluate(one, state, split="valid"):
    """Return the metrics of one structure."""
    ranks = evaluate_program(one)(state.variables, STRUCTURE, one.data[split], ())
    metrics = one.metrics(split, [np.asarray(ranks)[None]])
    assert all(values.shape == (1,) for values in metrics.values())
    return {name: values[0] for name, values in metrics.items()}


def batch(size=10):
    weight = (np.arange(size) < size - 3).astype(np.float32)
    return tiny_graph().train[:size], weight


def value_and_gradient(options, state, structure=STRUCTURE, key=KEYS.own, **changes):
    return loss_program(options)(
        params_of(state), structure, hyperparameters(**changes), *batch(), key
    )


def assert_close(found, expected, **tolerance):
    assert found.keys() == expected.keys()
    for name in found:
        np.testing.assert_allclose(found[name], expected[name], err_msg=name, **tolerance)


@pytest.mark.parametrize("options", VARIANTS)
def test_an_epoch_equals_the_slow_one(options):
    state = start(options, scale=2.0)
    trained, loss = epoch_program(options)(state, STRUCTURE, hyperparameters())
    batches, weights = map(
        np.asarray, module._shuffled(problem(options).data["train"], KEYS.order, 15)
    )
    assert weights.shape == (3, 15)
    assert weights.sum() == 40
    expected, expected_loss = slow_epoch(
        STRUCTURE, params_of(state), batches, weights, options, HYPERPARAMETERS, int(EPOCH)
    )
    np.testing.assert_allclose(loss, expected_loss, rtol=1e-5)
    # Both optimizers divide by the gradient's size: its rounding errors, about 1e-6 in single
    # precision, weigh more where a coordinate's gradient is small.
    assert_close(params_of(trained), expected, atol=1e-3)
    moved = np.abs(params_of(trained)["entity"] - params_of(state)["entity"])
    assert moved.mean() > 0.05


def test_gradient_equals_finite_differences():
    state = start(scale=2.0)
    triples, weight = batch()
    parameters = {name: np.array(table, np.float64) for name, table in params_of(state).items()}

    def loss(at):
        return slow_loss(STRUCTURE, at, triples, weight, OPTIONS, 0.5)

    value, gradient = value_and_gradient(OPTIONS, state, regularisation=0.5)
    np.testing.assert_allclose(value, loss(parameters), rtol=1e-5)
    assert_close(gradient, slow_gradient(loss, parameters), rtol=1e-4, atol=1e-5)


def test_padded_rows_change_nothing():
    state = start()
    triples, weight = batch()
    other = np.where(weight[:, None] > 0, triples, 0)
    found, expected = (
        loss_program()(params_of(state), STRUCTURE, hyperparameters(), rows, weight, KEYS.own)
        for rows in (triples, other)
    )
    assert not np.array_equal(triples, other)
    np.testing.assert_allclose(found[0], expected[0], rtol=1e-5)
    assert_close(found[1], expected[1], rtol=1e-5, atol=1e-6)


def test_all_entities_as_negatives_give_the_full_softmax(monkeypatch):
    sampled = dataclasses.replace(OPTIONS, negatives=ENTITIES)
    state = start(scale=2.0)
    expected = value_and_gradient(OPTIONS, state)
    monkeypatch.setattr(jax.random, "randint", lambda key, shape, low, high: jnp.arange(high))
    loss = jax.jit(jax.value_and_grad(_loss_of_structure(problem(sampled))))
    found = loss(params_of(state), STRUCTURE, hyperparameters(), *batch(), KEYS.own)
    np.testing.assert_allclose(found[0], expected[0], rtol=1e-5)
    assert_close(found[1], expected[1], rtol=1e-4, atol=1e-5)


def test_many_negatives_come_near_the_full_softmax():
    sampled = dataclasses.replace(OPTIONS, negatives=20_000)
    state = start(scale=2.0)
    full, _ = value_and_gradient(OPTIONS, state)
    values = [
        float(value_and_gradient(sampled, state, key=jax.random.key(seed))[0]) for seed in (0, 1)
    ]
    # The share of an entity among the draws is off by about 1 / sqrt(20000 / 12) = 2.4 %, and the
    # logarithms of twelve of them by less, in each of fourteen queries.
    np.testing.assert_allclose(values, full, rtol=0.01)
    assert values[0] != values[1]


def test_no_dropout_at_rate_zero():
    dropping = dataclasses.replace(OPTIONS, dropout=True)
    state = start()
    expected = value_and_gradient(OPTIONS, state)[0]
    np.testing.assert_allclose(value_and_gradient(dropping, state)[0], expected, rtol=1e-5)
    dropped = [
        float(value_and_gradient(dropping, state, key=jax.random.key(seed), dropout=0.5)[0])
        for seed in (0, 1)
    ]
    assert dropped[0] != dropped[1]
    assert expected not in dropped


def test_dropout_keeps_the_mean():
    one = problem(dataclasses.replace(OPTIONS, dropout=True))
    queries = jnp.full((100, 100), 3.0)
    found = np.asarray(one._drop(queries, jnp.float32(0.25), jax.random.key(0)))
    assert set(np.unique(found)) == {0.0, 4.0}
    # The standard deviation of the share is 0.0043.
    np.testing.assert_allclose((found == 0).mean(), 0.25, atol=0.02)


@pytest.mark.parametrize("options", [OPTIONS, VARIANTS[2]])
@pytest.mark.parametrize("split", ["valid", "test"])
def test_evaluation_equals_brute_force(options, split):
    one, graph = problem(options), tiny_graph()
    state = start(options, seed=4)
    ranked = getattr(graph, split)
    known = np.concatenate([graph.train, graph.valid, graph.test])
    bounds = slow_rank_bounds(STRUCTURE, params_of(state), ranked, known, options.reciprocal)
    assert_metrics_within(evaluate(one, state, split), slow_metrics, bounds)


def test_constant_scores_gain_nothing():
    state = start(scale=0.0)
    found = evaluate(problem(), state)
    known = np.concatenate([tiny_graph().train, tiny_graph().valid, tiny_graph().test])
    bounds = slow_rank_bounds(STRUCTURE, params_of(state), tiny_graph().valid, known)
    assert_metrics_within(found, slow_metrics, bounds)
    assert found["hits_at_1"] == 0


def test_evaluation_in_small_batches_is_the_same(monkeypatch):
    """The scores of a large graph are never in memory all at once."""
    state = start(seed=4)
    monkeypatch.setattr(module, "_SCORES_AT_ONCE", 3 * ENTITIES)
    graph = tiny_graph()
    one = AutoBLMProblem(graph, OPTIONS)
    assert one.data["valid"].triples.shape == (4, 3, 3)
    found = evaluate(one, state)
    known = np.concatenate([graph.train, graph.valid, graph.test])
    bounds = slow_rank_bounds(STRUCTURE, params_of(state), graph.valid, known)
    assert_metrics_within(found, slow_metrics, bounds)


def test_facts_are_trained_on_and_known():
    graph = tiny_graph()
    split = dataclasses.replace(graph, facts=graph.train[:20], train=graph.train[20:])
    found, expected = (AutoBLMProblem(one, OPTIONS).data for one in (split, graph))
    jax.tree.map(np.testing.assert_array_equal, found, expected)


def test_bfloat16_is_close():
    half = dataclasses.replace(OPTIONS, precision="bfloat16")
    state = start(scale=2.0)
    value, gradient = value_and_gradient(OPTIONS, state)
    half_value, half_gradient = value_and_gradient(half, state)
    assert value != half_value
    # Operands keep 8 bits, so that products are off by up to 2^-8 = 0.4 %.
    np.testing.assert_allclose(half_value, value, rtol=0.004)
    for name in gradient:
        assert half_gradient[name].dtype == jnp.float32
        error = np.linalg.norm(half_gradient[name] - gradient[name])
        assert error < 0.01 * np.linalg.norm(gradient[name])


def test_ranks_are_of_float32_whatever_is_trained_in():
    half = problem(dataclasses.replace(OPTIONS, precision="bfloat16"))
    program = jax.make_jaxpr(half.evaluate_block)(
        start().variables, STRUCTURE, half.data["valid"], ()
    )
    assert "bf16" not in str(program)
    assert "bf16" in str(jax.make_jaxpr(lambda s: value_and_gradient(half.options, s))(start()))


def transformed(parameters, entity_order, relation_labels, relation_signs, blocks=4):
    """Transform parameters as `transform` transforms the structure."""
    entity = np.stack(np.split(np.asarray(parameters["entity"]), blocks, axis=1))[entity_order]
    before = np.split(np.asarray(parameters["relation"]), blocks, axis=1)
    after = [None] * blocks
    for k in range(blocks):
        after[relation_labels[k] - 1] = relation_signs[k] * before[k]
    return {
        "entity": np.concatenate(entity, axis=1),
        "relation": np.concatenate(after, axis=1),
    }


@pytest.mark.parametrize("seed", range(4))
def test_equivalent_structures_train_alike(seed):
    rng = np.random.default_rng(seed)
    element = (rng.permutation(4), rng.permutation(4) + 1, rng.choice([-1, 1], 4))
    structure = rng.integers(-4, 5, (4, 4)).astype(np.int8)
    other = transform(structure, *element)
    assert not np.array_equal(structure, other)
    state = start(seed=seed, scale=2.0)
    state_of_other = with_params(state, transformed(params_of(state), *element))
    value, gradient = value_and_gradient(OPTIONS, state, structure)
    value_of_other, gradient_of_other = value_and_gradient(OPTIONS, state_of_other, other)
    np.testing.assert_allclose(value_of_other, value, rtol=1e-5)
    assert_close(gradient_of_other, transformed(gradient, *element), rtol=1e-4, atol=1e-5)
    trained, loss = epoch_program()(state, structure, hyperparameters())
    trained_other, loss_of_other = epoch_program()(state_of_other, other, hyperparameters())
    np.testing.assert_allclose(loss_of_other, loss, rtol=1e-5)
    assert_close(params_of(trained_other), transformed(params_of(trained), *element), atol=1e-3)


def test_shared_training_with_one_candidate_is_training_alone():
    state = start()
    trained, loss = train_shared(state, np.stack([STRUCTURE, STRUCTURE]))
    expected, expected_loss = epoch_program()(state, STRUCTURE, hyperparameters())
    np.testing.assert_allclose(loss, expected_loss, rtol=1e-5)
    assert_close(params_of(trained), params_of(expected), atol=1e-4)


def test_shared_training_uses_every_candidate():
    """With two structures the weights are those of neither alone."""
    state, pool = start(), np.stack([STRUCTURE, -STRUCTURE[::-1]])
    shared, _ = train_shared(state, pool)
    for structure in pool:
        alone, _ = epoch_program()(state, structure, hyperparameters())
        difference = np.abs(params_of(shared)["relation"] - params_of(alone)["relation"])
        assert difference.mean() > 0.01


@pytest.mark.parametrize(("count", "batch_size"), [(1, 1), (7, 3), (12, 4), (5, 50), (300, 64)])
def test_shuffling_covers_each_triple_once(count, batch_size):
    triples = np.stack([np.arange(count)] * 3, axis=1)
    shuffle = jax.jit(module._shuffled, static_argnums=2)
    batches, weights = shuffle(triples, jax.random.key(count), batch_size)
    size = min(batch_size, count)
    assert batches.shape == (-(-count // size), size, 3)
    flat, weight = np.asarray(batches).reshape(-1, 3), np.asarray(weights).reshape(-1)
    assert set(weight) <= {0.0, 1.0}
    np.testing.assert_array_equal(np.sort(flat[weight > 0][:, 0]), np.arange(count))
    # Padding is behind everything else, so that every batch but the last is full.
    assert (np.diff(weight) <= 0).all()


def test_every_epoch_has_another_order():
    triples = problem().data["train"]
    orders = [
        np.asarray(module._shuffled(triples, jax.random.key(seed), 16)[0]) for seed in (0, 0, 1)
    ]
    np.testing.assert_array_equal(orders[0], orders[1])
    assert not np.array_equal(orders[0], orders[2])
    assert not np.array_equal(orders[0].reshape(-1, 3)[:40], triples)


def test_state_does_not_depend_on_what_is_searched():
    key = jax.random.key(0)
    first = init_program()(key, STRUCTURE, hyperparameters())
    other = init_program()(key, np.zeros((4, 4), np.int8), hyperparameters(learning_rate=9))
    jax.tree.map(np.testing.assert_array_equal, first, other)
    assert params_of(first)["entity"].shape == (ENTITIES, 8)
    assert params_of(first)["relation"].shape == (RELATIONS, 8)
    both = init_program(VARIANTS[2])(key, STRUCTURE, hyperparameters())
    assert params_of(both)["relation"].shape == (2 * RELATIONS, 8)


@pytest.mark.parametrize("blocks", [2, 3, 5])
def test_other_numbers_of_blocks(blocks):
    options = TrainingOptions(embedding_dim=2 * blocks)
    rng = np.random.default_rng(blocks)
    structure = rng.integers(-blocks, blocks + 1, (blocks, blocks)).astype(np.int8)
    parameters = {
        name: rng.normal(size=(count, 2 * blocks)) / 2
        for name, count in (("entity", ENTITIES), ("relation", RELATIONS))
    }
    loss = jax.jit(_loss_of_structure(problem(options)))
    single = jax.tree.map(np.float32, parameters)
    found = loss(single, structure, hyperparameters(), *batch(), KEYS.own)
    expected = slow_loss(
        structure, parameters, *batch(), options, HYPERPARAMETERS["regularisation"]
    )
    np.testing.assert_allclose(found, expected, rtol=1e-5)


def test_flops_of_a_query():
    # Six cells with blocks of two coordinates, then ten entities with eight coordinates.
    structure = np.diag([1, 2, 3, 4]).astype(np.int8)
    structure[0, 1] = structure[1, 0] = -2
    assert flops_per_query(OPTIONS, structure, 10) == 2 * 6 * 2 + 2 * 10 * 8
