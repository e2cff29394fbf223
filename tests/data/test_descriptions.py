"""How graphs and pairs are recorded in a run: counts, and a digest that tells others apart."""

from __future__ import annotations

import dataclasses
import json

import numpy as np

from kapl_jax.data.reasoning import ReasoningData
from tests.methods.autoblm.tiny import tiny_graph


def pair():
    first = tiny_graph()
    second = dataclasses.replace(
        first, name="second", entities=first.entities[::-1], valid=first.valid[:5]
    )
    return ReasoningData("tiny", first, second, ())


def test_counts():
    graph = tiny_graph()
    split = dataclasses.replace(graph, facts=graph.train[:5], train=graph.train[5:])
    for one in (graph, split):
        found = one.describe()
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
    assert len({one.describe()["digest"] for one in different}) == len(different)


def test_the_digest_is_of_contents_alone():
    graph = tiny_graph()
    same = dataclasses.replace(graph, name="other", train=np.array(graph.train), warnings=("odd",))
    assert same.describe()["digest"] == graph.describe()["digest"]


def test_a_graph_alone_is_described_as_everywhere():
    graph = tiny_graph()
    assert ReasoningData("tiny", graph, None, ()).describe() == graph.describe()


def test_counts_of_the_second_graph():
    found = pair().describe()
    first = pair().graph.describe()
    assert {key: found[key] for key in first if key != "digest"} == {
        key: first[key] for key in first if key != "digest"
    }
    added = {key: found[key] for key in found.keys() - first.keys()}
    assert added == {
        "inductive_entities": 12,
        "inductive_train": 40,
        "inductive_valid": 5,
        "inductive_test": 12,
    }
    json.dumps(found)


def test_the_digest_is_of_both():
    data = pair()
    swapped = dataclasses.replace(data, graph=data.inductive, inductive=data.graph)
    other_second = dataclasses.replace(
        data, inductive=dataclasses.replace(data.inductive, test=data.inductive.test[::-1])
    )
    other_first = dataclasses.replace(
        data, graph=dataclasses.replace(data.graph, test=data.graph.test[::-1])
    )
    alone = dataclasses.replace(data, inductive=None)
    all_of_them = [data, swapped, other_second, other_first, alone]
    digests = {one.describe()["digest"] for one in all_of_them}
    assert len(digests) == len(all_of_them)
    assert pair().describe()["digest"] == data.describe()["digest"]
