import dataclasses
import hashlib
from pathlib import Path

import numpy as np
import pytest

from kapl_jax.data.knowledge_graph import load_knowledge_graph
from kapl_jax.data.registry import DATASETS, find_dataset
from kapl_jax.errors import UserError
from tests.data.graph_folders import small_graph, write, write_listed, write_plain

DATA = Path(__file__).parents[2] / ".." / "shared" / "data"
EMBEDDED = Path(find_dataset("umls").embedded)


def test_facts_come_before_train(tmp_path):
    graph = load_knowledge_graph(str(write_listed(tmp_path / "toy", small_graph())))
    assert graph.name == "toy"
    assert graph.entities == ("ann", "bob", "cid")
    assert graph.relations == ("likes", "knows")
    assert (graph.num_entities, graph.num_relations) == (3, 2)
    np.testing.assert_array_equal(graph.training_triples, [[2, 1, 0], [0, 0, 1], [1, 1, 2]])
    np.testing.assert_array_equal(graph.valid, [[0, 0, 2]])
    np.testing.assert_array_equal(graph.test, [[2, 0, 1]])
    assert graph.training_triples.dtype == np.int32
    assert graph.warnings == ()


def test_no_facts_is_an_empty_array(tmp_path):
    graph = load_knowledge_graph(str(write_plain(tmp_path / "toy", small_graph())))
    assert graph.facts.shape == (0, 3)
    assert graph.facts.dtype == np.int32
    np.testing.assert_array_equal(graph.training_triples, graph.train)


def test_warnings_are_handed_on_and_duplicates_dropped(tmp_path):
    folder = write_plain(tmp_path / "toy", small_graph())
    write(folder / "valid.txt", ["ann\tlikes\tcid"] * 2)
    graph = load_knowledge_graph(str(folder))
    assert len(graph.valid) == 1
    (warning,) = graph.warnings
    assert warning.startswith(f"{folder / 'valid.txt'}:2: 1 triple duplicate, dropped")


def test_graph_is_frozen(tmp_path):
    graph = load_knowledge_graph(str(write_plain(tmp_path / "toy", small_graph())))
    with pytest.raises(dataclasses.FrozenInstanceError):
        graph.name = "other"


def test_unusable_data(tmp_path):
    folder = write_plain(tmp_path / "toy", small_graph())
    (folder / "test.txt").write_text("")
    with pytest.raises(UserError, match=r"test.txt:1: found an empty file"):
        load_knowledge_graph(str(folder))


def test_embedded_graph(cache):
    graph = load_knowledge_graph("umls")
    assert (graph.name, graph.num_entities, graph.num_relations) == ("umls", 135, 46)
    assert [len(split) for split in (graph.train, graph.valid, graph.test)] == [5216, 652, 661]
    assert graph.facts.shape == (0, 3)
    assert graph.warnings == ()


@pytest.mark.parametrize("split", ["train", "valid", "test"])
def test_embedded_files_are_those_of_their_provenance(split):
    digest = hashlib.sha256((EMBEDDED / f"{split}.txt").read_bytes()).hexdigest()
    provenance = (EMBEDDED / "PROVENANCE.md").read_text().splitlines()
    assert any(f"`{split}.txt`" in line and digest in line for line in provenance)


def test_licence_lies_beside_the_embedded_graph():
    assert (EMBEDDED / "LICENSE").read_text().startswith("MIT License")


@pytest.fixture
def real_data():
    if not (DATA / "kg").is_dir():
        pytest.skip("the real graphs are not in ../shared/data")
    return DATA


@pytest.mark.parametrize(
    ("name", "sizes"),
    [
        ("umls", (135, 46, 5327, 569, 633)),
        ("nations", (14, 55, 1592, 199, 201)),
        ("kinships", (104, 25, 8544, 1068, 1074)),
        ("family", (3007, 12, 23483, 2038, 2835)),
        ("WN18RR", (40943, 11, 86835, 3034, 3134)),
        ("FB15K237", (14541, 237, 272115, 17535, 20466)),
    ],
)
def test_real_graphs(real_data, name, sizes):
    graph = load_knowledge_graph(name.lower(), str(real_data))
    found = (graph.training_triples, graph.valid, graph.test)
    assert graph.name == name
    assert (graph.num_entities, graph.num_relations, *map(len, found)) == sizes


def test_triples_of_real_graphs_are_those_of_their_files(real_data):
    graph = load_knowledge_graph("WN18RR", str(real_data))
    head, relation, tail = graph.test[0]
    named = (graph.entities[head], graph.relations[relation], graph.entities[tail])
    assert named == ("06845599", "_member_of_domain_usage", "03754979")
    # 6180 2861 148 in the file: head, tail, relation.
    first = load_knowledge_graph("FB15K237", str(real_data)).test[0]
    np.testing.assert_array_equal(first, [6180, 148, 2861])


def test_untrained_entities_of_a_real_graph(real_data):
    (warning,) = load_knowledge_graph("FB15K237", str(real_data)).warnings
    assert "entity2id.txt:14507: 36 of 14541 entities never occur in training" in warning


@pytest.mark.parametrize("name", ["WN18RR_v1", "WN18RR_v1_ind", "fb237_v1", "nell_v1_ind"])
def test_lists_with_ids(real_data, name):
    folder = real_data / "kg-inductive" / name
    if not folder.is_dir():
        pytest.skip(f"{name} is not in ../shared/data")
    graph = load_knowledge_graph(str(folder))
    for kind, names in (("entities", graph.entities), ("relations", graph.relations)):
        lines = (folder / f"{kind}.txt").read_text().splitlines()
        assert lines == [f"{word}\t{number}" for number, word in enumerate(names)]


@pytest.mark.parametrize("dataset", DATASETS, ids=[dataset.name for dataset in DATASETS])
def test_checksums_of_the_registry(real_data, dataset):
    folder = real_data / dataset.folder / dataset.name
    if not folder.is_dir():
        pytest.skip(f"{dataset.name} is not in ../shared/data")
    for name, sha256 in dataset.sha256.items():
        content = (folder / name).read_bytes()
        assert hashlib.sha256(content).hexdigest() == sha256
