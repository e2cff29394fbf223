from __future__ import annotations

import itertools
import json
import shutil
from pathlib import Path

import jax
import jax.numpy as jnp
import numpy as np
import pytest

from kapl_jax.errors import UserError
from kapl_jax.runs import checkpoints
from kapl_jax.runs.checkpoints import (
    DamagedCheckpoint,
    load_pytree,
    load_tag,
    remove_pytree,
    save_pytree,
)
from tests.runs.damage import DAMAGES, files_below


class Killed(BaseException):
    """Stands for a kill at any moment."""


def make_tree(value: float = 1.0):
    """All dtypes that training states have, and float64, which JAX would narrow."""
    return {
        "weights": np.full((2, 3), value, np.float32),
        "nested": (jnp.arange(4), [np.float64(value) * np.ones(2) / 3]),
        "count": np.int64(2**40),
        "candidate": np.full((2, 2), -3, np.int8),
        "none": None,
    }


def shapes(tree):
    return jax.tree.map(lambda leaf: jax.ShapeDtypeStruct(leaf.shape, leaf.dtype), tree)


def assert_equal(found, expected):
    assert jax.tree.structure(found) == jax.tree.structure(expected)
    for one, other in zip(jax.tree.leaves(found), jax.tree.leaves(expected), strict=True):
        assert isinstance(one, np.ndarray)
        assert one.dtype == other.dtype
        np.testing.assert_array_equal(one, other)


def test_saved_arrays_come_back_as_they_were(tmp_path):
    save_pytree(tmp_path / "a", make_tree(), {"epoch": 3, "ids": ("x", "y")})
    assert_equal(load_pytree(tmp_path / "a", shapes(make_tree())), make_tree())
    assert load_tag(tmp_path / "a") == {"epoch": 3, "ids": ["x", "y"]}


def test_saving_again_replaces(tmp_path):
    for value in (1.0, 2.0):
        save_pytree(tmp_path / "a", make_tree(value), {"value": value})
    assert_equal(load_pytree(tmp_path / "a", shapes(make_tree())), make_tree(2.0))
    assert [entry.name for entry in tmp_path.iterdir()] == ["a"]


def test_relative_folders_will_do(tmp_path, monkeypatch):
    monkeypatch.chdir(tmp_path)
    save_pytree(Path("runs/a"), {"w": np.ones(2)}, {})
    assert_equal(load_pytree(Path("runs/a"), {"w": np.ones(2)}), {"w": np.ones(2)})


def crash_at(monkeypatch, moment: int) -> None:
    """Make `save_pytree` crash before its file operation number `moment` from 0."""
    numbers = itertools.count()

    def counting(real):
        def call(*args, **kwargs):
            if next(numbers) == moment:
                raise Killed
            return real(*args, **kwargs)

        return call

    monkeypatch.setattr(checkpoints.shutil, "rmtree", counting(checkpoints.shutil.rmtree))
    monkeypatch.setattr(checkpoints, "write_json", counting(checkpoints.write_json))
    monkeypatch.setattr(Path, "rename", counting(Path.rename))
    monkeypatch.setattr(
        checkpoints.ocp.PyTreeCheckpointer,
        "save",
        counting(checkpoints.ocp.PyTreeCheckpointer.save),
    )


def save_and_crash(folder, value, moment, monkeypatch) -> bool:
    """Save a tree, crashing at a moment; tell whether it did."""
    with monkeypatch.context() as patch:
        crash_at(patch, moment)
        try:
            save_pytree(folder, make_tree(value), {"value": value})
        except Killed:
            return True
    return False


def test_a_crash_at_any_moment_leaves_the_earlier_or_the_new_one(tmp_path, monkeypatch):
    folder, values = tmp_path / "a", []
    for moment in itertools.count():
        save_pytree(folder, make_tree(1.0), {"value": 1.0})
        if not save_and_crash(folder, 2.0, moment, monkeypatch):
            break
        values.append(load_tag(folder)["value"])
        assert_equal(load_pytree(folder, shapes(make_tree())), make_tree(values[-1]))
    assert len(values) >= 6
    assert values == sorted(values)
    assert set(values) == {1.0, 2.0}


def test_crashes_in_a_row_leave_a_checkpoint(tmp_path, monkeypatch):
    folder = tmp_path / "a"
    for moment in range(7):
        save_pytree(folder, make_tree(1.0), {"value": 1.0})
        folder.rename(folder.with_name("a.earlier"))  # As a crash between the renames leaves it.
        save_and_crash(folder, 2.0, moment, monkeypatch)
        tag = load_tag(folder)
        assert tag is not None, moment
        assert_equal(load_pytree(folder, shapes(make_tree())), make_tree(tag["value"]))


def test_no_checkpoint(tmp_path):
    assert load_tag(tmp_path / "a") is None
    with pytest.raises(UserError, match="there is no checkpoint"):
        load_pytree(tmp_path / "a", make_tree())


@pytest.mark.parametrize(
    ("like", "message"),
    [
        ({"w": np.zeros((2, 4), np.float32)}, r"float32\[2, 3\], expected float32\[2, 4\]"),
        ({"w": np.zeros((2, 3), np.int32)}, r"float32\[2, 3\], expected int32\[2, 3\]"),
        ({"w": np.zeros((2, 3), np.float32), "v": np.zeros(1)}, "found 1 arrays, expected 2"),
    ],
)
def test_other_arrays_are_refused(tmp_path, like, message):
    save_pytree(tmp_path / "a", {"w": np.zeros((2, 3), np.float32)}, {})
    with pytest.raises(UserError, match=message) as caught:
        load_pytree(tmp_path / "a", like)
    assert str(tmp_path / "a") in str(caught.value)


def test_removed_with_what_a_crash_left(tmp_path):
    folder = tmp_path / "checkpoint"
    for name in ("checkpoint", "checkpoint.earlier", "checkpoint.partial", "other"):
        save_pytree(tmp_path / name, {"a": np.zeros(2)}, {})
    remove_pytree(folder)
    assert [entry.name for entry in tmp_path.iterdir()] == ["other"]


@pytest.mark.parametrize("damage", DAMAGES)
def test_a_damaged_file_is_told_or_does_no_harm(tmp_path, capfd, damage):
    save_pytree(tmp_path / "whole", make_tree(), {"value": 1})
    told = {}
    for file in files_below(tmp_path / "whole"):
        name = file.relative_to(tmp_path / "whole")
        shutil.copytree(tmp_path / "whole", tmp_path / "a")
        DAMAGES[damage](tmp_path / "a" / name)
        try:
            assert load_tag(tmp_path / "a") == {"value": 1}
            assert_equal(load_pytree(tmp_path / "a", shapes(make_tree())), make_tree())
        except DamagedCheckpoint as error:
            told[name.name] = str(error)
        shutil.rmtree(tmp_path / "a")
    assert "tag.json" in told
    assert len(told) >= 3
    for said in told.values():
        assert said.startswith(f"{tmp_path / 'a'}: the checkpoint is damaged: ")
        assert "\n" not in said
    assert capfd.readouterr() == ("", "")


def test_other_values_than_were_saved_are_damage(tmp_path):
    save_pytree(tmp_path / "a", make_tree(1.0), {})
    save_pytree(tmp_path / "b", make_tree(2.0), {})
    shutil.rmtree(tmp_path / "a" / "arrays")
    shutil.move(tmp_path / "b" / "arrays", tmp_path / "a")
    with pytest.raises(DamagedCheckpoint, match="its arrays are not those that were saved"):
        load_pytree(tmp_path / "a", shapes(make_tree()))


def test_another_tag_than_was_saved_is_damage(tmp_path):
    save_pytree(tmp_path / "a", make_tree(), {"epoch": 3})
    file = tmp_path / "a" / "tag.json"
    file.write_text(file.read_text().replace('"epoch": 3', '"epoch": 5'))
    with pytest.raises(DamagedCheckpoint, match=r"tag.json is not what was saved"):
        load_tag(tmp_path / "a")


def test_checkpoints_of_earlier_versions_have_no_checksums(tmp_path):
    save_pytree(tmp_path / "a", make_tree(), {"epoch": 3})
    (tmp_path / "a" / "tag.json").write_text(json.dumps({"epoch": 3}))
    assert load_tag(tmp_path / "a") == {"epoch": 3}
    assert_equal(load_pytree(tmp_path / "a", shapes(make_tree())), make_tree())


@pytest.mark.parametrize(
    ("fault", "said"),
    [
        (ValueError("RESOURCE_EXHAUSTED: writing\nNo space left on device [28]"), "No space left"),
        (OSError(30, "Read-only file system"), "Read-only file system"),
        (ValueError("PERMISSION_DENIED: x"), "PERMISSION_DENIED: x"),
    ],
)
def test_what_cannot_be_saved_is_one_line_and_the_earlier_one_stays(
    tmp_path, monkeypatch, fault, said
):
    save_pytree(tmp_path / "a", make_tree(1.0), {"value": 1})

    def fail(self, folder, *_):
        folder.mkdir(parents=True)
        raise fault

    with monkeypatch.context() as patch:
        patch.setattr(checkpoints.ocp.PyTreeCheckpointer, "save", fail)
        with pytest.raises(UserError, match=f"cannot be written: {said}") as caught:
            save_pytree(tmp_path / "a", make_tree(2.0), {"value": 2})
    assert str(caught.value).startswith(f"{tmp_path / 'a'}: ")
    assert "\n" not in str(caught.value)
    assert [entry.name for entry in tmp_path.iterdir()] == ["a"]
    assert_equal(load_pytree(tmp_path / "a", shapes(make_tree())), make_tree(1.0))
