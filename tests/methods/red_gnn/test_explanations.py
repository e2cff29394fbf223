"""Paths and rules of a model, on a graph in which a rule is planted."""

from __future__ import annotations

import dataclasses
import functools

import jax
import numpy as np
import pytest

from kapl_jax.data.knowledge_graph import KnowledgeGraph
from kapl_jax.data.reasoning import ReasoningData
from kapl_jax.errors import UserError
from kapl_jax.explain.reasoning import FittingRule, NamedQuery
from kapl_jax.explain.rules import Rule, RuleRanking
from kapl_jax.methods.answers import Query
from kapl_jax.methods.red_gnn.explanations import (
    RedGNNExplainer,
    example_answers,
    mined_rules,
    rules_metrics,
)
from kapl_jax.methods.red_gnn.tasks import make_tasks
from kapl_jax.methods.red_gnn.trained import TrainedRedGNN
from kapl_jax.relational.choices import Offered
from kapl_jax.relational.parameters import RelationalModel
from tests.methods.red_gnn.tiny import trained_model

pytestmark = pytest.mark.usefixtures("compiled_plainly")
FAMILIES = 9
# grandparent(X, Y) <- parent(X, Z), parent(Z, Y) written with two relations.
FATHER, MOTHER, GRANDFATHER = range(3)
PLANTED = Rule(GRANDFATHER, (FATHER, MOTHER))
PLANTED_TEXT = "grandfather(X, Y) <- father(X, Z1), mother(Z1, Y)"


def families(first, count):
    """Return the triples of families: (grandfather, daughter, child) each."""
    people = 3 * np.arange(first, first + count)
    return np.stack([people, people + 1, people + 2], axis=1)


def triples(relation, source, target, people):
    return np.stack(
        [people[:, source], np.full(len(people), relation), people[:, target]], axis=1
    ).astype(np.int32)


def graph(name, letters=("g", "d", "c")):
    """Return families of which the last four's grandfathers are to be found."""
    people = families(0, FAMILIES)
    known, asked = people[:-4], people[-4:]
    return KnowledgeGraph(
        name,
        tuple(f"{letters[index % 3]}{index // 3}" for index in range(3 * FAMILIES)),
        ("father", "mother", "grandfather"),
        np.concatenate([triples(FATHER, 0, 1, people), triples(MOTHER, 1, 2, people)]),
        triples(GRANDFATHER, 0, 2, known),
        triples(GRANDFATHER, 0, 2, asked[:2]),
        triples(GRANDFATHER, 0, 2, asked[2:]),
    )


@functools.cache
def trained(inductive=False):
    second = graph("families_ind", ("k", "l", "m")) if inductive else None
    data = ReasoningData("families", graph("families"), second, ())
    model = RelationalModel(3, 2, 4, Offered(attention_dims=(2,)))
    parameters = model.init(jax.random.key(1))["params"]
    return TrainedRedGNN(trained_model(make_tasks(data, 3), parameters))


@functools.cache
def mined(most=100):
    return mined_rules(trained().graphs[-1].reasoner, trained().tasks, most)


def test_the_planted_rule_is_found_and_nothing_else():
    # From a grandfather to his grandchild there is one way of two steps.
    (found,) = mined()
    assert found.rule == PLANTED
    # Two validation triples, asked both ways.
    assert found.found.answers == 4
    # All nine families satisfy the body, the five known ones the head.
    assert (found.measures.support, found.measures.body_pairs) == (FAMILIES - 4, FAMILIES)
    np.testing.assert_allclose(found.measures.confidence, 5 / 9)
    assert found.measures.head_coverage == 1.0


@pytest.mark.parametrize("most", [1, 3])
def test_no_more_answers_are_explained_than_asked_for(most):
    (found,) = mined(most)
    assert found.found.answers == most


def test_the_planted_rule_alone_answers_all_test_queries():
    metrics = rules_metrics(trained().tasks, mined())
    assert metrics["mrr"] == 1.0
    assert metrics["hits_at_1"] == 1.0


def test_no_rules_or_wrong_ones_answer_nothing():
    # All entities but the known answers are level, so the ranks are in the middle.
    assert rules_metrics(trained().tasks, [])["mrr"] < 0.2
    wrong = dataclasses.replace(
        mined()[0], found=dataclasses.replace(mined()[0].found, rule=Rule(GRANDFATHER, (MOTHER,)))
    )
    assert rules_metrics(trained().tasks, [wrong])["mrr"] < 0.2


def test_rules_of_the_first_graph_answer_on_the_second():
    pair = trained(inductive=True)
    rules = mined_rules(pair.graphs[-1].reasoner, pair.tasks, 100)
    # Here the validation triples are learnt from, too.
    assert [(one.rule, one.measures.support) for one in rules] == [(PLANTED, FAMILIES - 2)]
    assert rules_metrics(pair.tasks, rules)["mrr"] == 1.0


def test_rules_for_results_are_in_names():
    found = RedGNNExplainer(trained()).rules(100)
    assert found.mrr == RuleRanking(rules=1.0)
    (row,) = found.table
    assert row.rule == PLANTED_TEXT
    assert row.relation == "grandfather"
    assert row.support == FAMILIES - 4


def test_an_answer_is_explained_by_its_path_and_the_rule():
    explainer = RedGNNExplainer(trained())
    query = Query("g8", "grandfather", None, "here")
    found = explainer.explain(query, "c8", 1)
    assert found.query == NamedQuery("g8", "grandfather")
    (entry,) = found.answers
    assert entry.answer == "c8"
    (path,) = entry.paths
    assert path.steps == (("g8", "father", "d8"), ("d8", "mother", "c8"))
    assert entry.rules == (FittingRule(PLANTED_TEXT, 5 / 9),)


def test_a_query_for_heads_is_explained_from_the_tail():
    query = Query(None, "grandfather", "c8", "here")
    found = RedGNNExplainer(trained()).explain(query, "g8", 1)
    assert found.query == NamedQuery("c8", "grandfather^-1")
    (entry,) = found.answers
    (path,) = entry.paths
    assert path.steps == (("c8", "mother^-1", "d8"), ("d8", "father^-1", "g8"))
    assert [one.rule for one in entry.rules] == [PLANTED_TEXT]


def test_without_an_answer_the_best_are_explained():
    query = Query("g8", "grandfather", None, "here")
    found = RedGNNExplainer(trained()).explain(query, None, 3)
    asked = trained().graphs[0]
    (scores,), (reached,) = asked.reasoner.scores(np.array([24]), np.array([GRANDFATHER]))
    best = np.argsort(np.where(reached, -scores, np.inf), kind="stable")[:3]
    names = [asked.names.entities[entity] for entity in best]
    assert [entry.answer for entry in found.answers] == names
    np.testing.assert_allclose([entry.score for entry in found.answers], scores[best], rtol=1e-5)


def test_an_answer_out_of_reach_has_no_path():
    query = Query("g8", "grandfather", None, "here")
    (entry,) = RedGNNExplainer(trained()).explain(query, "c0", 1).answers
    assert entry.paths == entry.rules == ()
    assert entry.score == 0.0
    assert entry.rank is None


def test_explanations_of_an_inductive_pair_are_of_the_graph_that_has_the_entity():
    explainer = RedGNNExplainer(trained(inductive=True))
    found = explainer.explain(Query("k8", "grandfather", None, "here"), "m8", 1)
    (entry,) = found.answers
    assert entry.paths[0].steps == (("k8", "father", "l8"), ("l8", "mother", "m8"))
    # Confidence is measured on what was learnt from: the first graph.
    assert entry.rules == (FittingRule(PLANTED_TEXT, 7 / 9),)
    with pytest.raises(UserError, match="unknown entity 'c8'"):
        explainer.explain(Query("k8", "grandfather", None, "here"), "c8", 1)


@pytest.mark.parametrize("inductive", [False, True])
def test_examples_are_of_test_queries_of_different_relations(inductive):
    one = trained(inductive)
    found = example_answers(one, 5)
    # Grandfathers are asked for both ways, nothing else is.
    assert {entry.query.relation for entry in found} == {"grandfather", "grandfather^-1"}
    assert len(found) == 2
    tested = one.graphs[0].graph
    asked = tested.test if not inductive else np.concatenate([tested.valid, tested.test])
    names = {tested.entities[entity] for entity in asked[:, [0, 2]].ravel()}
    assert {entry.query.entity for entry in found} <= names
    assert len(example_answers(one, 1)) == 1
