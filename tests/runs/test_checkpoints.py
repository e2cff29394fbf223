from __future__ import annotations

import errno
import itertools
import json
import os
import shutil
import subprocess
import sys
import tempfile
import threading
from pathlib import Path
from typing import Any, NamedTuple

import flax.struct
import hypothesis
import hypothesis.extra.numpy
import jax
import jax.numpy as jnp
import numpy as np
import orbax.checkpoint as ocp
import pytest
from hypothesis import strategies as st

from kapl_jax.errors import UserError
from kapl_jax.runs import checkpoints
from kapl_jax.runs.checkpoints import (
    CheckpointSaver,
    DamagedCheckpoint,
    load_pytree,
    load_tag,
    reading,
    remove_pytree,
    save_pytree,
)
from kapl_jax.runs.lock import RunLock
from tests.end_to_end.programs import ROOT
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


class Pair(NamedTuple):
    left: Any
    right: Any


@flax.struct.dataclass
class Node:
    variables: Any
    rest: Any


def test_arrays_are_named_by_their_place_in_the_tree(tmp_path):
    tree = Node({"params": {"entity": np.ones(2)}}, (Pair(np.zeros(1), None), [np.ones(3)]))
    save_pytree(tmp_path / "a", tree, {})
    names = json.loads((tmp_path / "a" / "tag.json").read_text())["arrays"]
    assert list(names) == ["variables/params/entity", "rest/0/left", "rest/1/0"]
    assert names["rest/1/0"] == {"dtype": "float64", "shape": [3]}
    expected = {
        "variables": {"params": {"entity": np.ones(2)}},
        "rest": {"0": {"left": np.zeros(1)}, "1": {"0": np.ones(3)}},
    }
    assert_equal(load_pytree(tmp_path / "a"), expected)
    with ocp.PyTreeCheckpointer() as checkpointer:
        assert_equal(checkpointer.restore(tmp_path / "a" / "arrays" / "state"), expected)


def test_arrays_are_found_by_name_in_whatever_order(tmp_path):
    save_pytree(tmp_path / "a", {"first": np.zeros(2), "second": np.ones(2)}, {})

    class Other(NamedTuple):
        second: Any
        first: Any

    expected = Other(second=np.ones(2), first=np.zeros(2))
    assert_equal(load_pytree(tmp_path / "a", expected), expected)


def arrays() -> st.SearchStrategy[np.ndarray]:
    types = [np.bool_, np.int8, np.int64, np.uint32, np.float16, np.float32, np.float64]
    return st.one_of(
        hypothesis.extra.numpy.arrays(
            st.sampled_from([*types, np.complex64]),
            hypothesis.extra.numpy.array_shapes(min_dims=0, min_side=0, max_side=3),
        ),
        st.just(jnp.full((2, 3), 1.5, jnp.bfloat16)),
    )


def trees() -> st.SearchStrategy[Any]:
    keys = st.one_of(st.text("ab/.%é@ ", max_size=3), st.sampled_from(["state", "params"]))

    def containers(inner):
        return st.one_of(
            st.dictionaries(keys, inner, max_size=3),
            st.dictionaries(st.integers(0, 20), inner, max_size=3),
            st.lists(inner, max_size=3),
            st.tuples(inner, inner),
            st.builds(Pair, inner, inner),
            st.builds(Node, inner, inner),
        )

    return st.recursive(st.one_of(arrays(), st.none()), containers, max_leaves=8)


@hypothesis.given(trees())
@hypothesis.settings(max_examples=40, deadline=None)
def test_any_tree_comes_back(tree):
    with tempfile.TemporaryDirectory() as folder:
        save_pytree(Path(folder) / "a", tree, {})
        assert_equal(load_pytree(Path(folder) / "a", tree), tree)
        assert_equal(load_pytree(Path(folder) / "a"), as_dictionaries(tree))


def as_dictionaries(tree):
    """Return a tree as nested dictionaries without what holds no arrays; one array is under ""."""

    def inner(tree):
        if isinstance(tree, dict):
            items = tree.items()
        elif isinstance(tree, Pair | Node):
            names = ("left", "right") if isinstance(tree, Pair) else ("variables", "rest")
            items = [(name, getattr(tree, name)) for name in names]
        elif isinstance(tree, list | tuple):
            items = enumerate(tree)
        else:
            return tree
        made = {str(key): inner(value) for key, value in items}
        return {key: value for key, value in made.items() if value is not None} or None

    made = inner(tree)
    return {"": made} if made is not None and not isinstance(made, dict) else made or {}


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
    monkeypatch.setattr(checkpoints.ocp.v1, "save", counting(checkpoints.ocp.v1.save))


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
        (
            {"w": np.zeros((2, 3), np.float32), "v": [0, np.zeros(1)]},
            "it lacks the array v/0, v/1$",
        ),
        ({"v": np.zeros((2, 3), np.float32)}, "it lacks the array v$"),
        ({}, "it holds the array w, which is not expected"),
        ([0, 1, 2, 3, 4], "it lacks the array 0, 1, 2 and 2 more"),
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
def test_a_damaged_file_is_told(tmp_path, capfd, damage):
    save_pytree(tmp_path / "whole", make_tree(), {"value": 1})
    told = {}
    for file in files_below(tmp_path / "whole"):
        name = file.relative_to(tmp_path / "whole")
        shutil.copytree(tmp_path / "whole", tmp_path / "a")
        DAMAGES[damage](tmp_path / "a" / name)
        # Some are empty from the start.
        if damage == "gone" or file.read_bytes() != (tmp_path / "a" / name).read_bytes():
            with pytest.raises(DamagedCheckpoint) as caught:
                load_pytree(tmp_path / "a", shapes(make_tree()))
            told[name.name] = str(caught.value)
        shutil.rmtree(tmp_path / "a")
    assert {"tag.json", "_METADATA", "manifest.ocdbt"} <= told.keys()
    for said in told.values():
        assert said.startswith(f"{tmp_path / 'a'}: the checkpoint is damaged: ")
        assert "\n" not in said
    assert capfd.readouterr() == ("", "")


def test_other_values_than_were_saved_are_damage(tmp_path):
    save_pytree(tmp_path / "a", make_tree(1.0), {})
    save_pytree(tmp_path / "b", make_tree(2.0), {})
    shutil.rmtree(tmp_path / "a" / "arrays")
    shutil.move(tmp_path / "b" / "arrays", tmp_path / "a")
    with pytest.raises(DamagedCheckpoint, match="a: the checkpoint is damaged: "):
        load_pytree(tmp_path / "a", shapes(make_tree()))


def test_another_tag_than_was_saved_is_damage(tmp_path):
    save_pytree(tmp_path / "a", make_tree(), {"epoch": 3})
    file = tmp_path / "a" / "tag.json"
    file.write_text(file.read_text().replace('"epoch": 3', '"epoch": 5'))
    with pytest.raises(DamagedCheckpoint, match=r"tag.json is not what was saved"):
        load_tag(tmp_path / "a")


def save_as_earlier_versions(folder, tag):
    """Save as it was done when arrays had numbers."""
    arrays = {"0000": np.ones(2), "0001": np.zeros(3)}
    with ocp.PyTreeCheckpointer() as checkpointer:
        checkpointer.save((folder / "arrays").absolute(), arrays)
    (folder / "tag.json").write_text(json.dumps({**tag, "crc32": [1, 2, 3]}))


def test_a_checkpoint_of_an_earlier_version_is_told_in_one_line(tmp_path):
    save_as_earlier_versions(tmp_path / "a", {"epoch": 3})
    said = f"{tmp_path / 'a'}: the checkpoint cannot be used: it is of an earlier version of"
    for load in (load_tag, load_pytree, lambda folder: load_pytree(folder, make_tree())):
        with pytest.raises(DamagedCheckpoint, match=said) as caught:
            load(tmp_path / "a")
        assert "\n" not in str(caught.value)


def test_what_a_description_lacks_is_said_in_words(tmp_path):
    said = "a: the checkpoint is damaged: its description lacks 'best'; it may be of another"
    with pytest.raises(DamagedCheckpoint, match=said), reading(tmp_path / "a"):
        _ = {}["best"]


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

    def fail(folder, *_):
        folder.mkdir(parents=True)
        raise fault

    with monkeypatch.context() as patch:
        patch.setattr(checkpoints.ocp.v1, "save", fail)
        with pytest.raises(UserError, match=f"cannot be written: {said}") as caught:
            save_pytree(tmp_path / "a", make_tree(2.0), {"value": 2})
    assert str(caught.value).startswith(f"{tmp_path / 'a'}: ")
    assert "\n" not in str(caught.value)
    assert [entry.name for entry in tmp_path.iterdir()] == ["a"]
    assert_equal(load_pytree(tmp_path / "a", shapes(make_tree())), make_tree(1.0))


def slowly(monkeypatch) -> tuple[threading.Event, threading.Event]:
    """Let Orbax write only after the second event; the first tells that it has begun."""
    begun, may = threading.Event(), threading.Event()
    real = checkpoints.ocp.v1.save

    def save(*arguments):
        begun.set()
        assert may.wait(60)
        real(*arguments)

    monkeypatch.setattr(checkpoints.ocp.v1, "save", save)
    return begun, may


def test_the_program_goes_on_while_a_checkpoint_is_written(tmp_path, monkeypatch):
    save_pytree(tmp_path / "a", {"w": np.zeros(3)}, {"value": 0})
    begun, may = slowly(monkeypatch)
    saver = CheckpointSaver()
    tag = {"ids": [1]}
    saver.save(tmp_path / "a", {"w": np.ones(3)}, tag)
    tag["ids"].append(2)
    assert begun.wait(60)
    assert load_tag(tmp_path / "a") == {"value": 0}
    may.set()
    saver.wait()
    assert load_tag(tmp_path / "a") == {"ids": [1]}
    assert_equal(load_pytree(tmp_path / "a"), {"w": np.ones(3)})
    saver.wait()


@pytest.mark.parametrize("devices", [1, 2])
def test_arrays_may_be_donated_while_they_are_written(tmp_path, monkeypatch, devices):
    _, may = slowly(monkeypatch)
    # A forced count of devices is the test session's; one will do where there is no second.
    mesh = jax.sharding.Mesh(np.array(jax.devices()[:devices]), ("population",))
    sharding = jax.sharding.NamedSharding(mesh, jax.sharding.PartitionSpec("population"))
    array = jax.device_put(np.arange(64.0, dtype=np.float32).reshape(8, 8), sharding)
    view = np.asarray(array)[:6]
    saver = CheckpointSaver()
    saver.save(tmp_path / "a", {"device": array, "view": view}, {})
    del view
    step = jax.jit(lambda one: one * 0 - 1, donate_argnums=0)
    for _ in range(3):
        array = step(array)
    array.block_until_ready()
    may.set()
    saver.wait()
    expected = np.arange(64.0, dtype=np.float32).reshape(8, 8)
    assert_equal(load_pytree(tmp_path / "a"), {"device": expected, "view": expected[:6]})


def test_memory_that_jax_lends_is_copied(tmp_path, monkeypatch):
    """XLA gives memory that is lent no new content today; nothing says that it never will."""
    given = list[np.ndarray]()
    monkeypatch.setattr(checkpoints, "_write", lambda _, arrays, *__: given.extend(arrays.values()))
    lent, own = np.asarray(jnp.arange(5.0)), np.arange(5.0)
    CheckpointSaver().save(tmp_path / "a", [lent, lent[:3], own, own[:3]], {})
    pairs = zip(given, [lent, lent, own, own], strict=True)
    assert [np.shares_memory(*pair) for pair in pairs] == [False, False, True, True]


def test_a_second_save_waits_for_the_first(tmp_path, monkeypatch):
    _, may = slowly(monkeypatch)
    saver = CheckpointSaver()
    saver.save(tmp_path / "a", {"w": np.zeros(2)}, {"value": 1})
    second = threading.Thread(
        target=saver.save, args=(tmp_path / "a", {"w": np.ones(2)}, {"value": 2})
    )
    second.start()
    second.join(0.2)
    assert second.is_alive()
    may.set()
    second.join(60)
    saver.wait()
    assert load_tag(tmp_path / "a") == {"value": 2}
    assert_equal(load_pytree(tmp_path / "a"), {"w": np.ones(2)})


@pytest.mark.parametrize("then", ["save", "wait"])
def test_a_failure_in_the_background_is_raised_once(tmp_path, monkeypatch, then):
    save_pytree(tmp_path / "a", {"w": np.zeros(2)}, {"value": 0})
    saver = CheckpointSaver()

    def fail(*_):
        raise OSError(errno.ENOSPC, os.strerror(errno.ENOSPC))

    with monkeypatch.context() as patch:
        patch.setattr(checkpoints.ocp.v1, "save", fail)
        saver.save(tmp_path / "a", {"w": np.ones(2)}, {"value": 1})
        said = f"{tmp_path / 'a'}: cannot be written: No space left on device; give the same"
        again = {"save": lambda: saver.save(tmp_path / "b", {}, {}), "wait": saver.wait}
        with pytest.raises(UserError, match=said):
            again[then]()
    saver.wait()
    assert [entry.name for entry in tmp_path.iterdir()] == ["a"]
    assert load_tag(tmp_path / "a") == {"value": 0}
    saver.save(tmp_path / "a", {"w": np.ones(2)}, {"value": 2})
    saver.wait()
    assert load_tag(tmp_path / "a") == {"value": 2}


WRITES_WITHOUT_ROOM = """
import resource, sys
from pathlib import Path
import numpy as np
from kapl_jax.errors import UserError
from kapl_jax.runs.checkpoints import CheckpointSaver

saver, folder = CheckpointSaver(), Path(sys.argv[1])
trees = [{str(i): np.random.default_rng(i).random(40_000) for i in range(9)} for _ in range(2)]
saver.save(folder, trees[0], {"value": 0})
saver.wait()
resource.setrlimit(resource.RLIMIT_FSIZE, (100_000, resource.RLIM_INFINITY))
saver.save(folder, trees[1], {"value": 1})
try:
    saver.wait()
except UserError as error:
    print(error)
"""


def test_files_that_may_not_grow_are_one_line_and_nothing_on_standard_error(tmp_path):
    done = run_python(WRITES_WITHOUT_ROOM, tmp_path / "a")
    said = f"{tmp_path / 'a'}: cannot be written: File too large; give the same command again when "
    assert (done.returncode, done.stderr) == (0, "")
    assert done.stdout == f"{said}there is room\n"
    assert load_tag(tmp_path / "a") == {"value": 0}
    assert [entry.name for entry in tmp_path.iterdir()] == ["a"]


def run_python(program: str, *arguments: Path) -> subprocess.CompletedProcess[str]:
    command = [sys.executable, "-c", program, *map(str, arguments)]
    return subprocess.run(
        command, check=False, capture_output=True, text=True, timeout=120, cwd=ROOT
    )


# Forks, so that what is killed need not import everything anew; prints what it had begun to write.
IS_KILLED = """
import itertools, os, signal, sys, time
from pathlib import Path
import numpy as np
from kapl_jax.runs.checkpoints import CheckpointSaver, load_tag

def write(folder, told):
    saver = CheckpointSaver()
    for value in itertools.count():
        tree = {name: np.full((200, 500), value + 0.5) for name in ("state", "best")}
        saver.save(folder, tree, {"value": value})
        os.write(told, f"{value} ".encode())

for folder in map(Path, sys.argv[1:]):
    read, told = os.pipe()
    child = os.fork()
    if not child:
        write(folder, told)
    os.close(told)
    begun = os.read(read, 1000)
    while len(begun.split()) < 3:
        begun += os.read(read, 1000)
    time.sleep(np.random.default_rng().uniform(0, 0.2))
    os.kill(child, signal.SIGKILL)
    os.waitpid(child, 0)
    while more := os.read(read, 1000):
        begun += more
    print(begun.split()[-1].decode(), flush=True)
"""


def test_a_kill_at_any_moment_leaves_a_whole_checkpoint(tmp_path):
    folders = [tmp_path / str(number) for number in range(6)]
    done = run_python(IS_KILLED, *folders)
    assert done.returncode == 0, done
    for folder, begun in zip(folders, map(int, done.stdout.split()), strict=True):
        value = load_tag(folder)["value"]
        # The one before was there when it was begun; the next may be begun, too, and not told of.
        assert begun - 1 <= value <= begun + 1
        expected = dict.fromkeys(("state", "best"), np.full((200, 500), value + 0.5))
        assert_equal(load_pytree(folder, expected), expected)


def test_a_lock_is_released_when_what_is_written_is_there(tmp_path, monkeypatch):
    _, may = slowly(monkeypatch)
    lock = RunLock(tmp_path)
    saver = CheckpointSaver()
    saver.save(tmp_path / "a", {"w": np.ones(2)}, {})
    threading.Timer(0.2, may.set).start()
    lock.release()
    assert load_tag(tmp_path / "a") == {}


def test_what_fails_at_the_end_of_a_run_is_a_warning(tmp_path, monkeypatch, capsys):
    def save(*_):
        raise OSError(errno.ENOSPC, os.strerror(errno.ENOSPC))

    monkeypatch.setattr(checkpoints.ocp.v1, "save", save)
    lock = RunLock(tmp_path)
    CheckpointSaver().save(tmp_path / "a", {"w": np.ones(2)}, {})
    lock.release()
    printed = capsys.readouterr().err
    assert printed.startswith(f"warning: {tmp_path / 'a'}: cannot be written: No space left")
    assert printed.count("\n") == 1
    assert list(tmp_path.iterdir()) == []


def test_a_run_directory_that_is_lost_is_told_of_once(tmp_path, monkeypatch, capsys):
    """What ends the run says so; the checkpoint that cannot be written then adds no line."""
    run, lost = tmp_path / "run", threading.Event()
    run.mkdir()
    lock = RunLock(run)
    writing = checkpoints._write

    def write(*arguments):
        lost.wait(10)
        return writing(*arguments)

    monkeypatch.setattr(checkpoints, "_write", write)
    saver = CheckpointSaver()
    saver.save(run / "one", {"x": np.ones(2)}, {})
    run.rename(tmp_path / "gone")
    lost.set()
    lock.release()
    assert capsys.readouterr().err == ""
