import numpy as np
import pytest
from hypothesis import given

from kapl_jax.data.checks import check_graph
from kapl_jax.data.formats import read_graph
from kapl_jax.data.parsed_graph import Names, ParsedGraph, Split
from tests.data.graph_folders import graphs, small_graph, write, write_listed, write_openke


@pytest.fixture
def folder(tmp_path):
    return write_listed(tmp_path / "graph", small_graph())


def test_clean_graph_has_no_warnings(folder):
    parsed = read_graph(folder)
    checked = check_graph(parsed)
    assert checked.warnings == ()
    np.testing.assert_array_equal(checked.graph.train.triples, parsed.train.triples)


@pytest.mark.parametrize("split", ["facts", "train", "valid", "test"])
def test_duplicates_are_dropped_and_counted(folder, split):
    path = folder / f"{split}.txt"
    first = path.read_text().splitlines()
    write(path, [*first, first[0], first[-1], first[0]])
    checked = check_graph(read_graph(folder))
    place = f"{path}:{len(first) + 1}: 3 triples duplicate, dropped; the first is "
    assert checked.warnings == (place + " ".join(map(repr, first[0].split("\t"))),)
    assert len(getattr(checked.graph, split).triples) == len(first)


@pytest.mark.parametrize("split", ["valid", "test"])
@pytest.mark.parametrize("training", ["facts", "train"])
def test_triples_of_training_are_kept_and_counted(folder, split, training):
    path = folder / f"{split}.txt"
    leaked = (folder / f"{training}.txt").read_text().splitlines()
    write(path, ["ann\tlikes\tann", *leaked])
    checked = check_graph(read_graph(folder))
    noun = "triple" if len(leaked) == 1 else "triples"
    (warning,) = checked.warnings
    assert warning.startswith(f"{path}:2: {len(leaked)} {noun} also in training, kept; the first")
    assert len(getattr(checked.graph, split).triples) == 1 + len(leaked)


def test_line_of_a_leak_counts_dropped_duplicates(folder):
    path = folder / "test.txt"
    write(path, ["ann\tlikes\tann", "ann\tlikes\tann", "ann\tlikes\tbob"])
    duplicate, leak = check_graph(read_graph(folder)).warnings
    assert duplicate.startswith(f"{path}:2: 1 triple duplicate, dropped")
    assert leak.startswith(f"{path}:3: 1 triple also in training, kept")


def test_facts_in_train_are_kept_and_counted(folder):
    write(folder / "facts.txt", ["bob\tknows\tcid"])
    checked = check_graph(read_graph(folder))
    (warning,) = checked.warnings
    assert warning.startswith(f"{folder / 'train.txt'}:2: 1 triple also in facts, kept; the first")
    assert len(checked.graph.train.triples) == 2


def test_names_that_never_occur_in_training(folder):
    write(folder / "entities.txt", ["x", "ann", "bob", "y", "cid"])
    write(folder / "relations.txt", ["likes", "knows", "eats"])
    assert check_graph(read_graph(folder)).warnings == (
        f"{folder / 'entities.txt'}:1: 2 of 5 entities never occur in training; the first is 'x'",
        f"{folder / 'relations.txt'}:3: 1 of 3 relations never occur in training; the first is "
        "'eats'",
    )


def test_an_entity_of_facts_only_occurs_in_training(folder):
    write(folder / "train.txt", ["ann\tlikes\tann", "ann\tknows\tann"])
    write(folder / "facts.txt", ["bob\tknows\tcid"])
    assert check_graph(read_graph(folder)).warnings == ()


def test_first_untrained_entity_is_the_first_in_the_file(tmp_path):
    folder = write_openke(tmp_path / "graph", small_graph())
    write(folder / "entity2id.txt", ["5", "y 4", "x 3", "ann 0", "bob 1", "cid 2"])
    (warning,) = check_graph(read_graph(folder)).warnings
    assert warning.startswith(f"{folder / 'entity2id.txt'}:2: 2 of 5 entities never")
    assert warning.endswith("the first is 'y'")


def parsed_with_duplicates(graph, tmp_path):
    """Write every triple of training into itself and the other splits once more."""

    def split(name, extra):
        triples = np.array(graph.splits[name] + extra, dtype=np.int32)
        return Split(tmp_path / name, triples, np.arange(len(triples)) + 1)

    def names(words):
        return Names(tuple(words), tmp_path / "names", np.arange(len(words)) + 1)

    train = graph.splits["train"]
    return ParsedGraph(
        names(graph.entities),
        names(graph.relations),
        None,
        *(split(name, train) for name in ("train", "valid", "test")),
    )


@given(graphs())
def test_splits_equal_the_obvious_way(tmp_path_factory, graph):
    parsed = parsed_with_duplicates(graph, tmp_path_factory.getbasetemp())
    checked = check_graph(parsed)
    train = {tuple(triple) for triple in parsed.train.triples.tolist()}
    for name in ("train", "valid", "test"):
        before = [tuple(triple) for triple in getattr(parsed, name).triples.tolist()]
        kept = [tuple(triple) for triple in getattr(checked.graph, name).triples.tolist()]
        assert kept == list(dict.fromkeys(before))
        warnings = [w for w in checked.warnings if w.split(":")[0].endswith(name)]
        counts = {w.split(": ")[1].split(" ", 2)[2].split(";")[0]: w for w in warnings}
        dropped, leaked = len(before) - len(kept), len(train & set(kept))
        assert ("duplicate, dropped" in counts) == (dropped > 0)
        if dropped:
            assert f": {dropped} triple" in counts["duplicate, dropped"]
        if name != "train":
            assert f": {leaked} triple" in counts["also in training, kept"]
