from __future__ import annotations

import dataclasses
import json

from kapl_jax.data.reasoning import ReasoningData
from kapl_jax.methods.graphs import describe_graph
from kapl_jax.methods.reasoning_data import describe_reasoning_data
from tests.methods.autoblm.tiny import tiny_graph


def pair():
    first = tiny_graph()
    second = dataclasses.replace(
        first, name="second", entities=first.entities[::-1], valid=first.valid[:5]
    )
    return ReasoningData("tiny", first, second, ())


def test_a_graph_alone_is_described_as_everywhere():
    graph = tiny_graph()
    alone = ReasoningData("tiny", graph, None, ())
    assert describe_reasoning_data(alone) == describe_graph(graph)


def test_counts_of_the_second_graph():
    found = describe_reasoning_data(pair())
    first = describe_graph(pair().graph)
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
    digests = {describe_reasoning_data(one)["digest"] for one in all_of_them}
    assert len(digests) == len(all_of_them)
    assert describe_reasoning_data(pair())["digest"] == describe_reasoning_data(data)["digest"]
