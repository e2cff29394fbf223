import json

import pytest

from kapl_jax.errors import UserError
from kapl_jax.explain.query_explanation import QueryExplanation
from kapl_jax.explain.reasoning import (
    AnswerExplanation,
    FittingRule,
    NamedEdge,
    NamedPath,
    NamedQuery,
    explain_answer,
)
from tests.explain.family_example import NAMES, family_explanation, family_trace


def test_an_answer_is_explained_by_name():
    found = explain_answer(family_trace(), 2, NAMES)
    assert found.query == NamedQuery("ann", "aunt")
    assert (found.answer, found.score, found.rank) == ("carl", 2.5, 1)
    assert found.title == "ann -aunt-> carl"
    assert [len(layer) for layer in found.layers] == [3, 3, 2]
    assert NamedEdge("carl", "stays", "carl", 0.75) in found.layers[2]
    first = found.paths[0]
    assert first.steps == (("ann", "father^-1", "bea"), ("bea", "sister", "carl"))
    assert first.walk[-1] == ("carl", "stays", "carl")
    assert first.walks == 2
    assert first.text("ann") == "ann -father^-1-> bea -sister-> carl (0.54, 2 walks)"


def test_edges_are_cut_and_counted():
    found = explain_answer(family_trace(), 2, NAMES, most_edges=1, most_paths=2)
    walk = found.paths[0].walk
    assert [[edge.step for edge in layer] for layer in found.layers] == [[step] for step in walk]
    assert found.left_out == (2, 2, 1)
    assert len(found.paths) == 2


def test_an_answer_out_of_reach_has_layers_without_edges():
    found = explain_answer(family_trace(), 0, NAMES)
    assert (found.layers, found.paths, found.is_reached) == (((), (), ()), (), False)
    assert found.rank is None


def test_what_is_written_is_read_again():
    explanation = family_explanation()
    written = json.loads(json.dumps(explanation.to_json()))
    assert QueryExplanation.from_json(written) == explanation
    carl = written["answers"][0]
    assert carl["query"] == written["query"] == {"entity": "ann", "relation": "aunt"}
    edge = {"source": "carl", "relation": "stays", "target": "carl", "weight": 0.75}
    assert edge in carl["layers"][2]
    steps = [["ann", "father^-1", "bea"], ["bea", "sister", "carl"]]
    assert carl["paths"][0]["steps"] == steps
    rule = {"rule": "aunt(X, Y) <- father(Z1, X), sister(Z1, Y)", "confidence": 0.25}
    assert carl["rules"] == [rule]


def test_earlier_explanations_with_less_to_say_are_read():
    entry = {"query": {"entity": "a", "relation": "r"}, "answer": "b"}
    assert AnswerExplanation.from_json(entry) == AnswerExplanation(NamedQuery("a", "r"), "b")
    steps = [["a", "r", "b"]]
    edge = {"source": "a", "relation": "r", "target": "b", "weight": 1}
    paths = [{"steps": steps, "weight": 0.5}]
    rules = [{"rule": "r(X, Y) <- r(Y, X)", "confidence": None}]
    found = AnswerExplanation.from_json(
        {**entry, "layers": [[edge]], "paths": paths, "rules": rules}
    )
    (path,) = found.paths
    assert path == NamedPath(steps=(("a", "r", "b"),), weight=0.5)
    assert path.strongest_walk == path.steps
    assert found.is_drawable
    assert found.rules == (FittingRule("r(X, Y) <- r(Y, X)", None),)


def test_only_a_whole_walk_over_edges_is_drawn():
    carl, dora, bea = family_explanation().answers
    assert carl.is_drawable
    assert dora.is_drawable
    assert not bea.is_drawable
    shorter = NamedPath(steps=carl.paths[0].steps, weight=0.5)
    elsewhere = NamedPath(steps=(), walk=(("ann", "stays", "x"),) * 3, weight=0.5)
    for path in (shorter, elsewhere):
        found = AnswerExplanation(carl.query, "carl", layers=carl.layers, paths=(path,))
        assert not found.is_drawable


@pytest.mark.parametrize(
    ("changes", "said"),
    [
        ({"score": "high"}, "r.json: a[0].score: found text, expected a number"),
        ({"rank": 1.5}, "r.json: a[0].rank: found a number, expected a whole number"),
        ({"query": {"entity": "a"}}, "r.json: a[0].query.relation: missing"),
        (
            {"paths": [{"steps": [["a", "r"]], "weight": 1}]},
            "r.json: a[0].paths[0].steps[0]: found a list of 2, expected one of 3",
        ),
        ({"layers": [{}]}, "r.json: a[0].layers[0]: found an object, expected a list"),
    ],
)
def test_what_cannot_be_read_is_one_line(changes, said):
    entry = {"query": {"entity": "a", "relation": "r"}, "answer": "b", **changes}
    with pytest.raises(UserError) as caught:
        AnswerExplanation.from_json(entry, "r.json: a[0]")
    assert str(caught.value) == said
