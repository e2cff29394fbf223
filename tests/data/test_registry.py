import pytest

from kapl_jax.data.registry import (
    DATASETS,
    GRAPHS,
    RATINGS,
    find_dataset,
    is_generated,
    kind_of,
    names_of_kind,
    pair_of,
    registered_names,
    similar_names,
)


def test_registered_names():
    expected = {"umls", "nations", "kinships", "family", "WN18RR", "FB15K237"}
    assert set(registered_names()) >= expected


@pytest.mark.parametrize(
    ("written", "name"),
    [
        ("UMLS", "umls"),
        ("wn18rr", "WN18RR"),
        ("WN18-RR", "WN18RR"),
        ("FB15k-237", "FB15K237"),
        ("fb15k_237", "FB15K237"),
        ("kinship", "kinships"),
        ("Family", "family"),
        ("wn18rr_v1", "WN18RR_v1"),
        ("FB237-v1-ind", "fb237_v1_ind"),
        ("Last.FM", "lastfm"),
        ("ML-100K", "ml-100k"),
        ("ml1m", "ml-1m"),
        ("MovieLens-1M", "ml-1m"),
    ],
)
def test_spellings(written, name):
    assert find_dataset(written).name == name


@pytest.mark.parametrize("written", ["", "umls/", "./umls", "wn18"])
def test_what_is_no_registered_name(written):
    assert find_dataset(written) is None


def test_similar_names():
    assert similar_names("ulms") == ("umls",)
    assert similar_names("WN18RRR")[0] == "WN18RR"
    assert similar_names("/some/where/else") == ()


def test_names_and_aliases_are_of_one_data_set_each():
    for dataset in DATASETS:
        for name in (dataset.name, *dataset.aliases):
            assert find_dataset(name) is dataset


@pytest.mark.parametrize("dataset", DATASETS, ids=registered_names())
def test_entries_are_complete(dataset):
    hosts = ("https://raw.githubusercontent.com/", "https://files.grouplens.org/")
    assert dataset.base_url.startswith(hosts)
    assert dataset.base_url.endswith("/")
    expected = {GRAPHS: {"train.txt", "train2id.txt"}, RATINGS: {"data.zip", f"{dataset.name}.zip"}}
    assert expected[dataset.kind] & set(dataset.sha256)
    assert all(len(digest) == 64 for digest in dataset.sha256.values())
    assert len(set(dataset.sha256.values())) == len(dataset.sha256)


def test_kinds_do_not_mix():
    assert names_of_kind(RATINGS) == ("planted", "lastfm", "ml-100k", "ml-1m")
    assert set(names_of_kind(GRAPHS)) == set(registered_names()) - set(names_of_kind(RATINGS))
    assert kind_of("UMLS") is GRAPHS
    assert kind_of("LastFM") is RATINGS
    assert kind_of("Planted") is RATINGS
    assert kind_of("elsewhere") is None


def test_generated_data():
    assert is_generated("Planted", RATINGS)
    assert not is_generated("planted", GRAPHS)
    assert not is_generated("lastfm", RATINGS)


def test_similar_names_of_a_kind():
    assert similar_names("lastfn", RATINGS) == ("lastfm",)
    assert similar_names("lastfn", GRAPHS) == ()
    assert similar_names("plantd", RATINGS) == ("planted",)
    assert similar_names("ulms", RATINGS) == ()


@pytest.mark.parametrize("name", ["WN18RR_v1", "fb237_v1", "nell_v1"])
def test_inductive_pairs(name):
    first, second = pair_of(find_dataset(name))
    assert (first.name, second.name) == (name, f"{name}_ind")
    for dataset in (first, second):
        assert dataset.kind is GRAPHS
        assert dataset.folder == "kg-inductive"
        assert dataset.base_url.endswith(f"/Static/inductive/data/{dataset.name}/")


@pytest.mark.parametrize(("name", "folder"), [("nell_v1_ind", "kg-inductive"), ("umls", "kg")])
def test_second_graphs_and_others_are_no_pairs(name, folder):
    dataset = find_dataset(name)
    assert pair_of(dataset) == (dataset,)
    assert dataset.folder == folder
