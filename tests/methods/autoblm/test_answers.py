from __future__ import annotations

import functools
from pathlib import Path

import jax
import numpy as np
import pytest

from kapl_jax.data.knowledge_graph import load_knowledge_graph
from kapl_jax.errors import UserError
from kapl_jax.methods.answers import Query
from kapl_jax.methods.autoblm import answers as module
from kapl_jax.methods.autoblm.answers import AutoBLMAnswerer
from kapl_jax.methods.autoblm.method import AUTOBLM
from kapl_jax.methods.autoblm.settings import AutoBLMSettings
from kapl_jax.methods.models import ModelStore
from kapl_jax.methods.trained import TrainedModel, load_trained
from kapl_jax.methods.trained_on import DataSource
from kapl_jax.runs.run_directory import Run
from tests.methods.autoblm.tiny import (
    ENTITIES,
    RELATIONS,
    STRUCTURE,
    slow_scores,
    tiny_graph,
    write_tiny_graph,
)
from tests.methods.best_answers import assert_best_answers

pytestmark = pytest.mark.usefixtures("compiled_plainly")


SETTINGS = {"embedding_dim": 8, "final_embedding_dim": 8}


def make_parameters(reciprocal):
    rng = np.random.default_rng(1)
    rows = {"entity": ENTITIES, "relation": RELATIONS * (2 if reciprocal else 1)}
    return {name: rng.normal(size=(n, 8)).astype(np.float32) for name, n in rows.items()}


def make_variables(reciprocal):
    return {"params": make_parameters(reciprocal)}


@functools.cache
def answerer(reciprocal=False):
    settings = AutoBLMSettings(**SETTINGS, reciprocal=reciprocal)
    variables = make_variables(reciprocal)
    return AutoBLMAnswerer(TrainedModel(AUTOBLM, settings, tiny_graph(), STRUCTURE, variables))


def name(entity):
    return f"entity_{entity}"


def tail_query(head, relation):
    return Query(name(head), f"relation_{relation}", None, "here")


def head_query(relation, tail):
    return Query(None, f"relation_{relation}", name(tail), "here")


@pytest.mark.parametrize("reciprocal", [False, True])
def test_answers_equal_brute_force(reciprocal):
    scores = slow_scores(STRUCTURE, make_parameters(reciprocal), reciprocal)
    queries = [tail_query(2, 1), head_query(0, 3), tail_query(2, 0)]
    expected = [scores(2, 1, 0)[0], scores(0, 0, 3)[1], scores(2, 0, 0)[0]]
    found = answerer(reciprocal).answer(queries, 5)
    for one, right in zip(found, expected, strict=True):
        assert len(one.best) == 5
        assert_best_answers(one, right)


def test_more_answers_than_entities():
    (found,) = answerer().answer([tail_query(0, 0)], 10**6)
    assert sorted(answer.entity for answer in found.best) == sorted(map(name, range(ENTITIES)))
    np.testing.assert_allclose(sum(answer.probability for answer in found.best), 1, rtol=1e-5)


def test_known_answers_name_their_split():
    graph = tiny_graph()
    for split in ("train", "valid", "test"):
        head, relation, tail = getattr(graph, split)[0].tolist()
        tails, heads = answerer().answer(
            [tail_query(head, relation), head_query(relation, tail)], 12
        )
        assert {one.entity: one.known for one in tails.best}[name(tail)] == split
        assert {one.entity: one.known for one in heads.best}[name(head)] == split
    triples = np.concatenate([graph.train, graph.valid, graph.test])
    known = {tail for head, relation, tail in triples.tolist() if (head, relation) == (0, 0)}
    (found,) = answerer().answer([tail_query(0, 0)], 12)
    assert {one.entity for one in found.best if one.known} == {name(entity) for entity in known}


def test_many_queries_are_answered_in_parts(monkeypatch):
    queries = [tail_query(head, relation) for head in range(5) for relation in range(3)]
    monkeypatch.setattr(module, "_QUERIES_AT_ONCE", 4)
    found = answerer().answer(queries, 3)
    assert [len(answers.best) for answers in found] == [3] * 15
    scores = slow_scores(STRUCTURE, make_parameters(False))
    for index, answers in enumerate(found):
        assert_best_answers(answers, scores(index // 3, index % 3, 0)[0])
    assert answerer().answer([], 3) == []


def test_unknown_names_give_the_nearest():
    with pytest.raises(
        UserError, match=r"here: found unknown entity 'entity_100' .*mean 'entity_10'"
    ):
        answerer().answer([Query("entity_100", "relation_0", None, "here")], 3)
    with pytest.raises(UserError, match=r"unknown relation 'relation' .*mean 'relation_"):
        answerer().answer([Query(None, "relation", "entity_1", "here")], 3)


def make_run(folder: Path, dataset: Path, **changes) -> Run:
    described = {"structure": STRUCTURE.tolist()}
    ModelStore(folder / "checkpoints").keep_best(make_variables(False), described)
    settings = {"dataset": str(dataset), **SETTINGS}
    recorded = {**load_knowledge_graph(str(dataset)).describe(), **changes}
    return Run(folder, {"settings": settings, "dataset": recorded}, [], {})


def load(run: Run) -> AutoBLMAnswerer:
    return AutoBLMAnswerer(load_trained(AUTOBLM, run, DataSource()))


def assert_answers_as_trained(found: AutoBLMAnswerer) -> None:
    """Check it against the scores of the model that the run was given.

    Rows of tables are in the order in which the graph as read has the names.
    """
    rows = [found.graph.entities.index(name(entity)) for entity in range(ENTITIES)]
    relations = [found.graph.relations.index(f"relation_{number}") for number in range(RELATIONS)]
    scores = slow_scores(STRUCTURE, make_parameters(False))
    expected = [
        scores(rows[2], relations[1], 0)[0][rows],
        scores(0, relations[0], rows[3])[1][rows],
    ]
    answers = found.answer([tail_query(2, 1), head_query(0, 3)], ENTITIES)
    for one, right in zip(answers, expected, strict=True):
        assert_best_answers(one, right)


def test_a_run_gives_its_best_model(tmp_path):
    run = make_run(tmp_path / "run", write_tiny_graph(tmp_path / "graph"))
    model = load_trained(AUTOBLM, run, DataSource())
    assert model.data.num_entities == ENTITIES
    np.testing.assert_array_equal(model.structure, STRUCTURE)
    jax.tree.map(np.testing.assert_array_equal, model.variables, make_variables(False))
    assert_answers_as_trained(AutoBLMAnswerer(model))


def test_another_graph_of_the_same_counts_is_refused(tmp_path):
    """Its entities may be numbered otherwise: every answer would be wrong."""
    folder = write_tiny_graph(tmp_path / "graph")
    run = make_run(tmp_path / "run", folder)
    lines = (folder / "train.txt").read_text().splitlines()
    (folder / "train.txt").write_text("\n".join([*lines[1:], lines[0]]) + "\n")
    expected = r"another knowledge graph than graph as found now \(dataset of the same counts, but"
    with pytest.raises(UserError, match=expected) as caught:
        load(run)
    assert "\n" not in str(caught.value)


def test_a_graph_under_another_name_is_the_same(tmp_path):
    run = make_run(tmp_path / "run", write_tiny_graph(tmp_path / "graph"), name="earlier name")
    assert run.config["dataset"]["name"] != load_knowledge_graph(str(tmp_path / "graph")).name
    assert_answers_as_trained(load(run))


def test_a_run_without_a_model(tmp_path):
    run = Run(tmp_path, {"settings": {"dataset": "umls"}, "dataset": {}}, [], None)
    with pytest.raises(UserError, match="there is no model;"):
        load(run)
