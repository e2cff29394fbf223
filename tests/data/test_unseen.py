import numpy as np
import pytest

from kapl_jax.data.knowledge_graph import load_knowledge_graph
from kapl_jax.data.unseen import UNSEEN_ENTITIES
from tests.data.graph_folders import small_graph, write, write_listed, write_openke, write_plain
from tests.data.rating_folders import error_of


@pytest.fixture
def folder(tmp_path):
    """A plain graph whose validation and test have three entities that training lacks."""
    folder = write_plain(tmp_path / "toy", small_graph())
    write(folder / "valid.txt", ["ann\tlikes\tcid", "eve\tlikes\tfay", "ann\tknows\teve"])
    write(folder / "test.txt", ["cid\tlikes\tbob", "gus\tlikes\tann"])
    return folder


def load(folder, unseen):
    return load_knowledge_graph(str(folder), None, unseen)


def test_error_names_the_remedies(folder):
    assert error_of(load, folder, "error") == (
        f"{folder / 'valid.txt'}:2: found unknown entity 'eve', one of 3 in 3 triples of "
        "validation and test, expected one of the 3 in train.txt; list all in entities.txt and "
        "relations.txt, or --unseen_entities=keep or drop"
    )


def test_keep(folder):
    graph = load(folder, "keep")
    assert graph.entities == ("ann", "bob", "cid", "eve", "fay", "gus")
    np.testing.assert_array_equal(graph.valid, [[0, 0, 2], [3, 0, 4], [0, 1, 3]])
    np.testing.assert_array_equal(graph.test, [[2, 0, 1], [5, 0, 0]])
    (warning,) = graph.warnings
    assert warning == (
        f"{folder / 'valid.txt'}:2: 3 triples of validation and test with 3 entities that training "
        "lacks, kept; the first is 'eve' 'likes' 'fay'"
    )


def test_drop(folder):
    graph = load(folder, "drop")
    assert graph.entities == ("ann", "bob", "cid")
    np.testing.assert_array_equal(graph.valid, [[0, 0, 2]])
    np.testing.assert_array_equal(graph.test, [[2, 0, 1]])
    (warning,) = graph.warnings
    assert warning == (
        f"{folder / 'valid.txt'}:2: 3 triples of validation and test with names that training "
        "lacks, dropped; the first is 'eve' 'likes' 'fay'"
    )


@pytest.mark.parametrize("unseen", UNSEEN_ENTITIES)
def test_nothing_unseen(tmp_path, unseen):
    graph = load(write_plain(tmp_path / "toy", small_graph()), unseen)
    assert (len(graph.entities), graph.warnings) == (3, ())


def test_one_is_singular(folder):
    write(folder / "valid.txt", ["ann\tlikes\tcid"])
    assert "1 triple of validation and test with 1 entity that" in load(folder, "keep").warnings[0]


@pytest.mark.parametrize("unseen", ["error", "keep"])
def test_a_relation_that_is_never_trained_is_not_kept(folder, unseen):
    write(folder / "test.txt", ["ann\thates\tbob", "cid\tlikes\tbob"])
    assert error_of(load, folder, unseen) == (
        f"{folder / 'test.txt'}:1: found unknown relation 'hates', one of 1 in 1 triple of "
        "validation and test, expected one of the 2 in train.txt; --unseen_entities=drop"
    )
    graph = load(folder, "drop")
    assert graph.relations == ("likes", "knows")
    np.testing.assert_array_equal(graph.test, [[2, 0, 1]])


@pytest.mark.parametrize("split", ["valid", "test"])
def test_a_split_may_not_be_dropped_whole(folder, split):
    path = folder / f"{split}.txt"
    write(path, ["ann\tlikes\teve"])
    assert error_of(load, folder, "drop") == (
        f"{path}:1: found a name that training lacks, as in every triple here, expected some "
        "without"
    )


@pytest.mark.parametrize("writer", [write_listed, write_openke])
def test_what_is_listed_and_never_trained(tmp_path, writer):
    graph = small_graph()
    graph.entities.append("zoe")
    graph.splits["test"].append((3, 0, 0))
    folder = writer(tmp_path / "toy", graph)
    for unseen in ("error", "keep"):
        found = load(folder, unseen)
        assert (len(found.test), len(found.warnings)) == (2, 1)
    found = load(folder, "drop")
    assert (found.entities[-1], len(found.test)) == ("zoe", 1)
    assert "1 triple of validation and test with names that training lacks" in found.warnings[0]


def test_what_the_lists_lack(tmp_path):
    folder = write_listed(tmp_path / "toy", small_graph())
    write(folder / "test.txt", ["zoe\tlikes\tann"])
    assert load(folder, "keep").entities[-1] == "zoe"
    assert "found unknown entity 'zoe', one of 1 in 1 triple" in error_of(load, folder, "error")


def test_wn18rr_in_its_most_common_form(shared_data, tmp_path):
    """The plain files alone, made of those with lists: facts and train are what it trains on."""
    source = shared_data / "kg" / "WN18RR"
    if not source.is_dir():
        pytest.skip(f"WN18RR is not in {shared_data}")
    for split, parts in (("train", ("facts", "train")), ("valid", ("valid",)), ("test", ("test",))):
        joined = b"".join((source / f"{part}.txt").read_bytes() for part in parts)
        (tmp_path / f"{split}.txt").write_bytes(joined)
    assert "expected one of the 40559 in train.txt" in error_of(load, tmp_path, "error")
    kept, dropped = load(tmp_path, "keep"), load(tmp_path, "drop")
    listed = load(source, "error")
    assert set(kept.entities) == {
        listed.entities[entity]
        for split in (listed.facts, listed.train, listed.valid, listed.test)
        for entity in np.unique(split[:, [0, 2]])
    }
    assert (len(kept.valid), len(kept.test)) == (len(listed.valid), len(listed.test))
    assert (len(dropped.valid), len(dropped.test)) == (2824, 2924)
    assert len(dropped.entities) == 40559
