from __future__ import annotations

import dataclasses
import json

import numpy as np

from kapl_jax.methods.graphs import describe_graph
from tests.methods.autoblm.tiny import tiny_graph


def test_counts():
    graph = tiny_graph()
    split = dataclasses.replace(graph, facts=graph.train[:5], train=graph.train[5:])
    for one in (graph, split):
        found = describe_graph(one)
        counts = [found[name] for name in ("entities", "relations", "train", "valid", "test")]
        assert counts == [12, 3, 40, 12, 12]
        json.dumps(found)


def test_the_digest_tells_graphs_of_equal_counts_apart():
    graph = tiny_graph()
    swapped = graph.train.copy()
    swapped[0, 0] = (swapped[0, 0] + 1) % 12
    different = [
        graph,
        dataclasses.replace(graph, entities=graph.entities[::-1]),
        dataclasses.replace(graph, relations=graph.relations[::-1]),
        dataclasses.replace(graph, train=swapped),
        dataclasses.replace(graph, valid=graph.test, test=graph.valid),
        dataclasses.replace(graph, test=graph.test[::-1]),
    ]
    assert len({describe_graph(one)["digest"] for one in different}) == len(different)


def test_the_digest_is_of_contents_alone():
    graph = tiny_graph()
    same = dataclasses.replace(graph, name="other", train=np.array(graph.train), warnings=("odd",))
    assert describe_graph(same)["digest"] == describe_graph(graph)["digest"]
