"""AdaProp against the frontier regime where nothing is left out, and against plain Python."""

from __future__ import annotations

import itertools
from functools import partial

import jax
import jax.numpy as jnp
import numpy as np
import pytest

from kapl_jax.relational import adaprop_layers, frontier_layers
from kapl_jax.relational.adaprop import Limits, adaprop_graph, limits_for
from kapl_jax.relational.choices import Offered, choices
from kapl_jax.relational.expansion import Expander
from kapl_jax.relational.frontier import SizeLadder, pad
from kapl_jax.relational.graph import relational_graph
from kapl_jax.relational.layer import keep_all
from kapl_jax.relational.parameters import RelationalModel
from kapl_jax.relational.searched_layer import only_layer, searched_layer

pytestmark = pytest.mark.usefixtures("compiled_plainly")
N, R, L, D, A = 14, 2, 2, 6, 4
EVERYTHING = Offered(
    activations=("identity", "relu", "tanh"),
    messages=("sum", "product", "rotation", "query_product", "conditioned_product"),
    aggregations=("sum", "mean", "max", "pna"),
    gates=("on", "off", "concat"),
    attention_dims=(2, A, 0),
)
# All messages with all aggregations; activations, gates and widths in turn.
CANDIDATES = [
    (number % 3, message, aggregation, (message + aggregation) % 3, number % 7 % 3)
    for number, (message, aggregation) in enumerate(itertools.product(range(5), range(4)))
]
TANH = Offered(activations=("tanh",), attention_dims=(A,))
HEADS = np.array([0, 3, 3, N - 1], np.int32)  # the last has no edges
RELATIONS = np.array([0, 1, 3, 2], np.int32)


def random_parameters(seed):
    model = RelationalModel(R, L, D, EVERYTHING)
    parameters = model.init_with_output(jax.random.key(seed))[0]
    sampling = jax.random.normal(jax.random.key(seed + 100), (L, D))
    return {**parameters, "sampling": sampling}


@pytest.fixture(scope="module")
def triples():
    """A graph with edges that come twice, self-loops and an isolated entity."""
    rng = np.random.default_rng(0)
    drawn = np.stack([rng.integers(0, high, 20) for high in (N - 1, R, N - 1)], axis=1)
    return np.concatenate([drawn, drawn[:2], [[1, 0, 1]]])


@pytest.fixture(scope="module")
def graph(triples):
    return relational_graph(triples, N, R)


@pytest.fixture(scope="module")
def population():
    return [random_parameters(seed) for seed in range(3)]


@pytest.fixture(scope="module")
def parameters(population):
    return population[0]


def all_scores(scores, queries, entities):
    return jnp.zeros((len(HEADS), N)).at[queries, entities].set(scores, mode="drop")


def adaprop_scores(parameters, graph, layer, limits, heads=HEADS, noise_key=None):
    reached = adaprop_layers.propagate(
        layer, parameters, graph, heads, RELATIONS, limits, keep_all, noise_key
    )
    queries = jnp.arange(len(HEADS))[:, None]
    return all_scores(reached.scores, queries, reached.entities), reached


plain_scores = jax.jit(
    partial(adaprop_scores, layer=only_layer(TANH)),
    static_argnames="limits",
)
LIMITS = Limits(2, (30, 30))


@pytest.fixture(scope="module")
def usual(graph, population):
    """Scores of a population where nodes are left out, edges are not."""
    stacked = jax.tree.map(lambda *leaves: jnp.stack(leaves), *population)
    on_device = adaprop_graph(graph)
    return jax.jit(
        jax.vmap(lambda member: plain_scores(member, on_device, limits=LIMITS, heads=HEADS))
    )(stacked)


@pytest.fixture(scope="module")
def with_gradients(graph):
    """The two regimes' scores and gradients of some function of them, as programs."""
    expansion = Expander(graph, L).expand(HEADS)
    frontier = pad(expansion, SizeLadder([expansion]).sizes(expansion), RELATIONS, N)
    limits, on_device = limits_for(graph, L, N, 1000), adaprop_graph(graph)

    def over_frontier(parameters, layer):
        scores, _ = frontier_layers.propagate(layer, parameters, frontier, keep_all)
        return all_scores(scores, frontier.queries, frontier.entities)

    def adaprop(parameters, layer):
        return adaprop_scores(parameters, on_device, layer, limits)[0]

    weights = jnp.asarray(np.random.default_rng(1).normal(size=(len(HEADS), N)), jnp.float32)

    def differentiable(scores_of):
        def total(parameters, candidate):
            scores = scores_of(parameters, searched_layer(EVERYTHING, choices(candidate)))
            return jnp.sum(scores * weights), scores

        gradient = jax.grad(total, has_aux=True)
        return jax.jit(gradient)

    return differentiable(over_frontier), differentiable(adaprop)


@pytest.mark.parametrize("candidate", CANDIDATES)
def test_equals_the_frontier_regime_where_nothing_is_left_out(
    with_gradients, parameters, candidate
):
    frontier, adaprop = (f(parameters, np.array(candidate)) for f in with_gradients)
    np.testing.assert_allclose(adaprop[1], frontier[1], atol=2e-5, rtol=1e-4)
    for name, expected in frontier[0].items():
        scale = max(1.0, float(jnp.abs(expected).max()))
        np.testing.assert_allclose(adaprop[0][name], expected, atol=2e-5 * scale, err_msg=name)
    assert not np.asarray(adaprop[0]["sampling"]).any()


def sigmoid(x):
    return 1 / (1 + np.exp(-x))


def slow_scores(parameters, triples, head, query_relation, top_k):
    """Return the score of each entity that one query keeps, with tanh, sums and the gate."""
    p = {name: np.asarray(value, np.float64) for name, value in parameters.items()}
    edges = [(h, r, t) for h, r, t in triples.tolist()]
    edges += [(t, r + R, h) for h, r, t in edges] + [(e, 2 * R, e) for e in range(N)]
    states = {head: np.zeros(D)}
    for layer in range(L):
        w = p["relation"][layer]
        sums = {}
        for s, r, o in edges:
            if s in states:
                parts = (
                    states[s] @ p["attention_source"][layer] + w[r] @ p["attention_relation"][layer]
                )
                parts += (
                    w[query_relation] @ p["attention_query"][layer] + p["attention_bias"][layer]
                )
                out = np.maximum(parts, 0) @ p["attention_out"][layer]
                alpha = sigmoid(out + p["attention_out_bias"][layer])
                sums[o] = sums.get(o, 0) + alpha * (states[s] + w[r])
        x = {o: np.tanh(total @ p["message"][layer]) for o, total in sums.items()}
        new = sorted((o for o in x if o not in states), key=lambda o: -x[o] @ p["sampling"][layer])
        states = {o: gru(p, x[o], states.get(o, np.zeros(D))) for o in [*states, *new[:top_k]]}
    return {o: state @ p["score"] for o, state in states.items()}


def gru(p, x, h):
    of_input = np.split(x @ p["gate_input"] + p["gate_input_bias"], 3)
    of_state = np.split(h @ p["gate_hidden"] + p["gate_hidden_bias"], 3)
    reset, update = (sigmoid(a + b) for a, b in zip(of_input[:2], of_state[:2], strict=True))
    return (1 - update) * np.tanh(of_input[2] + reset * of_state[2]) + update * h


@pytest.mark.parametrize("member", range(3))
def test_each_of_a_population_keeps_what_plain_python_keeps(triples, population, usual, member):
    scores, reached = jax.tree.map(lambda leaf: np.asarray(leaf[member]), usual)
    for query, (head, relation) in enumerate(zip(HEADS, RELATIONS, strict=True)):
        expected = slow_scores(population[member], triples, head, relation, LIMITS.top_k)
        kept = set(reached.entities[query].tolist()) - {N}
        assert kept == set(expected)
        for entity in range(N):
            assert scores[query, entity] == pytest.approx(expected.get(entity, 0), abs=1e-4)


def test_members_of_the_population_keep_different_nodes(usual):
    entities = np.sort(usual[1].entities, axis=-1)
    assert (entities[0] != entities[1]).any()


ROOMY = Limits(2, (40, 33))


def test_room_to_spare_and_company_change_nothing(graph, parameters, usual):
    scores, _ = plain_scores(parameters, adaprop_graph(graph), limits=ROOMY, heads=HEADS)
    np.testing.assert_allclose(scores, usual[0][0], rtol=1e-4, atol=2e-5)


def test_permuting_entities_permutes_scores(triples, parameters, usual):
    order = np.random.default_rng(2).permutation(N)
    renamed = np.stack([order[triples[:, 0]], triples[:, 1], order[triples[:, 2]]], axis=1)
    graph = adaprop_graph(relational_graph(renamed, N, R))
    heads = order[HEADS].astype(np.int32)
    scores, _ = plain_scores(parameters, graph, limits=ROOMY, heads=heads)
    np.testing.assert_allclose(scores[:, order], usual[0][0], rtol=1e-4, atol=2e-5)


def test_attention_stands_beside_its_edges(usual):
    reached = usual[1]
    for step, attention in zip(reached.steps, reached.attention, strict=True):
        real = np.asarray(step.targets) < N
        assert (np.asarray(attention)[~real] == 0).all()
        assert (np.asarray(attention)[real] > 0).all()
        assert (np.asarray(attention)[real] < 1).all()


@pytest.fixture(scope="module")
def with_noise(graph, parameters):
    """The gradient of the loss, and what is reached, by the key of the noise."""
    on_device = adaprop_graph(graph)

    def total(parameters, key):
        scores, reached = plain_scores(
            parameters, on_device, limits=LIMITS, noise_key=key, heads=HEADS
        )
        return jnp.sum(jax.nn.logsumexp(scores, axis=1)), reached

    gradient = jax.jit(jax.grad(total, has_aux=True))
    return lambda seed: gradient(parameters, jax.random.key(seed))


def test_noise_is_that_of_its_key(with_noise):
    drawn = [with_noise(seed)[1] for seed in (0, 0, 1, 2, 3)]
    kept = [np.sort(reached.entities, axis=1).tobytes() for reached in drawn]
    assert kept[0] == kept[1]
    np.testing.assert_array_equal(drawn[0].scores, drawn[1].scores)
    assert len(set(kept)) > 2


def test_gradients_with_a_choice_and_noise_are_finite(with_noise):
    found, _ = with_noise(0)
    assert all(np.isfinite(leaf).all() for leaf in found.values())
    assert np.asarray(found["sampling"]).any()
