import pytest

from kapl_jax.data.registry import DATASETS, find_dataset, registered_names, similar_names


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
    assert dataset.base_url.startswith("https://raw.githubusercontent.com/")
    assert dataset.base_url.endswith("/")
    assert {"train.txt", "train2id.txt"} & set(dataset.sha256)
    assert all(len(digest) == 64 for digest in dataset.sha256.values())
    assert len(set(dataset.sha256.values())) == len(dataset.sha256)
