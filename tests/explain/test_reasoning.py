import json

from kapl_jax.explain.reasoning import (
    FittingRule,
    NamedEdge,
    explain_answer,
    path_text,
    read_explained,
)
from tests.explain.family_example import NAMES, family_explanation, family_trace


def test_an_answer_is_explained_by_name():
    found = explain_answer(family_trace(), 2, NAMES)
    assert found["query"] == {"entity": "ann", "relation": "aunt"}
    assert (found["answer"], found["score"]) == ("carl", 2.5)
    assert [len(layer) for layer in found["layers"]] == [3, 3, 2]
    first = found["paths"][0]
    assert first["steps"] == [["ann", "father^-1", "bea"], ["bea", "sister", "carl"]]
    assert first["walk"][-1] == ["carl", "stays", "carl"]
    assert first["walks"] == 2


def test_edges_are_cut_and_counted():
    found = explain_answer(family_trace(), 2, NAMES, most_edges=1, most_paths=2)
    walk = found["paths"][0]["walk"]
    assert [[list(edge.values())[:3] for edge in layer] for layer in found["layers"]] == [
        [step] for step in walk
    ]
    assert found["left_out"] == [2, 2, 1]
    assert len(found["paths"]) == 2


def test_what_is_written_is_read_again():
    entries = json.loads(json.dumps(family_explanation()["answers"][:2]))
    carl, dora = read_explained(entries)
    assert carl.title == "ann -aunt-> carl"
    assert NamedEdge("carl", "stays", "carl", 0.75) in carl.layers[2]
    assert carl.rules == (FittingRule("aunt(X, Y) <- father(Z1, X), sister(Z1, Y)", 0.25),)
    assert path_text("ann", carl.paths[0]) == "ann -father^-1-> bea -sister-> carl (0.54, 2 walks)"
    assert dora.is_reached
    assert read_explained(None) == []


def test_an_answer_out_of_reach_has_layers_without_edges():
    (found,) = read_explained([explain_answer(family_trace(), 0, NAMES)])
    assert (found.layers, found.paths, found.is_reached) == (((), (), ()), (), False)
