import hashlib
from functools import partial

import numpy as np
import pytest

from kapl_jax.data import cold_start_loading as module
from kapl_jax.data.cold_start_loading import load_cold_start
from kapl_jax.data.cold_start_protocol import Protocol
from kapl_jax.data.rating_range import AllowedRatings
from kapl_jax.data.registry import find_dataset
from tests.data.rating_folders import (
    error_of,
    write_1m,
    write_100k,
    write_csv,
    write_lastfm,
    zip_of,
)

SMALL = Protocol(min_ratings=3, query_items=2)


def test_registered_name_in_a_folder_of_data(tmp_path, cache):
    folder = write_lastfm(tmp_path / "written")
    zip_of(folder, tmp_path / "data" / "recsys" / "lastfm" / "data.zip", "data/lastfm_20")
    data = load_cold_start("Last.FM", str(tmp_path / "data"), Protocol())
    assert data.name == "lastfm"
    assert [data.users[row] for tasks in data.splits for row in tasks.users] == [
        "ann",
        "bob",
        "cid",
    ]


def test_tasks_of_the_files_do_not_depend_on_the_protocol(tmp_path):
    folder = str(write_lastfm(tmp_path / "toy"))
    first, second = (
        load_cold_start(folder, None, Protocol(seed=seed)).describe() for seed in (0, 1)
    )
    assert first == second


def test_unseen_items_and_users_have_row_zero(tmp_path):
    data = load_cold_start(str(write_lastfm(tmp_path)), None, Protocol())
    assert data.user_features.values[0].tolist() == [[1], [0], [0], [0]]
    assert data.item_features.values[0].tolist() == [[1], [2], [3], [4], [0], [0], [0], [0]]
    assert (data.user_features.sizes, data.item_features.sizes) == ((2,), (5,))


@pytest.mark.parametrize("write", [write_100k, write_1m, write_csv])
def test_protocol_makes_the_tasks_of_others(tmp_path, write):
    data = load_cold_start(str(write(tmp_path / "toy")), None, SMALL)
    assert data.name == "toy"
    assert [tasks.num_users for tasks in data.splits] == [7, 1, 2]
    assert all(
        tasks.query_mask.sum(axis=1).tolist() == [2] * tasks.num_users for tasks in data.splits
    )
    assert data.warnings == ()


def test_multi_hot_and_known_features_of_new_users(tmp_path):
    data = load_cold_start(str(write_100k(tmp_path)), None, SMALL)
    assert data.item_features.fields == ("year", "genre", "item")
    assert data.item_features.values[1].shape == (5, 3)
    genres = data.item_features.vocabularies[1]
    expected = [genres["Animation"], genres["Children's"], -1]
    assert data.item_features.values[1][0].tolist() == expected
    assert data.item_features.values[1][3].tolist() == [0, -1, -1]
    assert "user" not in data.user_features.fields
    gender = data.user_features.values[data.user_features.fields.index("gender")]
    assert (gender[data.test.users] > 0).all()
    assert data.titles[1] == "Les Misérables (1934)"


def test_file(tmp_path):
    folder = write_csv(tmp_path)
    data = load_cold_start(str(folder / "ratings.csv"), None, SMALL)
    assert (data.name, data.rating_range) == ("ratings", (1, 3))


def test_warnings_of_the_protocol_are_handed_on(tmp_path):
    folder = write_csv(tmp_path)
    with (folder / "ratings.csv").open("a") as file:
        file.write("few,i0,1\n")
    data = load_cold_start(str(folder), None, SMALL)
    expected = "1 user left out: 1 with fewer than 3 ratings"
    assert data.warnings == (f"{folder / 'ratings.csv'}: {expected}",)


def test_graph_instead_of_ratings(cache):
    message = error_of(load_cold_start, "umls", None, Protocol())
    assert message.startswith("--dataset: found 'umls', which is a knowledge graph, expected a set")


def test_planted_users_are_generated(monkeypatch):
    monkeypatch.setattr(module, "planted_cold_start", lambda protocol: ("generated", protocol))
    assert load_cold_start("Planted", None, SMALL) == ("generated", SMALL)


@pytest.fixture
def real_lastfm(shared_data):
    if not (shared_data / "recsys" / "lastfm").is_dir():
        pytest.skip("lastfm is not in ../shared/data")
    return shared_data


def test_checksum_of_lastfm(real_lastfm):
    content = (real_lastfm / "recsys" / "lastfm" / "data.zip").read_bytes()
    assert hashlib.sha256(content).hexdigest() == find_dataset("lastfm").sha256["data.zip"]


def test_real_lastfm(real_lastfm):
    data = load_cold_start("lastfm", str(real_lastfm), Protocol())
    assert (len(data.users), len(data.items)) == (1872, 3846)
    assert [tasks.num_users for tasks in data.splits] == [248, 35, 66]
    assert [tasks.num_ratings for tasks in data.splits] == [8504, 1202, 2259]
    assert data.rating_range == (0, 1)
    assert (data.user_features.fields, data.item_features.fields) == (("user",), ("item",))
    assert (data.user_features.sizes, data.item_features.sizes) == ((249,), (3144,))
    assert data.warnings == ()
    for tasks, longest in zip(data.splits, (36, 24, 28), strict=True):
        assert tasks.support_mask.all()
        assert tasks.support_mask.shape[1] == 20
        counts = tasks.query_mask.sum(axis=1)
        assert (counts.min(), counts.max()) == (10, longest)
    positive = [tasks.support_ratings.sum() + tasks.query_ratings.sum() for tasks in data.splits]
    np.testing.assert_array_equal(positive, [4252, 601, 1129])
    # The first lines of training/evidence/supp_x_0_u_m_ids.txt.
    assert data.users[data.train.users[0]] == "129"
    assert [data.items[row] for row in data.train.support_items[0, :3]] == ["3503", "185", "860"]
    for tasks in (data.valid, data.test):
        assert not data.user_features.values[0][tasks.users].any()


def test_range_of_ratings(tmp_path):
    folder = write_csv(tmp_path, users=10, items=14)
    with (folder / "ratings.csv").open("a") as file:
        file.write("u0,i99,99999\n")
    load = partial(load_cold_start, str(folder), None, Protocol())
    assert load().rating_range == (1, 99999)
    assert "ratings.csv:142: the rating 99999, far from the others" in load().warnings[0]
    message = error_of(load, AllowedRatings((1, 5)))
    assert message == f"{folder / 'ratings.csv'}:142: found the rating '99999', expected 1 to 5"
    clipped = load(AllowedRatings((1, 5), clip=True))
    assert clipped.rating_range == (1, 5)
    assert "1 rating out of 1 to 5, clipped" in clipped.warnings[0]
    message = error_of(load_cold_start, "planted", None, Protocol(), AllowedRatings((1, 5)))
    assert message == "--rating_range: found 1,5 for generated users, expected none"
