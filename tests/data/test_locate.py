from pathlib import Path

import pytest

from kapl_jax.data import locate as module
from kapl_jax.data.locate import download_folder, locate
from kapl_jax.data.registry import GRAPHS, RATINGS, find_dataset
from kapl_jax.errors import UserError


@pytest.fixture(autouse=True)
def no_download(request, cache, monkeypatch):
    """Fail where a test that does not ask for a server goes to the network."""
    if "published" not in request.fixturenames:

        def fail(dataset, folder):
            pytest.fail(f"{dataset.name} would be downloaded")

        monkeypatch.setattr(module, "download", fail)


def fill_cache(name):
    dataset = find_dataset(name)
    folder = download_folder(dataset)
    folder.mkdir(parents=True)
    for file in dataset.sha256:
        (folder / file).touch()
    return folder


@pytest.mark.parametrize("below", ["umls", "kg/umls"])
def test_data_dir_wins(tmp_path, monkeypatch, below):
    for place in ("given", "environment"):
        (tmp_path / place / below).mkdir(parents=True)
    monkeypatch.setenv("KAPL_DATA", str(tmp_path / "environment"))
    fill_cache("umls")
    name, folder = locate("UMLS", str(tmp_path / "given"))
    assert (name, folder) == ("umls", tmp_path / "given" / below)


def test_environment_comes_second(tmp_path, monkeypatch):
    (tmp_path / "given").mkdir()
    (tmp_path / "environment" / "umls").mkdir(parents=True)
    monkeypatch.setenv("KAPL_DATA", str(tmp_path / "environment"))
    fill_cache("umls")
    assert locate("umls", str(tmp_path / "given"))[1] == tmp_path / "environment" / "umls"


@pytest.mark.parametrize("name", ["umls", "WN18RR"])
def test_cache_comes_third(tmp_path, monkeypatch, name):
    monkeypatch.setenv("KAPL_DATA", str(tmp_path))
    folder = fill_cache(name)
    assert locate(name) == (name, folder)


def test_embedded_copy_comes_last_and_needs_no_network():
    name, folder = locate("umls")
    assert name == "umls"
    assert folder == find_dataset("umls").embedded


def test_incomplete_cache_does_not_count():
    (fill_cache("umls") / "train.txt").unlink()
    assert locate("umls")[1] == find_dataset("umls").embedded


def test_others_are_downloaded(published, cache):
    assert locate("TOY") == ("toy", cache / "toy")
    assert (cache / "toy" / "train.txt").exists()


def test_folder_may_be_called_by_an_alias(tmp_path):
    (tmp_path / "fb15k-237").mkdir()
    assert locate("fb15k-237", str(tmp_path)) == ("FB15K237", tmp_path / "fb15k-237")


def test_cache_is_below_home_without_xdg(monkeypatch):
    monkeypatch.delenv("XDG_CACHE_HOME")
    expected = Path.home() / ".cache" / "kapl_jax" / "umls"
    assert download_folder(find_dataset("umls")) == expected


def test_folder(tmp_path, monkeypatch):
    (tmp_path / "umls").mkdir()
    assert locate(str(tmp_path / "umls")) == ("umls", tmp_path / "umls")
    monkeypatch.chdir(tmp_path)
    assert locate("./umls") == ("umls", Path("umls"))
    monkeypatch.setenv("HOME", str(tmp_path))
    assert locate("~/umls") == ("umls", tmp_path / "umls")


def error_of(*arguments) -> str:
    with pytest.raises(UserError) as caught:
        locate(*arguments)
    message = str(caught.value)
    assert "\n" not in message
    return message


def test_folder_that_is_not_there():
    message = error_of("/not/there")
    assert message.startswith("--dataset: found no folder '/not/there', expected a folder or one")
    assert "umls" in message
    assert "did you mean" not in message


@pytest.mark.parametrize(
    ("written", "meant"), [("ulms", "umls"), ("WN18R", "WN18RR"), ("data/fb15k", "FB15K237")]
)
def test_typo(written, meant):
    assert f"found no folder '{written}' (did you mean {meant}" in error_of(written)


def test_file_instead_of_folder(tmp_path):
    path = tmp_path / "train.txt"
    path.touch()
    assert error_of(str(path)).startswith(f"--dataset: found the file {path}, expected a folder")


def test_empty_name():
    assert error_of("").startswith("--dataset: found no folder '', expected a folder or one of")


def test_roots_that_are_not_there(tmp_path, monkeypatch):
    absent = tmp_path / "absent"
    expected = f"found no folder {absent}, expected one with data sets"
    assert error_of("umls", str(absent)) == f"--data_dir: {expected}"
    monkeypatch.setenv("KAPL_DATA", str(absent))
    assert error_of("umls") == f"$KAPL_DATA: {expected}"


@pytest.mark.parametrize("name", ["WN18RR_v1", "WN18RR_v1_ind"])
@pytest.mark.parametrize("below", ["", "kg-inductive"])
def test_inductive_pairs_lie_in_a_folder_of_their_own(tmp_path, below, name):
    (tmp_path / "kg" / name).mkdir(parents=True)
    (tmp_path / below / name).mkdir(parents=True)
    assert locate(name.lower(), str(tmp_path)) == (name, tmp_path / below / name)


def test_cached_pair():
    first, second = fill_cache("nell_v1"), fill_cache("nell_v1_ind")
    assert locate("nell_v1") == ("nell_v1", first)
    assert locate("nell_v1_ind") == ("nell_v1_ind", second)
    assert second == first.with_name("nell_v1_ind")


def test_half_of_a_pair_in_the_cache_does_not_count(monkeypatch):
    downloaded = []
    monkeypatch.setattr(module, "download", lambda dataset, folder: downloaded.append(folder))
    folder = fill_cache("nell_v1")
    assert locate("nell_v1") == ("nell_v1", folder)
    assert downloaded == [folder, folder.with_name("nell_v1_ind")]


def test_second_graph_of_a_pair_is_downloaded_alone(monkeypatch):
    downloaded = []
    monkeypatch.setattr(module, "download", lambda dataset, folder: downloaded.append(folder))
    _, folder = locate("nell_v1_ind")
    assert downloaded == [folder]


@pytest.mark.parametrize("below", ["lastfm", "recsys/lastfm"])
def test_ratings_lie_in_their_own_folder(tmp_path, below):
    (tmp_path / "kg" / "lastfm").mkdir(parents=True)
    (tmp_path / below).mkdir(parents=True)
    assert locate("LastFM", str(tmp_path), RATINGS) == ("lastfm", tmp_path / below)


@pytest.mark.parametrize("name", ["ratings.csv", "ratings.TSV", "ml-100k.zip"])
def test_files_are_data_of_some_kinds(tmp_path, name):
    path = tmp_path / name
    path.touch()
    assert locate(str(path), None, RATINGS) == (path.stem, path)
    assert error_of(str(path)).startswith(f"--dataset: found the file {path}, expected a folder or")


def test_other_files(tmp_path):
    path = tmp_path / "ratings.txt"
    path.touch()
    endings = ".csv, .tsv, .inter, .dat, .data, .zip"
    expected = f"expected a folder, a file ({endings}) or one of planted, lastfm, ml-100k, "
    assert f"found the file {path}, {expected}" in error_of(str(path), None, RATINGS)


@pytest.mark.parametrize(
    ("name", "kind", "message"),
    [
        ("LastFM", GRAPHS, "'LastFM', which is a set of ratings, expected a knowledge graph: "),
        ("planted", GRAPHS, "'planted', which is a set of ratings, expected a knowledge graph: "),
        ("umls", RATINGS, "'umls', which is a knowledge graph, expected a set of ratings: "),
    ],
)
def test_data_of_another_kind(tmp_path, name, kind, message):
    (tmp_path / name).mkdir()
    found = error_of(name, str(tmp_path), kind)
    assert found.startswith(f"--dataset: found {message}a folder or one of ")
    assert ("umls" in found.split("one of")[1]) == (kind is GRAPHS)
    assert ("ml-1m" in found.split("one of")[1]) == (kind is RATINGS)


def test_typo_of_another_kind_is_no_suggestion():
    assert "did you mean" not in error_of("lastfn")
    assert "(did you mean lastfm?)" in error_of("lastfn", None, RATINGS)
    assert "(did you mean planted?)" in error_of("planned", None, RATINGS)
