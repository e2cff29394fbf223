"""Both regimes against the slow model, on graphs with all that is awkward."""

from __future__ import annotations

import functools
import itertools

import jax
import jax.numpy as jnp
import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from kapl_jax.relational import dense_layers, frontier_layers
from kapl_jax.relational.choices import Offered, choices
from kapl_jax.relational.dense import dense_graph
from kapl_jax.relational.expansion import Expander
from kapl_jax.relational.frontier import Sizes, pad
from kapl_jax.relational.graph import relational_graph
from kapl_jax.relational.layer import dropping, keep_all
from kapl_jax.relational.parameters import RelationalModel
from kapl_jax.relational.searched_layer import searched_layer
from tests.relational.slow import MadeOf, slow_edges, slow_loss, slow_pass

pytestmark = pytest.mark.usefixtures("compiled_plainly")
N, R, L, D, QUERIES, TRIPLES = 9, 2, 3, 4, 3, 12
EDGES = 2 * TRIPLES + N
SIZES = Sizes((QUERIES, *[QUERIES * N] * L), (QUERIES * EDGES,) * L)
LARGER = Sizes((QUERIES, 30, 35, 40), (100, 110, 120))
EVERYTHING = Offered(
    ("identity", "relu", "tanh"),
    ("sum", "product", "rotation", "query_product", "conditioned_product"),
    ("sum", "mean", "max", "pna"),
    ("on", "off", "concat"),
    (2, 5, 0),
)
# What the dense regime does by matrix products, and what it does message by message.
LINEAR = Offered(
    ("identity", "relu", "tanh"), ("sum",), ("sum", "mean"), ("on", "off", "concat"), (2, 5, 0)
)
GRADIENTS = [(1, 0, 0, 0, 1), (2, 1, 1, 1, 0), (0, 2, 2, 0, 0), (1, 1, 2, 1, 1), (2, 0, 1, 0, 0)]
GRADIENTS += [(1, 4, 3, 2, 2), (2, 3, 0, 2, 1), (0, 0, 3, 0, 2), (1, 4, 1, 1, 0)]
TOLERANCE = {"rtol": 2e-4, "atol": 2e-4}


def made_of(offered, candidate):
    return MadeOf(*(axis[index] for axis, index in zip(offered.axes, candidate, strict=True)))


@functools.cache
def parameters(seed):
    initial = RelationalModel(R, L, D, EVERYTHING).init(jax.random.key(0))["params"]
    rng = np.random.default_rng(seed)
    return {
        name: rng.normal(0, 0.7, np.shape(table)).astype(np.float32)
        for name, table in initial.items()
    }


def in_float64(tables):
    return {name: np.asarray(table, np.float64) for name, table in tables.items()}


def random_case(seed):
    """Return triples, heads, relations and answers; the last two entities have no triples."""
    rng = np.random.default_rng(seed)
    triples = rng.integers(0, (N - 2, R, N - 2), (TRIPLES, 3))
    triples[1] = triples[0]
    triples[2] = [3, 1, 3]
    heads = rng.integers(0, N, QUERIES)
    heads[0] = N - 1
    return triples, heads, rng.integers(0, 2 * R, QUERIES), rng.integers(0, N, QUERIES)


def frontier_of(case, sizes=SIZES):
    triples, heads, relations, _ = case
    expansion = Expander(relational_graph(triples, N, R), L).expand(heads)
    return pad(expansion, sizes, relations, N)


def slow_scores(tables, structure, case):
    triples, heads, relations, _ = case
    edges = slow_edges(triples, N, R)
    tables = in_float64(tables)
    return np.stack(
        [
            slow_pass(tables, structure, edges, N, query).scores
            for query in zip(heads.tolist(), relations.tolist(), strict=True)
        ]
    )


@jax.jit
def on_frontier(tables, candidate, frontier, answers):
    """Return losses and scores, and the gradient of the sum of the losses."""

    def total(tables):
        scores, _ = frontier_layers.propagate(
            searched_layer(EVERYTHING, choices(candidate)), tables, frontier, keep_all
        )
        losses = frontier_layers.log_losses(scores, frontier, answers, N)
        everything = jnp.zeros((QUERIES, N))
        of_entities = everything.at[frontier.queries, frontier.entities].set(scores, mode="drop")
        return losses.sum(), (losses, of_entities)

    (_, found), gradient = jax.value_and_grad(total, has_aux=True)(tables)
    return *found, gradient


@functools.partial(jax.jit, static_argnums=0)
def on_whole_graph(offered, tables, candidate, graph, heads, relations, answers):
    """Return the same of the dense regime."""

    def total(tables):
        scores, _ = dense_layers.propagate(
            searched_layer(offered, choices(candidate)), tables, graph, heads, relations, keep_all
        )
        losses = jax.nn.logsumexp(scores, axis=1) - scores[jnp.arange(QUERIES), answers]
        return losses.sum(), (losses, scores)

    (_, found), gradient = jax.value_and_grad(total, has_aux=True)(tables)
    return *found, gradient


def run_frontier(tables, candidate, case, sizes=SIZES):
    return on_frontier(tables, np.array(candidate), frontier_of(case, sizes), case[3])


def run_dense(offered, tables, candidate, case):
    triples, heads, relations, answers = case
    graph = dense_graph(relational_graph(triples, N, R))
    return on_whole_graph(offered, tables, np.array(candidate), graph, heads, relations, answers)


def all_of(offered):
    return list(itertools.product(*(range(len(axis)) for axis in offered.axes)))


ALL = all_of(EVERYTHING)
ALL_DENSE = [(offered, one) for offered in (LINEAR, EVERYTHING) for one in all_of(offered)]
SEEDS = st.integers(0, 10_000)


@pytest.mark.parametrize("seed", range(2))
def test_frontier_gives_the_slow_scores_for_all_that_is_offered(seed):
    case = random_case(seed)
    for candidate in ALL:
        losses, scores, _ = run_frontier(parameters(seed), candidate, case)
        slow = slow_scores(parameters(seed), made_of(EVERYTHING, candidate), case)
        np.testing.assert_allclose(scores, slow, **TOLERANCE, err_msg=str(candidate))
        textbook = [slow_loss(row, answer) for row, answer in zip(slow, case[3], strict=True)]
        np.testing.assert_allclose(losses, textbook, **TOLERANCE, err_msg=str(candidate))


@pytest.mark.parametrize("seed", range(2))
def test_dense_gives_the_slow_scores_for_all_that_is_offered(seed):
    case = random_case(seed)
    for offered, candidate in ALL_DENSE:
        losses, scores, _ = run_dense(offered, parameters(seed), candidate, case)
        slow = slow_scores(parameters(seed), made_of(offered, candidate), case)
        np.testing.assert_allclose(scores, slow, **TOLERANCE, err_msg=str(candidate))
        textbook = [slow_loss(row, answer) for row, answer in zip(slow, case[3], strict=True)]
        np.testing.assert_allclose(losses, textbook, **TOLERANCE, err_msg=str(candidate))


@settings(max_examples=30, deadline=None)
@given(SEEDS, st.sampled_from(ALL_DENSE))
def test_regimes_agree_in_scores_losses_and_gradients(seed, made):
    (offered, candidate), case, tables = made, random_case(seed), parameters(seed % 5)
    indices = zip(candidate, EVERYTHING.axes, offered.axes, strict=True)
    same = [axis.index(dense[index]) for index, axis, dense in indices]
    for one, other in zip(
        jax.tree.leaves(run_frontier(tables, same, case)),
        jax.tree.leaves(run_dense(offered, tables, candidate, case)),
        strict=True,
    ):
        scale = max(1.0, float(np.abs(one).max()))
        np.testing.assert_allclose(one / scale, other / scale, atol=3e-5)


@pytest.mark.parametrize("candidate", GRADIENTS)
def test_gradients_are_those_of_the_slow_loss(candidate):
    case, tables, rng = random_case(1), parameters(1), np.random.default_rng(7)
    _, _, gradient = run_frontier(tables, candidate, case)
    structure, step = made_of(EVERYTHING, candidate), 1e-6

    def loss(direction, length):
        moved = {name: in_float64(tables)[name] + length * direction[name] for name in tables}
        return sum(map(slow_loss, slow_scores(moved, structure, case), case[3]))

    for _ in range(3):
        direction = {name: rng.normal(size=table.shape) for name, table in tables.items()}
        slow = (loss(direction, step) - loss(direction, -step)) / (2 * step)
        found = sum(float((gradient[name] * direction[name]).sum()) for name in tables)
        np.testing.assert_allclose(found, slow, rtol=2e-3, atol=2e-3)


@settings(max_examples=15, deadline=None)
@given(SEEDS, st.sampled_from(ALL))
def test_other_numbers_for_entities_give_the_same_scores(seed, candidate):
    triples, heads, relations, answers = case = random_case(seed)
    renamed = np.random.default_rng(seed).permutation(N)
    other = np.stack([renamed[triples[:, 0]], triples[:, 1], renamed[triples[:, 2]]], axis=1)
    moved = (other[::-1], renamed[heads], relations, renamed[answers])
    losses, scores, _ = run_frontier(parameters(0), candidate, case)
    other_losses, other_scores, _ = run_frontier(parameters(0), candidate, moved)
    scale = max(1.0, float(np.abs(scores).max()))
    np.testing.assert_allclose(other_scores[:, renamed] / scale, scores / scale, atol=3e-5)
    np.testing.assert_allclose(other_losses / scale, losses / scale, atol=3e-5)


@settings(max_examples=15, deadline=None)
@given(SEEDS, st.sampled_from(ALL))
def test_more_padding_changes_nothing(seed, candidate):
    case, tables = random_case(seed), parameters(seed % 5)
    for one, other in zip(
        jax.tree.leaves(run_frontier(tables, candidate, case)),
        jax.tree.leaves(run_frontier(tables, candidate, case, LARGER)),
        strict=True,
    ):
        scale = max(1.0, float(np.abs(one).max()))
        np.testing.assert_allclose(one / scale, other / scale, atol=1e-5)


def test_what_is_out_of_reach_scores_zero_and_has_a_loss():
    case = random_case(3)
    _, scores, gradient = run_frontier(parameters(3), (1, 0, 0, 0, 1), case)
    # An entity without triples reaches itself and nothing else.
    assert np.flatnonzero(scores[0]).tolist() == [N - 1]
    assert all(np.isfinite(leaf).all() for leaf in jax.tree.leaves(gradient))


def test_losses_of_large_scores_do_not_overflow():
    case = random_case(4)
    frontier = frontier_of(case, LARGER)
    for sign in (1, -1):
        scores = jnp.where(frontier.queries < QUERIES, sign * 500.0, 3e38)
        answers = np.asarray(case[1])  # the heads are reached
        losses, gradient = jax.value_and_grad(
            lambda scores, answers=answers: frontier_layers.log_losses(
                scores, frontier, answers, N
            ).sum()
        )(scores)
        assert np.isfinite(losses)
        assert np.isfinite(gradient).all()
        # The first query reaches its head alone; all others score 0.
        expected = slow_loss(np.append(np.zeros(N - 1), sign * 500.0), N - 1)
        first = frontier_layers.log_losses(scores, frontier, answers, N)[0]
        np.testing.assert_allclose(first, expected, rtol=1e-5, atol=1e-5)


def test_dropout_at_rate_zero_changes_nothing_and_else_keeps_the_mean():
    values = np.random.default_rng(0).normal(3, 1, (200, 50)).astype(np.float32)
    key = jax.random.key(3)
    np.testing.assert_array_equal(dropping(key, jnp.float32(0.0))(1, values), values)
    half = np.asarray(dropping(key, jnp.float32(0.5))(1, values))
    kept = half != 0
    assert abs(kept.mean() - 0.5) < 0.03
    np.testing.assert_allclose(half[kept], 2 * values[kept], rtol=1e-6)
    other_layer = np.asarray(dropping(key, jnp.float32(0.5))(2, values))
    assert (kept != (other_layer != 0)).mean() > 0.4
