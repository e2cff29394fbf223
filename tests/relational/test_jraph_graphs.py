"""Graphs to and from Jraph, and layers by Jraph's own message passing."""

from __future__ import annotations

import jax
import jax.numpy as jnp
import jraph
import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from kapl_jax.relational import dense_layers, frontier_layers
from kapl_jax.relational.choices import Offered
from kapl_jax.relational.dense import dense_graph
from kapl_jax.relational.expansion import Expander
from kapl_jax.relational.frontier import Sizes, pad
from kapl_jax.relational.graph import relational_graph
from kapl_jax.relational.jraph_graphs import from_jraph, to_jraph
from kapl_jax.relational.layer import keep_all
from kapl_jax.relational.parameters import RelationalModel
from kapl_jax.relational.searched_layer import only_layer
from tests.relational.slow import slow_edges

pytestmark = pytest.mark.usefixtures("compiled_plainly")
N, R, L, D, QUERIES = 5, 2, 3, 4, 3
TRIPLES = st.lists(
    st.tuples(st.integers(0, N - 1), st.integers(0, R - 1), st.integers(0, N - 1)), max_size=12
).map(lambda triples: np.array(triples, int).reshape(-1, 3))


def edges_of(graph):
    columns = (graph.sources, graph.relations, graph.targets)
    return sorted(zip(*(column.tolist() for column in columns), strict=True))


def tuple_of(edges, num_nodes=N):
    sources, relations, targets = np.asarray(edges, np.int32).reshape(-1, 3).T
    return jraph.GraphsTuple(
        nodes=None,
        edges=jnp.asarray(relations),
        senders=jnp.asarray(sources),
        receivers=jnp.asarray(targets),
        globals=None,
        n_node=jnp.array([num_nodes]),
        n_edge=jnp.array([len(sources)]),
    )


@given(TRIPLES)
def test_a_graph_comes_back_as_it_went(triples):
    graph = relational_graph(triples, N, R)
    handed = to_jraph(graph)
    assert (int(handed.n_node[0]), int(handed.n_edge[0])) == (N, graph.num_edges)
    back = from_jraph(handed, R)
    assert (back.num_entities, back.num_relations) == (N, R)
    for name in ("sources", "relations", "targets", "offsets"):
        np.testing.assert_array_equal(getattr(back, name), getattr(graph, name))
        assert getattr(back, name).dtype == getattr(graph, name).dtype


@given(TRIPLES)
def test_inverses_and_identities_are_made_where_there_are_none(triples):
    graph = from_jraph(tuple_of(triples), R)
    assert edges_of(graph) == sorted(slow_edges(triples, N, R))


@given(TRIPLES, st.randoms(use_true_random=False))
def test_complete_edges_are_kept_in_any_order(triples, random):
    edges = slow_edges(triples, N, R)
    random.shuffle(edges)
    graph = from_jraph(tuple_of(edges), R)
    assert edges_of(graph) == sorted(edges)
    for entity in range(N):
        stretch = slice(graph.offsets[entity], graph.offsets[entity + 1])
        assert set(graph.sources[stretch].tolist()) == {entity}


def test_a_batch_is_one_graph_without_edges_between_its_parts():
    first, second = np.array([[0, 1, 2]]), np.array([[1, 0, 0], [3, 1, 3]])
    both = jraph.batch([tuple_of(first, 3), tuple_of(second, 4)])
    together = np.concatenate([first, second + np.array([3, 0, 3])])
    assert edges_of(from_jraph(both, R)) == sorted(slow_edges(together, 7, R))


@pytest.mark.parametrize(
    ("edges", "message"),
    [
        ([[0, 0, N]], "receivers: found 5 to 5, expected 0 to 4"),
        ([[-1, 0, 0]], "senders: found -1 to -1"),
        ([[0, 2 * R + 1, 0]], "edges: found 5 to 5, expected 0 to 4"),
        ([[0, R, 1]], "expected the inverse"),
        ([[0, 0, 1], [1, R, 0]], "one edge of relation 4 from each node"),
        (slow_edges([[0, 0, 1]], N, R)[:-1], "expected the inverse"),
        ([*slow_edges([[0, 0, 1]], N, R), (2, 2 * R, 2)], "and no others"),
        ([(1, 0, 1), *slow_edges([[0, 0, 1]], N, R)], "expected the inverse"),
    ],
)
def test_what_is_no_such_graph_is_refused(edges, message):
    with pytest.raises(ValueError, match=message):
        from_jraph(tuple_of(edges), R)


@pytest.mark.parametrize("relations", [None, np.zeros(1), np.zeros((1, 2), int)])
def test_edges_that_are_no_relations_are_refused(relations):
    with pytest.raises(ValueError, match=r"edges: found .*, expected whole numbers, one per edge"):
        from_jraph(tuple_of([[0, 0, 1]])._replace(edges=relations), R)


def test_as_many_ends_and_relations_as_edges_are_asked_for():
    with pytest.raises(ValueError, match="expected equally many"):
        from_jraph(tuple_of([[0, 0, 1]])._replace(edges=np.zeros(2, int)), R)
    with pytest.raises(ValueError, match="3 as n_edge"):
        from_jraph(tuple_of([[0, 0, 1]])._replace(n_edge=np.array([3])), R)


def jraph_scores(p, aggregate, graph, head, asked):
    """Return the scores float32[N] of a query by layers that are Jraph's networks.

    Args:
        p: Parameters as of `RelationalModel`, activation tanh, attention and gate as published.
        aggregate: Jraph's function that makes of messages what arrives.
        graph: As `to_jraph` gives it.
        head: The query's entity.
        asked: Its relation.
    """
    # Messages of what is not reached go to one more node, of which nothing is read.
    states, reached = jnp.zeros((N + 1, D)), jnp.arange(N) == head
    for layer in range(L):

        def send(relations, sender, receiver, _, layer=layer):
            embeddings = p["relation"][layer]
            hidden = sender @ p["attention_source"][layer] + p["attention_bias"][layer][None]
            hidden += embeddings[relations] @ p["attention_relation"][layer]
            hidden += (embeddings[asked] @ p["attention_query"][layer])[None]
            out = jax.nn.relu(hidden) @ p["attention_out"][layer] + p["attention_out_bias"][layer]
            return jax.nn.sigmoid(out)[:, None] * (sender + embeddings[relations])

        def become(node, sent, received, _, layer=layer):
            x = jnp.tanh(received @ p["message"][layer])
            of_input = jnp.split(x @ p["gate_input"] + p["gate_input_bias"][None], 3, axis=1)
            of_state = jnp.split(node @ p["gate_hidden"] + p["gate_hidden_bias"][None], 3, axis=1)
            reset, update = (jax.nn.sigmoid(of_input[i] + of_state[i]) for i in range(2))
            return (1 - update) * jnp.tanh(of_input[2] + reset * of_state[2]) + update * node

        travels = reached[graph.senders]
        receivers = jnp.where(travels, graph.receivers, N)
        step = graph._replace(nodes=states, receivers=receivers, n_node=jnp.array([N + 1]))
        network = jraph.GraphNetwork(send, become, aggregate_edges_for_nodes_fn=aggregate)
        reached = jraph.segment_max(travels.astype(jnp.int32), graph.receivers, N) > 0
        states = jnp.where(jnp.append(reached, False)[:, None], network(step).nodes, 0.0)
    return states[:N] @ p["score"]


def largest(messages, receivers, num_nodes):
    return jraph.segment_max_or_constant(messages, receivers, num_nodes, constant=0.0)


@pytest.mark.parametrize(
    ("aggregation", "aggregate"),
    [("sum", jraph.segment_sum), ("mean", jraph.segment_mean), ("max", largest)],
)
def test_layers_by_jraph_give_the_scores_of_both_regimes(aggregation, aggregate):
    offered = Offered(("tanh",), aggregations=(aggregation,), attention_dims=(3,))
    shapes = jax.eval_shape(RelationalModel(R, L, D, offered).init, jax.random.key(0))["params"]
    layer = only_layer(offered)
    sizes = Sizes((QUERIES, *[QUERIES * N] * L), (64 * QUERIES,) * L)

    @jax.jit
    def by_jraph(parameters, handed, heads, asked):
        return jax.vmap(lambda *query: jraph_scores(parameters, aggregate, handed, *query))(
            heads, asked
        )

    @jax.jit
    def dense(parameters, graph, heads, asked):
        return dense_layers.propagate(layer, parameters, graph, heads, asked, keep_all)[0]

    @jax.jit
    def over_frontier(parameters, frontier):
        scores, _ = frontier_layers.propagate(layer, parameters, frontier, keep_all)
        everything = jnp.zeros((QUERIES, N))
        return everything.at[frontier.queries, frontier.entities].set(scores, mode="drop")

    for seed in range(5):
        rng = np.random.default_rng(seed)
        graph = relational_graph(rng.integers(0, (N, R, N), (7, 3)), N, R)
        heads, asked = rng.integers(0, N, QUERIES), rng.integers(0, 2 * R, QUERIES)
        parameters = {
            name: rng.normal(0, 0.7, leaf.shape).astype(np.float32) for name, leaf in shapes.items()
        }
        expected = by_jraph(parameters, to_jraph(graph), heads, asked)
        found = dense(parameters, dense_graph(graph), heads, asked)
        np.testing.assert_allclose(found, expected, rtol=1e-4, atol=1e-5)
        frontier = pad(Expander(graph, L).expand(heads), sizes, asked, N)
        found = over_frontier(parameters, frontier)
        np.testing.assert_allclose(found, expected, rtol=1e-4, atol=1e-5)
        assert (np.abs(expected) > 1e-3).sum() > QUERIES
