"""Both regimes give the same losses and scores for the same batches."""

from __future__ import annotations

import jax
import jax.numpy as jnp
import numpy as np
import pytest

from kapl_jax.relational import regimes
from kapl_jax.relational.choices import Offered, choices
from kapl_jax.relational.graph import relational_graph
from kapl_jax.relational.layer import keep_all
from kapl_jax.relational.parameters import RelationalModel
from kapl_jax.relational.regimes import (
    AdaPropRegime,
    Batches,
    DenseRegime,
    FrontierRegime,
    fits_dense,
)
from kapl_jax.relational.searched_layer import searched_layer

pytestmark = pytest.mark.usefixtures("compiled_plainly")
N, R, L, STEPS, QUERIES = 10, 2, 2, 5, 3
OFFERED = Offered(("relu",), ("sum",), ("sum", "mean"), ("on",), (3,))


@pytest.fixture(scope="module")
def asked():
    """A graph, and batches of heads, relations and tails."""
    rng = np.random.default_rng(0)
    graph = relational_graph(rng.integers(0, (N - 1, R, N - 1), (20, 3)), N, R)
    heads, tails = rng.integers(0, N, (2, STEPS, QUERIES))
    return graph, heads, rng.integers(0, 2 * R, (STEPS, QUERIES)), tails


@pytest.fixture(scope="module")
def parameters():
    return RelationalModel(R, L, 4, OFFERED, samples=True).init(jax.random.key(1))["params"]


def outcomes(regime, parameters, asked):
    """Return losses [S, B] and scores [S, B, N] of all batches, in order."""
    graph, heads, relations, tails = asked
    layer = searched_layer(OFFERED, choices(jnp.array([0, 0, 1, 0, 0])))

    @jax.jit
    def both(shared, step, tails):
        key = jax.random.key(0)
        losses = regime.losses(layer, parameters, shared, step, tails, keep_all, key)
        return losses, regime.scores(layer, parameters, shared, step, keep_all)

    found = {}
    for part, prepared in regime.prepare(Batches(graph, heads, relations), "test"):
        for index, number in enumerate(range(STEPS)[part]):
            step = jax.tree.map(lambda leaf, index=index: leaf[index], prepared.steps)
            found[number] = both(prepared.shared, step, tails[number])
    assert sorted(found) == list(range(STEPS))
    return tuple(np.stack(parts) for parts in zip(*(found[n] for n in range(STEPS)), strict=True))


def test_regimes_give_the_same_losses_and_scores(asked, parameters):
    dense = outcomes(DenseRegime(), parameters, asked)
    frontier = outcomes(FrontierRegime(L, N), parameters, asked)
    np.testing.assert_allclose(dense[1], frontier[1], rtol=1e-4, atol=1e-5)
    np.testing.assert_allclose(dense[0], frontier[0], rtol=1e-4, atol=1e-5)


def test_a_query_that_may_keep_all_nodes_scores_as_if_it_did_not_choose(asked, parameters):
    adaprop = AdaPropRegime(L, N, top_k=N, most_edges=1000)
    frontier = outcomes(FrontierRegime(L, N), parameters, asked)
    np.testing.assert_allclose(
        outcomes(adaprop, parameters, asked)[1], frontier[1], rtol=1e-4, atol=1e-5
    )


def test_a_query_that_keeps_few_nodes_scores_few(asked, parameters):
    narrow = outcomes(AdaPropRegime(L, N, 1, 1000), parameters, asked)[1]
    wide = outcomes(AdaPropRegime(L, N, N, 1000), parameters, asked)[1]
    assert np.all((narrow != 0).sum(axis=-1) <= 1 + L)
    assert (narrow != 0).sum() < (wide != 0).sum()


@pytest.mark.parametrize("kind", ["dense", "frontier", "adaprop"])
def test_parts_can_be_left_out(asked, kind, monkeypatch):
    monkeypatch.setattr(regimes, "_MOST_BATCHES", 2)
    graph, heads, relations, _ = asked
    regime = {
        "dense": DenseRegime(),
        "frontier": FrontierRegime(L, N),
        "adaprop": AdaPropRegime(L, N, 2, 1000),
    }[kind]
    parts = list(regime.prepare(Batches(graph, heads, relations), "test"))
    covered = np.concatenate([np.arange(STEPS)[part] for part, _ in parts])
    assert covered.tolist() == list(range(STEPS))
    assert len(parts) == {"dense": 1, "frontier": STEPS, "adaprop": 3}[kind]
    for first in range(len(parts) + 1):
        rest = list(regime.prepare(Batches(graph, heads, relations), "test", first))
        assert [part for part, _ in rest] == [part for part, _ in parts[first:]]
        for (_, one), (_, other) in zip(rest, parts[first:], strict=True):
            jax.tree.map(np.testing.assert_array_equal, one, other)


def test_sizes_are_settled_once_for_a_purpose(asked):
    graph, heads, relations, _ = asked
    regime = FrontierRegime(L, N)
    batches = Batches(graph, heads, relations)
    regime.measure(batches, "one")
    sizes = [step.steps.sizes for _, step in regime.prepare(batches, "one")]
    regime.measure(Batches(graph, heads[:1], relations[:1]), "one")
    again = [step.steps.sizes for _, step in regime.prepare(batches, "one")]
    assert sizes == again


@pytest.mark.parametrize("offered", [OFFERED, Offered(messages=("product",))])
def test_small_graphs_fit(offered):
    assert fits_dense(offered, 48, 20, 135, 8_125)
    assert not fits_dense(offered, 48, 20, 40_000, 200_000)


def test_messages_made_one_by_one_take_memory_by_edges_and_width():
    general = Offered(aggregations=("max",))
    assert not fits_dense(general, 480, 20, 135, 8_125)
    assert not fits_dense(general, 48, 20, 135, 81_250)
    assert fits_dense(OFFERED, 480, 20, 135, 81_250)
