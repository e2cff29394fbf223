"""Which triples are edges and which are asked."""

from __future__ import annotations

import dataclasses

import numpy as np
import pytest

from kapl_jax.methods.red_gnn.tasks import split_pool
from kapl_jax.relational.graph import with_inverses
from tests.methods.red_gnn.tiny import ASKED, RELATIONS, tiny_data, tiny_tasks


def rows(triples):
    return sorted(map(tuple, np.asarray(triples).tolist()))


def forward(graph):
    """Return the triples that a graph was made of."""
    edges = np.stack([graph.sources, graph.relations, graph.targets], axis=1)
    return rows(edges[graph.relations < graph.num_relations])


def queries_of(asked):
    """Return the triples that batches of queries ask, by their position in the list."""
    queries, answers, found = asked.queries, asked.queries.answers, {}
    for batch, positions in enumerate(answers.position.tolist()):
        for index, position in enumerate(positions):
            if position >= 0:
                query = answers.query[batch, index]
                found[position] = (
                    int(queries.heads[batch, query]),
                    int(queries.relations[batch, query]),
                    int(answers.entity[batch, index]),
                )
    return [found[position] for position in range(len(found))]


def known_of(asked):
    """Return all that is filtered, as triples."""
    queries, answers, found = asked.queries, asked.queries.answers, set()
    for batch, rows in enumerate(answers.known_query.tolist()):
        for query, entity in zip(rows, answers.known_entity[batch].tolist(), strict=True):
            if query < ASKED:
                head, relation = queries.heads[batch, query], queries.relations[batch, query]
                found.add((int(head), int(relation), entity))
    return found


@pytest.mark.parametrize("epoch", range(4))
def test_edges_and_queries_of_an_epoch_make_up_the_pool(epoch):
    tasks = tiny_tasks()
    graph, queries = split_pool(tasks, 0.75, 0, epoch)
    asked = queries[queries[:, 1] < RELATIONS]
    assert not set(forward(graph)) & set(rows(asked))
    assert sorted(forward(graph) + rows(asked)) == rows(tasks.pool)
    assert len(asked) == len(tasks.pool) - int(0.75 * len(tasks.pool))
    # Both ways.
    assert rows(queries) == rows(with_inverses(asked, RELATIONS))


def test_the_split_follows_from_seed_and_epoch():
    tasks = tiny_tasks()
    splits = {key: split_pool(tasks, 0.75, *key) for key in ((0, 0), (0, 1), (1, 0), (1, 1))}
    for key, (graph, queries) in splits.items():
        again_graph, again_queries = split_pool(tasks, 0.75, *key)
        np.testing.assert_array_equal(queries, again_queries)
        np.testing.assert_array_equal(graph.targets, again_graph.targets)
    assert len({tuple(forward(graph)) for graph, _ in splits.values()}) == 4


def test_queries_of_both_directions_are_mixed():
    _, queries = split_pool(tiny_tasks(), 0.25, 0, 0)
    backward = queries[:, 1] >= RELATIONS
    assert np.flatnonzero(np.diff(backward)).size > 1


@pytest.mark.parametrize("share", [1e-6, 1 - 1e-6])
def test_there_is_always_an_edge_and_a_query(share):
    tasks = dataclasses.replace(tiny_tasks(), pool=tiny_tasks().pool[:2])
    graph, queries = split_pool(tasks, share, 0, 0)
    assert len(forward(graph)) == 1
    assert len(queries) == 2


def test_one_graph_is_asked_about_all_that_is_known_before():
    data, tasks = tiny_data().graph, tiny_tasks()
    assert rows(tasks.pool) == rows(data.training_triples)
    known = rows(np.concatenate([data.training_triples, data.valid, data.test]))
    for asked, triples in ((tasks.valid, data.valid), (tasks.test, data.test)):
        assert forward(asked.graph) == rows(data.training_triples)
        np.testing.assert_array_equal(asked.triples, triples)
        expected = with_inverses(triples, RELATIONS)
        assert queries_of(asked) == list(map(tuple, expected.tolist()))
        everything = set(rows(with_inverses(np.array(known), RELATIONS)))
        queries = {(head, relation) for head, relation, _ in expected.tolist()}
        assert known_of(asked) == {one for one in everything if one[:2] in queries}
    assert {name: part.tolist() for name, part in tasks.test_files.items()} == {"test": [True] * 6}
    assert tasks.most_entities == tasks.num_entities == data.num_entities


def test_an_inductive_pair_learns_and_selects_on_the_first_and_is_tested_on_the_second():
    data, tasks = tiny_data(inductive=True), tiny_tasks(inductive=True)
    first, second = data.graph, data.inductive
    assert rows(tasks.pool) == rows(np.concatenate([first.training_triples, first.valid]))
    assert forward(tasks.valid.graph) == rows(tasks.pool)
    np.testing.assert_array_equal(tasks.valid.triples, first.test)
    assert tasks.valid.graph.num_entities == tasks.num_entities == first.num_entities
    assert forward(tasks.test.graph) == rows(second.training_triples)
    assert tasks.test.graph.num_entities == second.num_entities
    for name, part in tasks.test_files.items():
        np.testing.assert_array_equal(tasks.test.triples[part], getattr(second, name))
    assert list(tasks.test_files) == ["valid", "test"]
    assert tasks.most_entities == 12
    expected = with_inverses(tasks.test.triples, RELATIONS)
    assert queries_of(tasks.test) == list(map(tuple, expected.tolist()))
