import dataclasses

import pytest

from kapl_jax.data.reasoning import load_reasoning_data
from kapl_jax.errors import UserError
from tests.data.graph_folders import (
    SPLITS,
    Graph,
    small_graph,
    write,
    write_listed,
    write_openke,
    write_plain,
)

WRITERS = {"plain": write_plain, "listed": write_listed, "OpenKE": write_openke}


def other_graph() -> Graph:
    graph = small_graph()
    return Graph(["dan", "eve", "fay"], ["likes", "knows"], graph.splits)


@pytest.fixture
def pair(tmp_path):
    """The folder of the first graph of a pair."""
    write_listed(tmp_path / "toy_ind", other_graph())
    return write_listed(tmp_path / "toy", small_graph())


def error_of(*arguments) -> str:
    with pytest.raises(UserError) as caught:
        load_reasoning_data(*map(str, arguments))
    message = str(caught.value)
    assert "\n" not in message
    return message


def test_a_graph_alone(tmp_path):
    data = load_reasoning_data(str(write_listed(tmp_path / "toy", small_graph())))
    assert data.name == data.graph.name == "toy"
    assert data.inductive is None
    assert len(data.graph.facts) == 1
    assert data.warnings == ()


def test_a_pair(pair):
    data = load_reasoning_data(str(pair))
    assert (data.name, data.graph.name, data.inductive.name) == ("toy", "toy", "toy_ind")
    assert data.graph.entities == ("ann", "bob", "cid")
    assert data.inductive.entities == ("dan", "eve", "fay")
    assert data.inductive.relations == data.graph.relations


def test_the_second_graph_on_its_own(pair):
    data = load_reasoning_data(str(pair.with_name("toy_ind")))
    assert data.name == "toy_ind"
    assert data.graph.entities == ("dan", "eve", "fay")
    assert data.inductive is None


@pytest.mark.parametrize("written", ["toy", ".", "toy/", "../toy", "x/.."])
def test_ways_to_write_the_folder(pair, monkeypatch, written):
    monkeypatch.chdir(pair.parent if written.startswith("toy") else pair)
    (pair / "x").mkdir()
    assert load_reasoning_data(written).inductive is not None


def test_what_lies_beside_a_link_counts(pair, tmp_path):
    link = tmp_path / "links" / "mine"
    link.parent.mkdir()
    link.symlink_to(pair)
    assert load_reasoning_data(str(link)).inductive is None
    link.with_name("mine_ind").symlink_to(pair.with_name("toy_ind"))
    assert load_reasoning_data(str(link)).inductive.entities == ("dan", "eve", "fay")


def test_a_file_beside_is_no_second_graph(tmp_path):
    folder = write_plain(tmp_path / "toy", small_graph())
    (tmp_path / "toy_ind").touch()
    assert load_reasoning_data(str(folder)).inductive is None


def test_warnings_of_both_graphs(pair):
    second = pair.with_name("toy_ind")
    write(pair / "valid.txt", ["ann\tlikes\tcid"] * 2)
    write(second / "test.txt", ["dan\tlikes\tfay"] * 2)
    first, other = load_reasoning_data(str(pair)).warnings
    assert first.startswith(f"{pair / 'valid.txt'}:2: 1 triple duplicate")
    assert other.startswith(f"{second / 'test.txt'}:2: 1 triple duplicate")


def test_whether_it_is_a_pair_may_be_known(pair):
    second = pair.with_name("toy_ind")
    assert load_reasoning_data(str(pair), pair=True).inductive is not None
    assert load_reasoning_data(str(pair), pair=False).inductive is None
    second.rename(pair.with_name("elsewhere"))
    assert load_reasoning_data(str(pair), pair=False).inductive is None
    with pytest.raises(UserError, match=r"toy: found no folder toy_ind beside it, expected .*pair"):
        load_reasoning_data(str(pair), pair=True)


def test_data_are_frozen(pair):
    with pytest.raises(dataclasses.FrozenInstanceError):
        load_reasoning_data(str(pair)).name = "other"


@pytest.mark.parametrize("which", ["toy", "toy_ind"])
@pytest.mark.parametrize("write_graph", WRITERS.values(), ids=WRITERS)
@pytest.mark.parametrize("content", ["", "\n \r\n"])
def test_files_without_triples(pair, which, write_graph, content):
    folder = pair.with_name(which)
    for path in folder.iterdir():
        path.unlink()
    write_graph(folder, small_graph() if which == "toy" else other_graph())
    for path in sorted(path for path in folder.iterdir() if path.stem.startswith(SPLITS)):
        before = path.read_text()
        path.write_text(content)
        expected = f"{path}:1: found an empty file, expected at least one triple"
        assert error_of(pair) == expected
        path.write_text(before)


@pytest.mark.parametrize("which", ["toy", "toy_ind"])
@pytest.mark.parametrize("split", SPLITS[1:])
def test_openke_files_that_count_no_triples(pair, which, split):
    folder = pair.with_name(which)
    write_openke(folder, small_graph() if which == "toy" else other_graph())
    path = folder / f"{split}2id.txt"
    path.write_text("0\n")
    expected = f"{path}:1: found nothing after the count, expected at least one line"
    assert error_of(pair) == expected


def test_empty_files_of_another_format_do_not_matter(pair):
    write_openke(pair, small_graph())
    (pair / "train.txt").write_text("")
    assert len(load_reasoning_data(str(pair)).graph.train) == 2


def test_relations_that_differ(pair):
    path = pair.with_name("toy_ind") / "train.txt"
    write(path, ["dan\tlikes\teve", "eve\tlikse\tfay"])
    assert error_of(pair).startswith(
        f"{path}:2: found relation 'likse' (did you mean 'likes'?), which toy lacks"
    )


def test_a_folder_that_is_not_there():
    assert error_of("/not/there").startswith("--dataset: found no folder '/not/there'")


def test_a_registered_pair(cache, tmp_path):
    below = tmp_path / "kg-inductive"
    write_listed(below / "WN18RR_v1", small_graph())
    second = write_listed(below / "WN18RR_v1_ind", other_graph())
    data = load_reasoning_data("wn18rr-v1", str(tmp_path))
    assert data.name == "WN18RR_v1"
    assert data.inductive.entities == ("dan", "eve", "fay")
    second.rename(tmp_path / "elsewhere")
    assert error_of("WN18RR_v1", tmp_path) == (
        f"{below / 'WN18RR_v1'}: found no folder WN18RR_v1_ind beside it, expected the second "
        "graph of the inductive pair WN18RR_v1"
    )
    assert load_reasoning_data(str(below / "WN18RR_v1")).inductive is None


def test_a_downloaded_pair(published_pair, cache):
    data = load_reasoning_data("toy")
    assert (data.name, data.inductive.name) == ("toy", "toy_ind")
    assert (cache / "toy_ind" / "train.txt").exists()


def test_the_embedded_graph_is_no_pair(cache):
    assert load_reasoning_data("umls").inductive is None


@pytest.mark.parametrize("name", ["WN18RR_v1", "fb237_v1", "nell_v1"])
def test_real_pairs_are_found_by_name(shared_data, name):
    if not (shared_data / "kg-inductive" / name).is_dir():
        pytest.skip(f"{name} is not in {shared_data}")
    data = load_reasoning_data(name, str(shared_data))
    assert data.name == name
    assert data.inductive.name == f"{name}_ind"
    assert data.inductive.relations is data.graph.relations
    alone = load_reasoning_data(f"{name}_ind", str(shared_data))
    assert alone.inductive is None
    assert alone.graph.entities == data.inductive.entities
