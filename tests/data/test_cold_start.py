import dataclasses
import json

import numpy as np
import pytest

from kapl_jax.data.cold_start_loading import load_cold_start
from kapl_jax.data.cold_start_protocol import Protocol
from tests.data.rating_folders import write_lastfm


@pytest.fixture
def data(tmp_path):
    return load_cold_start(str(write_lastfm(tmp_path / "toy")), None, Protocol())


def test_description_is_json(data):
    described = data.describe()
    assert json.loads(json.dumps(described)) == described
    digest = described.pop("digest")
    assert len(digest) == 16
    assert described == {
        "name": "toy",
        "users": 4,
        "items": 8,
        "train": 1,
        "valid": 1,
        "test": 1,
        "ratings": 10,
    }


def test_digest_is_that_of_the_content(data):
    digest = data.describe()["digest"]
    same = dataclasses.replace(data, name="other", warnings=("odd",), titles=("any",))
    assert same.describe()["digest"] == digest
    for changed in (
        dataclasses.replace(data, items=data.items[::-1]),
        dataclasses.replace(data, rating_range=(0.0, 2.0)),
        dataclasses.replace(data, valid=data.test),
        dataclasses.replace(
            data, train=dataclasses.replace(data.train, query_mask=~data.train.query_mask)
        ),
        dataclasses.replace(
            data,
            item_features=dataclasses.replace(
                data.item_features, values=(data.item_features.values[0].T,)
            ),
        ),
        dataclasses.replace(
            data, item_features=dataclasses.replace(data.item_features, sizes=(99,))
        ),
    ):
        assert changed.describe()["digest"] != digest


def test_items_of_training_ignores_padding(data):
    np.testing.assert_array_equal(data.items_of_training(), [1, 1, 1, 1, 0, 0, 0, 0])
    hidden = dataclasses.replace(data.train, support_mask=~data.train.support_mask)
    seen = dataclasses.replace(data, train=hidden).items_of_training()
    np.testing.assert_array_equal(seen, [0, 0, 0, 1, 0, 0, 0, 0])
