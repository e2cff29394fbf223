from __future__ import annotations

import dataclasses

import numpy as np
import pytest

from kapl_jax.errors import UserError
from kapl_jax.methods import models
from kapl_jax.methods.models import ModelStore
from tests.methods.autoblm.tiny import individuals
from tests.runs.damage import DAMAGES, largest_file


def make_models(members, offset=0):
    count = len(members)
    values = np.arange(offset, offset + count, dtype=np.float32)[:, None, None]
    variables = {
        "entity": values + np.zeros((count, 3, 2), np.float32),
        "relation": -values + np.zeros((count, 2, 2), np.float32),
    }
    ranks = 1 + values + np.zeros((count, 2, 5), np.float32)
    return {"variables": variables, "test_ranks": ranks}


def test_models_of_any_chunks_are_found_by_their_individuals(tmp_path, monkeypatch):
    store, members = ModelStore(tmp_path), individuals(5)
    store.save(members[:3], **make_models(members[:3]))
    store.save(members[3:], **make_models(members[3:], offset=3))
    real, read = models.load_pytree, []
    monkeypatch.setattr(models, "load_pytree", lambda folder: read.append(folder) or real(folder))
    order = [3, 0, 4, 2]
    loaded = ModelStore(tmp_path).load([members[index].id for index in order])
    assert len(read) == len(set(read)) == 2
    for index, found in zip(order, loaded, strict=True):
        np.testing.assert_array_equal(found["variables"]["entity"], np.full((3, 2), index))
        np.testing.assert_array_equal(found["variables"]["relation"], np.full((2, 2), -index))
        np.testing.assert_array_equal(found["test_ranks"], np.full((2, 5), 1 + index))


def test_a_chunk_trained_again_replaces(tmp_path):
    store, members = ModelStore(tmp_path), individuals(2)
    store.save(members, **make_models(members))
    store.save(members, **make_models(members, offset=7))
    assert store.load([members[0].id])[0]["test_ranks"][0, 0] == 8


def test_a_model_that_is_not_there(tmp_path):
    store, members = ModelStore(tmp_path), individuals(2)
    store.save(members, **make_models(members))
    other = dataclasses.replace(members[0], seed=9)
    with pytest.raises(UserError, match=f"the model {other.id} is not there"):
        store.load([other.id])


def test_the_best_model_stays(tmp_path):
    store, members = ModelStore(tmp_path), individuals(1)
    with pytest.raises(UserError, match="there is no model; give the command of the run"):
        store.load_best()
    models = make_models(members)
    store.save(members, **models)
    one = {name: table[0] for name, table in models["variables"].items()}
    store.keep_best(one, {"name": "complex", "options": {"embedding_dim": 2}})
    store.drop_others()
    store.drop_others()
    found, description = ModelStore(tmp_path).load_best()
    assert found.keys() == one.keys()
    for name, table in one.items():
        np.testing.assert_array_equal(found[name], table)
    assert description["name"] == "complex"
    assert description["options"] == {"embedding_dim": 2}
    with pytest.raises(UserError, match="is not there"):
        store.load([members[0].id])


@pytest.mark.parametrize("damage", DAMAGES)
def test_lost_models_are_named(tmp_path, capsys, damage):
    store, members = ModelStore(tmp_path), individuals(5)
    ids = [one.id for one in members]
    assert store.lost(ids[:1]) == {ids[0]}
    store.save(members[:3], **make_models(members[:3]))
    store.save(members[3:4], **make_models(members[3:4]))
    assert store.lost(ids) == {ids[4]}
    assert capsys.readouterr().err == ""
    DAMAGES[damage](largest_file(tmp_path / "finalists" / ids[0]))
    assert store.lost(ids) == {*ids[:3], ids[4]}
    assert f"finalists/{ids[0]}: the checkpoint is damaged" in capsys.readouterr().err
    assert store.load([ids[3]])[0]["test_ranks"][0, 0] == 1


@pytest.mark.parametrize("name", ["tag.json", None])
@pytest.mark.parametrize("damage", DAMAGES)
def test_a_damaged_best_model_says_what_to_do(tmp_path, capsys, damage, name):
    store = ModelStore(tmp_path)
    store.keep_best({"w": np.ones(500, np.float32)}, {"name": "complex"})
    assert not store.best_is_lost()
    model = tmp_path / "model"
    DAMAGES[damage](model / name if name else largest_file(model))
    with pytest.raises(
        UserError, match=r"damaged: .*; give the command of the run again"
    ) as caught:
        store.load_best()
    assert "\n" not in str(caught.value)
    assert store.best_is_lost()
    assert "it is made again" in capsys.readouterr().err


@pytest.mark.parametrize(
    ("error", "told"),
    [(KeyError("options"), "lacks 'options'"), (TypeError("got warp"), "cannot be used: got warp")],
)
def test_a_description_of_another_version_is_one_line(tmp_path, error, told):
    with pytest.raises(UserError, match=told), ModelStore(tmp_path).understanding_best():
        raise error
