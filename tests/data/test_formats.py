import tempfile
from pathlib import Path

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from kapl_jax.data.formats import read_graph
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

WRITERS = {
    "plain": write_plain,
    "plain, spaces": lambda folder, graph: write_plain(folder, graph, " "),
    "plain, windows": lambda folder, graph: write_plain(folder, graph, end="\r\n"),
    "listed": write_listed,
    "listed, ids": lambda folder, graph: write_listed(folder, graph, ids=True),
    "OpenKE": write_openke,
    "OpenKE, windows": lambda folder, graph: write_openke(folder, graph, end="\r\n"),
}


@pytest.fixture
def folder(tmp_path):
    return tmp_path / "graph"


def read_back(graph, write_graph):
    with tempfile.TemporaryDirectory() as folder:
        return read_graph(write_graph(Path(folder), graph))


def named_triples(parsed, split):
    entities, relations = parsed.entities.names, parsed.relations.names
    triples = getattr(parsed, split).triples
    return [(entities[h], relations[r], entities[t]) for h, r, t in triples]


def within_training(graph):
    """Leave only triples whose names occur in training, as the plain format needs."""
    entities = {name for head, _, tail in graph.named("train") for name in (head, tail)}
    relations = {relation for _, relation, _ in graph.named("train")}
    for split in ("valid", "test"):
        kept = [
            triple
            for triple, (head, relation, tail) in zip(
                graph.splits[split], graph.named(split), strict=True
            )
            if {head, tail} <= entities and relation in relations
        ]
        graph.splits[split] = kept or graph.splits["train"][:1]
    return graph


@settings(max_examples=50, deadline=None)
@given(graphs().map(within_training), st.sampled_from(["\t", " "]), st.sampled_from(["\n", "\r\n"]))
def test_plain_graph_comes_back(graph, separator, end):
    parsed = read_back(graph, lambda folder, g: write_plain(folder, g, separator, end))
    for split in SPLITS[1:]:
        assert named_triples(parsed, split) == graph.named(split)
    in_order = dict.fromkeys(n for head, _, tail in graph.named("train") for n in (head, tail))
    assert parsed.entities.names == tuple(in_order)
    assert parsed.relations.names == tuple(dict.fromkeys(r for _, r, _ in graph.named("train")))
    assert parsed.facts is None


def assert_same_ids(parsed, graph, splits):
    assert parsed.entities.names == tuple(graph.entities)
    assert parsed.relations.names == tuple(graph.relations)
    for split in splits:
        np.testing.assert_array_equal(getattr(parsed, split).triples, graph.splits[split])
        assert getattr(parsed, split).triples.dtype == np.int32


@settings(max_examples=50, deadline=None)
@given(graphs(), st.booleans(), st.booleans())
def test_listed_graph_comes_back(graph, ids, facts):
    parsed = read_back(graph, lambda folder, g: write_listed(folder, g, ids, facts))
    assert_same_ids(parsed, graph, SPLITS if facts else SPLITS[1:])
    assert facts or parsed.facts is None


@settings(max_examples=50, deadline=None)
@given(graphs(), st.sampled_from(["\n", "\r\n"]))
def test_openke_graph_comes_back(graph, end):
    parsed = read_back(graph, lambda folder, g: write_openke(folder, g, end))
    assert_same_ids(parsed, graph, SPLITS[1:])


@pytest.mark.parametrize("write_graph", WRITERS.values(), ids=WRITERS)
def test_lines_of_the_first_triple(folder, write_graph):
    parsed = read_graph(write_graph(folder, small_graph()))
    first = 2 if parsed.train.path.name == "train2id.txt" else 1
    assert parsed.train.lines.tolist() == [first, first + 1]


def test_openke_wins_over_listed_and_plain_files_beside_it(folder):
    write_listed(folder, small_graph())
    write_openke(folder, small_graph())
    assert read_graph(folder).train.path.name == "train2id.txt"


def test_other_files_do_not_matter(folder):
    write_plain(folder, small_graph())
    write(folder / "README.md", ["words"])
    assert len(read_graph(folder).train.triples) == 2


def error_of(folder) -> str:
    with pytest.raises(UserError) as caught:
        read_graph(folder)
    message = str(caught.value)
    assert "\n" not in message
    return message


def test_folder_of_no_known_format(folder):
    write(folder / "data.csv", ["a,b"])
    message = error_of(folder)
    assert message.startswith(f"{folder}: found data.csv, expected one of OpenKE: entity2id.txt,")
    assert "plain: train.txt, valid.txt, test.txt" in message


def test_empty_folder(folder):
    folder.mkdir()
    assert error_of(folder).startswith(f"{folder}: found an empty folder, expected one of")


def test_long_listing_is_cut(folder):
    for number in range(20):
        write(folder / f"{number:02}.csv", ["?"])
    assert "07.csv and 12 more, expected" in error_of(folder)


@pytest.mark.parametrize(
    ("write_graph", "missing", "name"),
    [
        (write_plain, "valid.txt", "plain"),
        (write_listed, "relations.txt", "listed"),
        (write_openke, "entity2id.txt", "OpenKE"),
    ],
)
def test_missing_file(folder, write_graph, missing, name):
    write_graph(folder, small_graph())
    (folder / missing).unlink()
    message = error_of(folder)
    assert message.startswith(f"{folder}: found ")
    assert message.endswith(f", expected also {missing} for the {name} format")


@pytest.mark.parametrize("write_graph", WRITERS.values(), ids=WRITERS)
def test_every_file_of_every_format_may_not_be_empty(folder, write_graph):
    write_graph(folder, small_graph())
    for path in sorted(folder.iterdir()):
        content = path.read_bytes()
        path.write_bytes(b"")
        assert error_of(folder).startswith(f"{path}:1: found an empty file, expected")
        path.write_bytes(content)


@pytest.mark.parametrize("write_graph", WRITERS.values(), ids=WRITERS)
def test_latin_1_in_every_file_of_every_format(folder, write_graph):
    write_graph(folder, small_graph())
    for path in sorted(folder.iterdir()):
        content = path.read_bytes()
        path.write_bytes(content + b"\xe9\n")
        line = content.count(b"\n") + 1
        found = f"byte 0xe9 at byte offset {len(content)}"
        assert error_of(folder) == f"{path}:{line}: found {found}, expected text in UTF-8"
        path.write_bytes(content)


@pytest.mark.parametrize("write_graph", WRITERS.values(), ids=WRITERS)
@pytest.mark.parametrize("columns", [2, 4])
def test_two_or_four_columns_in_every_split(folder, write_graph, columns):
    write_graph(folder, small_graph())
    for path in sorted(folder.glob("t*.txt")) + sorted(folder.glob("valid*.txt")):
        content = path.read_text()
        lines = content.splitlines()
        cells = lines[-1].split()
        lines[-1] = ("\t" if "\t" in lines[-1] else " ").join([*cells, *cells][:columns])
        path.write_text("\n".join(lines) + "\n")
        assert f"{path}:{len(lines)}: found {columns} columns (" in error_of(folder)
        path.write_text(content)


def test_names_that_training_lacks_come_behind_the_others(folder):
    write_plain(folder, small_graph())
    write(folder / "valid.txt", ["eve\thates\tann", "ann\tlikes\tfay"])
    write(folder / "test.txt", ["gus\tlikes\teve"])
    parsed = read_graph(folder)
    assert parsed.entities.names == ("ann", "bob", "cid", "eve", "fay", "gus")
    assert parsed.relations.names == ("likes", "knows", "hates")
    assert (parsed.entities.undeclared, parsed.relations.undeclared) == (3, 1)
    assert named_triples(parsed, "test") == [("gus", "likes", "eve")]


@pytest.mark.parametrize("split", ["facts", "train"])
@pytest.mark.parametrize(
    ("row", "what", "source"),
    [
        ("ann\tlikes\teve", "entity 'eve'", "3 in entities.txt"),
        ("ann\thates\tbob", "relation 'hates'", "2 in relations.txt"),
    ],
)
def test_names_that_are_not_listed(folder, split, row, what, source):
    write_listed(folder, small_graph())
    write(folder / f"{split}.txt", ["ann\tlikes\tbob", row])
    expected = f"expected one of the {source}"
    assert error_of(folder) == f"{folder / split}.txt:2: found unknown {what}, {expected}"


@pytest.mark.parametrize("split", ["train", "valid", "test"])
@pytest.mark.parametrize(
    ("row", "rest"),
    [
        ("3 0 0", "found entity id 3, expected 0 to 2"),
        ("0 3 0", "found entity id 3, expected 0 to 2"),
        ("0 0 2", "found relation id 2, expected 0 to 1"),
        ("0 0 -1", "found relation id '-1', expected 0 to 1"),
        ("0 bob 1", "found entity id 'bob', expected an integer"),
    ],
)
def test_ids_of_an_openke_graph(folder, split, row, rest):
    write_openke(folder, small_graph())
    write(folder / f"{split}2id.txt", ["2", "0 1 0", row])
    assert error_of(folder).startswith(f"{folder / split}2id.txt:3: {rest}")


def test_count_line_that_lies_in_every_file(folder):
    write_openke(folder, small_graph())
    for path in sorted(folder.iterdir()):
        content = path.read_text()
        count, rest = content.split("\n", 1)
        path.write_text(f"{int(count) + 1}\n{rest}")
        expected = f"found the count '{int(count) + 1}', expected {count}, as so many lines follow"
        assert error_of(folder) == f"{path}:1: {expected}"
        path.write_text(content)


LISTS_WITH_IDS = {
    "RotatE": ("entities.dict", "relations.dict", lambda number, name: f"{number}\t{name}"),
    "RotatE, turned": ("entities.dict", "relations.dict", lambda number, name: f"{name}\t{number}"),
    "2id": ("entity2id.txt", "relation2id.txt", lambda number, name: f"{name}\t{number}"),
    "2id, turned": ("entity2id.txt", "relation2id.txt", lambda number, name: f"{number} {name}"),
    "txt, turned": ("entities.txt", "relations.txt", lambda number, name: f"{number}\t{name}"),
}


@pytest.mark.parametrize("counted", [False, True])
@pytest.mark.parametrize("form", LISTS_WITH_IDS)
def test_lists_with_ids(folder, form, counted):
    graph = Graph(["13", "new york", "-0", "2", "x"], ["likes", "7"], small_graph().splits)
    write_plain(folder, graph)
    *files, line = LISTS_WITH_IDS[form]
    for file, names in zip(files, (graph.entities, graph.relations), strict=True):
        lines = [line(number, name) for number, name in reversed(list(enumerate(names)))]
        count = [str(len(lines))] if counted and "2id" in file else []
        write(folder / file, [*count, *lines])
    assert_same_ids(read_graph(folder), graph, SPLITS[1:])


@pytest.mark.parametrize("form", LISTS_WITH_IDS)
def test_columns_that_could_both_be_ids(folder, form):
    """The usual order of a file counts: numbers are names, too."""
    graph = Graph(["2", "0", "1"], ["1", "0"], small_graph().splits)
    write_plain(folder, graph)
    *files, line = (
        LISTS_WITH_IDS[form.removesuffix(", turned")]
        if "txt" not in form
        else (LISTS_WITH_IDS["2id"])
    )
    for file, names in zip(files, (graph.entities, graph.relations), strict=True):
        write(folder / file, [line(number, name) for number, name in enumerate(names)])
    assert_same_ids(read_graph(folder), graph, SPLITS[1:])


def test_openke_lists_may_have_the_id_first(folder):
    write_openke(folder, small_graph())
    write(folder / "entity2id.txt", ["3", "0\tann", "2\tcid", "1\tbob"])
    assert_same_ids(read_graph(folder), small_graph(), SPLITS[1:])


@pytest.mark.parametrize("line", ["ann\tx", "ann\t-1"])
def test_first_id_of_a_list_is_no_valid_one(folder, line):
    write_listed(folder, small_graph(), ids=True)
    write(folder / "entities.txt", [line, "bob\t1", "cid\t2"])
    assert error_of(folder).startswith(f"{folder / 'entities.txt'}:1: found entity id ")


@pytest.mark.parametrize(
    ("pattern", "found"),
    [
        ("{}, {}, {}", "',' behind each name"),
        ("{}; {}; {}", "';' behind each name"),
        ("<{}>\t<{}>\t<{}> .", "'.' at the end of each line"),
        ("<{}> <{}> <{}>.", "'.' at the end of each line"),
    ],
)
def test_marks_of_other_formats_are_no_part_of_names(folder, pattern, found):
    graph = small_graph()
    for split in SPLITS:
        write(folder / f"{split}.txt", [pattern.format(*row) for row in graph.named(split)])
    with pytest.raises(UserError) as error:
        read_graph(folder)
    assert f"{folder / 'train.txt'}:1: found {found}" in str(error.value)
