"""config.json as other versions or hands leave it: continued where that is sound, else one line."""

from __future__ import annotations

import dataclasses
import json

import pytest

from kapl_jax.errors import UserError
from kapl_jax.runs.config import CONFIG, check_same_run, config_of, differing_data, read_config
from kapl_jax.runs.settings import recorded_settings, setting

DATA = {"name": "toy", "users": 3, "digest": "abc"}
SETTINGS = {"dataset": "toy", "rate": 0.5, "size": 3}
DEFAULTS = {**SETTINGS, "workdir": "", "chunk": 0}
NOW = {"method": "toy", "settings": SETTINGS, "dataset": DATA}


@dataclasses.dataclass(frozen=True)
class Toy:
    dataset: str = setting("toy", "")
    workdir: str = setting("runs", "", identity=False)
    rate: float = setting(0.5, "")
    size: int = setting(3, "")
    kind: str = setting("a", "", choices=["a", "b"])
    deep: bool = setting(False, "")


def check(tmp_path, **changes):
    check_same_run(tmp_path, {**NOW, **changes}, NOW, DEFAULTS)


def test_data_of_another_name_and_spelling_are_the_same(tmp_path):
    check(tmp_path, dataset={**DATA, "name": "other"}, settings={**SETTINGS, "dataset": "/a/b"})


def test_an_added_setting_with_its_default_is_no_obstacle(tmp_path):
    check(tmp_path, settings={"dataset": "toy", "rate": 0.5})
    check_same_run(tmp_path, {**NOW, "settings": {"rate": 0.5}}, NOW, DEFAULTS)
    now = {**NOW, "settings": {**SETTINGS, "size": 4}}
    with pytest.raises(UserError, match=r"holds another run .--size=3, not 4"):
        check_same_run(tmp_path, {**NOW, "settings": {"rate": 0.5}}, now, DEFAULTS)


def test_a_setting_that_is_no_identity_any_more_does_not_matter(tmp_path):
    check(tmp_path, settings={**SETTINGS, "chunk": 7})


def test_a_setting_of_another_version_is_told(tmp_path):
    changed = {**SETTINGS, "warp": 9}
    with pytest.raises(UserError, match=r"settings: found warp, which this version .* \(9\.1\)"):
        check(tmp_path, settings=changed, versions={"kapl-jax": "9.1"})


def test_a_run_of_another_method_is_told_as_such(tmp_path):
    changed = {**SETTINGS, "warp": 9}
    with pytest.raises(UserError, match=r"holds another run .method 'other', not 'toy'"):
        check(tmp_path, method="other", settings=changed)


def test_missing_parts_are_told(tmp_path):
    with pytest.raises(UserError, match="settings: missing"):
        check_same_run(tmp_path, {"method": "toy", "dataset": DATA}, NOW, DEFAULTS)
    with pytest.raises(UserError, match="no digest of the data recorded"):
        check(tmp_path, dataset={})
    with pytest.raises(UserError, match="method None, not 'toy'"):
        check_same_run(tmp_path, {"settings": SETTINGS, "dataset": DATA}, NOW, DEFAULTS)


def test_what_differs_of_data():
    assert differing_data(DATA, {**DATA, "name": "x"}) == []
    assert differing_data(DATA, {**DATA, "users": 4, "digest": "x"}) == ["dataset users=3, not 4"]
    assert differing_data(DATA, {**DATA, "digest": "x"}) != []
    assert differing_data({"users": 3}, {"users": 4}) == ["dataset users=3, not 4"]


@pytest.mark.parametrize("value", [[], "text", 3, True])
@pytest.mark.parametrize("part", ["settings", "dataset", "versions"])
def test_parts_of_another_kind_are_told(tmp_path, part, value):
    (tmp_path / CONFIG).write_text(json.dumps({**NOW, part: value}))
    with pytest.raises(UserError, match=rf"config.json: {part}: found .*, expected an object$"):
        read_config(tmp_path)


def test_null_is_as_if_it_were_not_there(tmp_path):
    (tmp_path / CONFIG).write_text(json.dumps(dict.fromkeys(NOW)))
    assert config_of(tmp_path) == {}
    assert config_of(tmp_path / "nothing") == {}


def test_recorded_settings_are_checked_and_others_have_their_default(tmp_path):
    recorded = {"size": 7, "rate": 1, "warp": 9, "workdir": "elsewhere"}
    assert recorded_settings(tmp_path, {"settings": recorded}, Toy) == Toy(size=7, rate=1)
    assert recorded_settings(tmp_path, {}, Toy) == Toy()


@pytest.mark.parametrize(
    ("recorded", "message"),
    [
        ({"size": "x"}, "size: found text, expected a whole number"),
        ({"size": True}, "size: found true or false, expected a whole number"),
        ({"rate": None}, "rate: found null, expected a number"),
        ({"dataset": [1]}, "dataset: found a list, expected text"),
        ({"deep": 1}, "deep: found a number, expected true or false"),
        ({"kind": "c"}, "--kind=c: expected one of a, b"),
    ],
)
def test_recorded_settings_of_another_kind_are_told(tmp_path, recorded, message):
    with pytest.raises(UserError, match=f"config.json: settings: {message}"):
        recorded_settings(tmp_path, {"settings": recorded}, Toy)
