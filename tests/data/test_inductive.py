import tempfile
from pathlib import Path

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from kapl_jax.data.inductive import load_inductive_graph
from kapl_jax.data.knowledge_graph import load_knowledge_graph
from kapl_jax.errors import UserError
from tests.data.graph_folders import (
    SPLITS,
    Graph,
    graphs,
    small_graph,
    write,
    write_listed,
    write_openke,
    write_plain,
)


def write_without_relations(folder: Path, graph: Graph) -> Path:
    write_listed(folder, graph, ids=True)
    (folder / "relations.txt").unlink()
    return folder


def write_with_too_few_relations(folder: Path, graph: Graph) -> Path:
    write_listed(folder, graph)
    write(folder / "relations.txt", graph.relations[:1])
    return folder


WRITERS = {
    "plain": write_plain,
    "listed": write_listed,
    "listed, ids": lambda folder, graph: write_listed(folder, graph, ids=True),
    "listed, no facts": lambda folder, graph: write_listed(folder, graph, facts=False),
    "listed, no relations": write_without_relations,
    "listed, too few relations": write_with_too_few_relations,
    "OpenKE": write_openke,
}
LISTED = {name: writer for name, writer in WRITERS.items() if name.startswith("listed")}


@pytest.fixture
def first(tmp_path):
    """The first graph of a pair: ann, bob and cid, who like or know each other."""
    return load_knowledge_graph(str(write_listed(tmp_path / "toy", small_graph())))


@pytest.fixture
def folder(tmp_path):
    return tmp_path / "toy_ind"


def other_graph() -> Graph:
    """Other people than those of `small_graph`, who know or like each other, in this order."""
    splits = {
        "facts": [(3, 0, 0)],
        "train": [(0, 1, 1), (1, 0, 2), (2, 0, 3)],
        "valid": [(0, 1, 2)],
        "test": [(2, 1, 1)],
    }
    return Graph(["dan", "eve", "fay", "gus"], ["knows", "likes"], splits)


def named(graph, split):
    return [
        (graph.entities[h], graph.relations[r], graph.entities[t])
        for h, r, t in getattr(graph, split)
    ]


@pytest.mark.parametrize("write_graph", WRITERS.values(), ids=WRITERS)
def test_relations_have_the_numbers_of_the_first_graph(first, folder, write_graph):
    found = load_inductive_graph(write_graph(folder, other_graph()), first)
    assert found.name == "toy_ind"
    assert found.relations == first.relations == ("likes", "knows")
    assert found.entities == ("dan", "eve", "fay", "gus")
    np.testing.assert_array_equal(found.train, [[0, 0, 1], [1, 1, 2], [2, 1, 3]])
    np.testing.assert_array_equal(found.valid, [[0, 0, 2]])
    np.testing.assert_array_equal(found.test, [[2, 0, 1]])
    assert found.warnings == ()


@pytest.mark.parametrize("facts", [True, False])
def test_facts(first, folder, facts):
    found = load_inductive_graph(write_listed(folder, other_graph(), facts=facts), first)
    np.testing.assert_array_equal(found.facts, [[3, 1, 0]] if facts else np.zeros((0, 3)))
    assert found.facts.dtype == found.train.dtype == np.int32


def test_facts_of_a_plain_folder_are_not_read(first, folder):
    write_plain(folder, other_graph())
    write(folder / "facts.txt", ["gus\tknows\tdan"])
    assert load_inductive_graph(folder, first).facts.shape == (0, 3)


@settings(max_examples=50, deadline=None)
@given(st.data(), st.sampled_from([*LISTED.values(), write_openke]))
def test_triples_are_those_of_the_files(data, write_graph):
    graph = data.draw(graphs())
    order = data.draw(st.permutations([*graph.relations, "one more"]))
    with tempfile.TemporaryDirectory() as root:
        listing = Graph(["a"], list(order), {split: [(0, 0, 0)] for split in SPLITS})
        first = load_knowledge_graph(str(write_listed(Path(root) / "toy", listing)))
        write_graph(Path(root) / "toy_ind", graph)
        has_facts = (Path(root) / "toy_ind" / "facts.txt").exists()
        found = load_inductive_graph(Path(root) / "toy_ind", first)
    assert found.relations == tuple(order)
    assert found.entities == tuple(graph.entities)
    for split in SPLITS if has_facts else SPLITS[1:]:
        assert named(found, split) == graph.named(split)


def test_a_relation_that_only_queries_have(first, folder):
    write_plain(folder, other_graph())
    write(folder / "train.txt", ["dan\tknows\teve", "eve\tknows\tfay"])
    found = load_inductive_graph(folder, first)
    assert named(found, "test") == [("fay", "likes", "eve")]
    assert found.warnings == ()


def test_a_list_may_hold_relations_that_no_triple_has(first, folder):
    graph = other_graph()
    graph.relations.append("hates")
    for write_graph in (write_listed, write_openke):
        found = load_inductive_graph(write_graph(folder, graph), first)
        assert named(found, "train") == graph.named("train")


def error_of(folder, first) -> str:
    with pytest.raises(UserError) as caught:
        load_inductive_graph(folder, first)
    message = str(caught.value)
    assert "\n" not in message
    return message


@pytest.mark.parametrize("write_graph", WRITERS.values(), ids=WRITERS)
def test_relations_that_differ(first, folder, write_graph):
    graph = other_graph()
    graph.relations.append("knew")
    for split in reversed(SPLITS):
        graph.splits[split].append((1, 2, 0))
        write_graph(folder, graph)
        for path in folder.glob(f"{split}*"):
            expect_error_on_the_last_line(path, first)


def expect_error_on_the_last_line(path, first):
    line = len(path.read_text().splitlines())
    assert error_of(path.parent, first) == (
        f"{path}:{line}: found relation 'knew' (did you mean 'knows'?), which toy lacks, in an "
        "inductive pair whose relations differ, expected one of the 2 of toy"
    )


@pytest.mark.parametrize("write_graph", [write_listed, write_plain])
def test_unknown_entities(first, folder, write_graph):
    write_graph(folder, other_graph())
    write(folder / "valid.txt", ["dan\tlikes\teve", "dan\tlikes\tzoe"])
    source = "entities.txt" if write_graph is write_listed else "train.txt"
    assert error_of(folder, first).startswith(
        f"{folder / 'valid.txt'}:2: found unknown entity 'zoe', one of 1 in 1 triple of validation "
        f"and test, expected one of the 4 in {source}; "
    )
    kept = load_inductive_graph(folder, first, "keep")
    assert named(kept, "valid")[-1] == ("dan", "likes", "zoe")
    assert named(load_inductive_graph(folder, first, "drop"), "valid") == [("dan", "likes", "eve")]


@pytest.mark.parametrize(("write_graph", "ending"), [(write_plain, ""), (write_openke, "2id")])
def test_a_file_that_is_missing(first, folder, write_graph, ending):
    path = write_graph(folder, other_graph()) / f"test{ending}.txt"
    path.unlink()
    assert error_of(folder, first).startswith(f"{path}: cannot be read: No such file")


@pytest.mark.parametrize("write_graph", WRITERS.values(), ids=WRITERS)
def test_shared_entities_are_one_warning(first, folder, write_graph):
    graph = other_graph()
    graph.entities[1:3] = ["bob", "ann"]
    write_graph(folder, graph)
    (warning,) = load_inductive_graph(folder, first).warnings
    assert warning.startswith(f"{folder}/")
    assert warning.endswith(": 2 of 4 entities are in toy too; the first is 'bob'")


def test_other_warnings_are_kept(first, folder):
    write_listed(folder, other_graph())
    write(folder / "valid.txt", ["dan\tlikes\teve"])
    (warning,) = load_inductive_graph(folder, first).warnings
    assert warning.startswith(f"{folder / 'valid.txt'}:1: 1 triple also in training, kept")


PAIRS = {
    "WN18RR_v1": ((2746, 9, 5410, 630, 638), (922, 9, 1618, 185, 188)),
    "fb237_v1": ((1594, 180, 4245, 489, 492), (1093, 180, 1993, 206, 205)),
    "nell_v1": ((3103, 14, 4687, 414, 439), (225, 14, 833, 101, 100)),
}


@pytest.fixture
def pairs(shared_data):
    if not (shared_data / "kg-inductive").is_dir():
        pytest.skip(f"the inductive pairs are not in {shared_data}")
    return shared_data / "kg-inductive"


def sizes(graph):
    splits = (graph.training_triples, graph.valid, graph.test)
    return (graph.num_entities, graph.num_relations, *map(len, splits))


@pytest.mark.parametrize("name", PAIRS)
def test_real_pairs(pairs, name):
    first = load_knowledge_graph(str(pairs / name))
    second = load_inductive_graph(pairs / f"{name}_ind", first)
    assert (sizes(first), sizes(second)) == PAIRS[name]
    assert (first.warnings, second.warnings) == ((), ())
    assert not set(first.entities) & set(second.entities)


@pytest.mark.parametrize("name", PAIRS)
def test_names_of_real_pairs(pairs, name):
    """Against a slow reader: names in the files, numbers from the first graph's list."""
    first = load_knowledge_graph(str(pairs / name))
    second = load_inductive_graph(pairs / f"{name}_ind", first)
    numbers = {}
    for line in (pairs / name / "relations.txt").read_text().splitlines():
        relation, number = line.split()
        numbers[relation] = int(number)
    for split in ("train", "valid", "test"):
        lines = (pairs / f"{name}_ind" / f"{split}.txt").read_text().splitlines()
        written = [tuple(line.split()) for line in lines]
        assert named(second, split) == written
        relation_numbers = getattr(second, split)[:, 1].tolist()
        assert relation_numbers == [numbers[relation] for _, relation, _ in written]
