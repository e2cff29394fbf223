"""Answers of a trained model: named, in order, of the graph that has the entity."""

from __future__ import annotations

import dataclasses
import functools
from pathlib import Path

import numpy as np
import pytest

from kapl_jax.data.reasoning import load_reasoning_data
from kapl_jax.errors import UserError
from kapl_jax.methods.answers import Query
from kapl_jax.methods.models import ModelStore
from kapl_jax.methods.red_gnn.answers import RedGNNAnswerer, ids_of
from kapl_jax.methods.red_gnn.method import RED_GNN
from kapl_jax.methods.red_gnn.trained import TrainedRedGNN
from kapl_jax.methods.trained import load_trained
from kapl_jax.methods.trained_on import DataSource
from kapl_jax.runs.run_directory import Run
from kapl_jax.runs.settings import identity
from tests.data.graph_folders import SPLITS, Graph, write_listed
from tests.methods.best_answers import assert_best_answers
from tests.methods.red_gnn.tiny import (
    ENTITIES,
    RELATIONS,
    SETTINGS,
    random_parameters,
    slow_scores,
    structure_made_of,
    tiny_data,
    tiny_tasks,
    trained_model,
)

pytestmark = pytest.mark.usefixtures("compiled_plainly")


@functools.cache
def answerer(inductive=False):
    return RedGNNAnswerer(TrainedRedGNN(trained_model(tiny_tasks(inductive), random_parameters())))


def expected_scores(triples, entities, entity, relation):
    """Return the slow scores of all entities."""
    return slow_scores(
        random_parameters(), structure_made_of(), triples, entities, [entity], [relation]
    )[0]


def tail_query(entity, relation, first="entity"):
    return Query(f"{first}_{entity}", f"relation_{relation}", None, "here")


def head_query(relation, entity, first="entity"):
    return Query(None, f"relation_{relation}", f"{first}_{entity}", "here")


def test_answers_to_both_kinds_of_queries_in_the_order_asked():
    queries = [tail_query(3, 1), head_query(1, 3), head_query(0, 7), tail_query(0, 0)]
    triples = tiny_data().graph.training_triples
    ids = [(3, 1), (3, 1 + RELATIONS), (7, RELATIONS), (0, 0)]
    found = answerer().answer(queries, 4)
    assert [len(one.best) for one in found] == [4, 4, 1, 4]  # entity_7 reaches nothing but itself
    for answers, (entity, relation) in zip(found, ids, strict=True):
        assert_best_answers(answers, expected_scores(triples, ENTITIES, entity, relation))


def test_known_triples_are_marked_with_their_split():
    graph = tiny_data().graph
    for split, triples in (("train", graph.facts), ("valid", graph.valid), ("test", graph.test)):
        head, relation, tail = triples[0].tolist()
        tails, heads = answerer().answer(
            [tail_query(head, relation), head_query(relation, tail)], ENTITIES
        )
        assert {one.entity: one.known for one in tails.best}[f"entity_{tail}"] == split
        assert {one.entity: one.known for one in heads.best}[f"entity_{head}"] == split


def test_more_queries_than_are_answered_at_once():
    queries = [tail_query(number % ENTITIES, number % RELATIONS) for number in range(40)]
    found = answerer().answer(queries, 2)
    triples = tiny_data().graph.training_triples
    for number, answers in enumerate(found):
        asked = number % ENTITIES, number % RELATIONS
        assert_best_answers(answers, expected_scores(triples, ENTITIES, *asked))


def test_an_inductive_pair_answers_on_the_graph_that_has_the_entity():
    data = tiny_data(inductive=True)
    queries = [tail_query(2, 0), tail_query(2, 0, "other"), head_query(1, 4, "other")]
    first, second, third = answerer(inductive=True).answer(queries, 3)
    pool = np.concatenate([data.graph.training_triples, data.graph.valid])
    known, size = data.inductive.training_triples, data.inductive.num_entities
    assert_best_answers(first, expected_scores(pool, ENTITIES, 2, 0))
    assert_best_answers(second, expected_scores(known, size, 2, 0), "other")
    assert_best_answers(third, expected_scores(known, size, 4, 1 + RELATIONS), "other")


def test_ids_of_a_query_for_heads_are_those_of_the_inverse():
    asked = answerer().trained.graphs[0]
    assert ids_of(asked, tail_query(3, 1)) == (3, 1)
    assert ids_of(asked, head_query(1, 3)) == (3, 1 + RELATIONS)


@pytest.mark.parametrize("inductive", [False, True])
def test_unknown_names_are_told_on_one_line(inductive):
    with pytest.raises(UserError, match=r"here: found unknown entity 'entity_100'") as caught:
        answerer(inductive).answer([tail_query(100, 0)], 3)
    assert "\n" not in str(caught.value)
    with pytest.raises(UserError, match="here: found unknown relation 'relation_7'"):
        answerer(inductive).answer([head_query(7, 1)], 3)


def make_run(folder: Path, dataset: Path) -> Run:
    record = trained_model(tiny_tasks(), random_parameters()).record
    ModelStore(folder / "checkpoints").keep_best({"params": random_parameters()}, record)
    settings = identity(dataclasses.replace(SETTINGS, dataset=str(dataset)))
    described = load_reasoning_data(str(dataset)).describe()
    return Run(folder, {"settings": settings, "dataset": described}, [], {})


def load(run: Run) -> RedGNNAnswerer:
    return RedGNNAnswerer(TrainedRedGNN(load_trained(RED_GNN, run, DataSource())))


def write_tiny_graph(folder: Path) -> Path:
    graph = tiny_data().graph
    splits = {name: getattr(graph, name).tolist() for name in SPLITS}
    return write_listed(folder, Graph(list(graph.entities), list(graph.relations), splits))


def test_a_run_gives_its_best_model(tmp_path):
    run = make_run(tmp_path / "run", write_tiny_graph(tmp_path / "graph"))
    queries = [tail_query(3, 1), head_query(0, 7)]
    found = load(run).answer(queries, 3)
    assert found == answerer().answer(queries, 3)


def test_another_graph_is_refused(tmp_path):
    folder = write_tiny_graph(tmp_path / "graph")
    run = make_run(tmp_path / "run", folder)
    lines = (folder / "train.txt").read_text().splitlines()
    (folder / "train.txt").write_text("\n".join(lines[1:]) + "\n")
    with pytest.raises(
        UserError, match="another knowledge graph than graph as found now"
    ) as caught:
        load(run)
    assert "\n" not in str(caught.value)


def test_a_run_without_a_model(tmp_path):
    run = Run(tmp_path, {"settings": {"dataset": "umls"}, "dataset": {}}, [], None)
    with pytest.raises(UserError, match="there is no model;"):
        load(run)
