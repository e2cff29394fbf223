"""Checkpoints: pytrees of arrays kept by Orbax, each with a tag that says what it is.

A checkpoint is a folder. `arrays` is written by `orbax.checkpoint.v1.save`, Orbax's function for a
path of one's own: nested dictionaries whose keys are those of the tree, so that other programs can
read it, too. `tag.json` holds the tag, the dtype and shape of each array by its name
(`state/params/entity`), and the checksum of each file of `arrays`.
"""

from __future__ import annotations

import contextlib
import functools
import json
import logging
import re
import shutil
import sys
import zlib
from collections.abc import Iterator, Mapping, Sequence
from concurrent.futures import Future, ThreadPoolExecutor
from pathlib import Path
from typing import Any
from urllib.parse import unquote

import jax
import numpy as np
import orbax.checkpoint as ocp
from flax.traverse_util import flatten_dict, unflatten_dict
from jax.tree_util import keystr, tree_flatten_with_path

from kapl_jax.errors import UserError, one_line
from kapl_jax.runs.files import cannot_be_written, plain, write_json
from kapl_jax.runs.lock import RunLock, check_held, held_locks, remove_made
from kapl_jax.runs.program import print_warnings

_TAG = "tag.json"
_ARRAYS = "arrays"
# What keys may not hold: the slash parts names here, the point parts them in Orbax's files.
_PARTING = re.compile(r"[%/.]")
# So many names are told where arrays are not those expected.
_NAMES_TOLD = 3
_BLOCK_BYTES = 2**20


class DamagedCheckpoint(UserError):
    """A checkpoint is there, but cannot be used: it is not what was saved, or what is expected."""


def save_pytree(folder: Path, tree: Any, tag: Mapping[str, Any]) -> None:
    """Save the arrays of `tree` and `tag` (JSON) in `folder`, replacing what was there.

    The checkpoint is written to the side and renamed: a crash leaves the earlier one or the new
    one.

    Raises:
        UserError: It cannot be written, or the run is another process's now; what was there before
            still is.
    """
    check_held(folder)
    _write(folder, _on_host(tree), plain(tag), held_locks(folder))


class CheckpointSaver:
    """Saves checkpoints while the program goes on, one at a time.

    `save` returns as soon as the arrays are on the host. A thread writes them as `save_pytree`
    does. What goes wrong there is raised by the next `save` or `wait`. The lock of a run directory
    is not released before what is being written to it is.
    """

    def __init__(self) -> None:
        """Prepare to save; no thread is started before something is to be written."""
        self._writing: Future[None] | None = None
        self._folder = Path()

    def save(self, folder: Path, tree: Any, tag: Mapping[str, Any]) -> None:
        """Save the arrays of `tree` and `tag` (JSON) in `folder`, replacing what was there.

        Waits for the checkpoint before. Arrays of JAX may be donated once this returns. NumPy
        arrays that own their memory are not copied, and must not be changed before `wait`.

        Raises:
            UserError: The checkpoint before could not be written, or the run is another process's
                now.
        """
        self.wait()
        check_held(folder)
        self._folder = folder
        locks = held_locks(folder)
        for lock in locks:
            lock.finish_first(self._wait_at_end)
        # A pool of its own, so that no idle thread stays.
        pool = ThreadPoolExecutor(1, thread_name_prefix="checkpoint")
        self._writing = pool.submit(_write, folder, _on_host(tree), plain(tag), locks)
        pool.shutdown(wait=False)

    def wait(self) -> None:
        """Wait until what was saved is written.

        Raises:
            UserError: It cannot be written, or the run is another process's now; what was there
                before still is.
        """
        if self._writing is None:
            return
        try:
            self._writing.result()
        finally:
            # A signal may end the waiting first.
            if self._writing.done():
                self._writing = None

    def _wait_at_end(self) -> None:
        """Wait where the work in a run directory ends, maybe for another reason: only warn."""
        try:
            self.wait()
        except UserError as error:
            # Of a run directory that is lost whatever ends the run tells.
            with contextlib.suppress(UserError):
                check_held(self._folder)
                print_warnings([str(error)])


def load_tag(folder: Path) -> dict[str, Any] | None:
    """Return the tag of the checkpoint in `folder`, None where there is none.

    Raises:
        DamagedCheckpoint: It cannot be read.
    """
    source = _newest(folder)
    if source is None:
        return None
    tag: dict[str, Any] = _read_content(source)["tag"]
    return tag


def load_pytree(folder: Path, like: Any = None) -> Any:
    """Return the checkpoint in `folder` as host arrays.

    Args:
        folder: Where it was saved.
        like: A tree of arrays, or of what has their shape and dtype, in whose structure the arrays
            are returned; each is found by its name. None returns nested dictionaries by the keys,
            fields and indices of the tree that was saved.

    Raises:
        DamagedCheckpoint: It cannot be read, or its arrays are not those of `like`.
        UserError: There is no checkpoint.
    """
    source = _newest(folder)
    if source is None:
        raise UserError(f"{folder}: there is no checkpoint; expected one written by a finished run")
    content = _read_content(source)
    if like is None:
        return _nested(_read_arrays(source, content))
    expected, structure = _named(like)
    _check_fit(source, content["arrays"], expected)
    arrays = _read_arrays(source, content)
    return jax.tree.unflatten(structure, [arrays[name] for name in expected])


def remove_pytree(folder: Path) -> None:
    """Remove the checkpoint in `folder`, with what a crash may have left of it beside."""
    for name in (folder.name, f"{folder.name}.earlier", f"{folder.name}.partial"):
        shutil.rmtree(folder.with_name(name), ignore_errors=True)


def saved_in(folder: Path) -> list[Path]:
    """Return the folders of the checkpoints saved below `folder`, whole or not."""
    # Of one that a crash cut off while it was saved only the earlier may be there.
    names = {entry.name.partition(".")[0] for entry in folder.glob("*")}
    return [folder / name for name in sorted(names)]


@contextlib.contextmanager
def reading(folder: Path) -> Iterator[None]:
    """Make whatever goes wrong with what a checkpoint holds one line.

    Raises:
        DamagedCheckpoint: Something came up within.
    """
    try:
        yield
    except UserError:
        raise
    except KeyError as error:
        reason = f"its description lacks {error}; it may be of another version"
        raise _damaged(folder, reason) from None
    except Exception as error:
        raise _damaged(folder, f"{type(error).__name__}: {one_line(error)[:200]}") from None


def _damaged(folder: Path, reason: str) -> DamagedCheckpoint:
    return DamagedCheckpoint(f"{folder}: the checkpoint is damaged: {reason}")


def _unusable(folder: Path, reason: str) -> DamagedCheckpoint:
    return DamagedCheckpoint(f"{folder}: the checkpoint cannot be used: {reason}")


def _named(tree: Any) -> tuple[dict[str, Any], Any]:
    """Return the leaves of a tree by the path of each, and the tree's structure."""
    leaves, structure = tree_flatten_with_path(tree)
    named = {"/".join(map(_key, path)): leaf for path, leaf in leaves}
    assert len(named) == len(leaves), "two leaves of one name"
    return named, structure


def _key(entry: Any) -> str:
    """Return a step of a path, the key, field or index, without what parts names."""
    return _PARTING.sub(lambda found: f"%{ord(found[0]):02X}", keystr((entry,), simple=True))


def _nested(named: Mapping[str, Any]) -> dict[str, Any]:
    """Return named leaves as nested dictionaries, by keys as they are."""
    paths = {tuple(map(unquote, name.split("/"))): leaf for name, leaf in named.items()}
    nested: dict[str, Any] = unflatten_dict(paths)
    return nested


def _on_host(tree: Any) -> dict[str, np.ndarray]:
    """Return the leaves of a tree by name, as host arrays that live on without the device's."""
    return {name: _host_array(leaf) for name, leaf in _named(tree)[0].items()}


def _host_array(leaf: Any) -> np.ndarray:
    array = np.asarray(leaf)
    owner = array
    while isinstance(owner.base, np.ndarray):
        owner = owner.base
    # On CPUs JAX lends its own memory, where the next step may put other numbers.
    return array if owner.base is None else array.copy()


def _write(
    folder: Path, arrays: dict[str, np.ndarray], tag: dict[str, Any], locks: Sequence[RunLock]
) -> None:
    """Write a checkpoint to the side and rename it, if these locks are held then."""
    partial = folder.with_name(folder.name + ".partial")
    earlier = folder.with_name(folder.name + ".earlier")
    shutil.rmtree(partial, ignore_errors=True)
    try:
        _write_arrays(partial / _ARRAYS, arrays)
        content = {
            "tag": tag,
            "arrays": {name: _describe(array) for name, array in arrays.items()},
            "files": dict(_checksums(partial / _ARRAYS)),
        }
        write_json(partial / _TAG, {**content, "crc32": _checksum(json.dumps(content))})
        _check(locks)
        if folder.exists():
            # Only now: after a crash between the renames, the earlier one is all there is.
            shutil.rmtree(earlier, ignore_errors=True)
            folder.rename(earlier)
        partial.rename(folder)
    except Exception as error:
        # Its bytes may be wanted for something else.
        remove_made(partial)
        _check(locks)
        if isinstance(error, UserError):
            raise
        raise cannot_be_written(folder, error) from None
    shutil.rmtree(earlier, ignore_errors=True)


def _check(locks: Sequence[RunLock]) -> None:
    """Check locks that were held when something began, though they may be released by now."""
    for lock in locks:
        lock.check()


def _write_arrays(folder: Path, arrays: Mapping[str, np.ndarray]) -> None:
    # Orbax writes neither empty arrays nor empty trees; of these the tag's file tells all.
    filled = {name: array for name, array in arrays.items() if array.size}
    if filled:
        with _orbax():
            ocp.v1.save(folder.absolute(), unflatten_dict(filled, sep="/"))


def _read_arrays(source: Path, content: Mapping[str, Any]) -> dict[str, np.ndarray]:
    """Read the arrays of a checkpoint, whose tag's file holds `content`, by name."""
    with reading(source):
        saved = content["arrays"]
        empty = {name: one for name, one in saved.items() if 0 in one["shape"]}
        arrays = {name: np.zeros(one["shape"], one["dtype"]) for name, one in empty.items()}
        # Orbax would not notice each damage, and fails in threads where it does.
        for name, checksum in content["files"].items():
            if _checksum_of_file(source / _ARRAYS / name) != checksum:
                raise _damaged(source, f"{_ARRAYS}/{name} is not what was saved")
        if len(empty) < len(saved):
            with _orbax():
                found = flatten_dict(ocp.v1.load((source / _ARRAYS).absolute()), sep="/")
            arrays |= {name: np.asarray(leaf) for name, leaf in found.items()}
        if {name: _describe(array) for name, array in arrays.items()} != saved:
            raise _damaged(source, f"{_ARRAYS} holds other arrays than {_TAG} says")
    return arrays


@contextlib.contextmanager
def _orbax() -> Iterator[None]:
    """Set up Orbax for what is saved or loaded within, in this thread."""
    _keep_orbax_quiet()
    context = ocp.v1.Context()
    # Else threads wait five minutes for a folder that is not made because something failed before.
    context.asynchronous.create_directories_asynchronously = False
    if hasattr(context.memory, "deepcopy_host_arrays"):
        # Versions that lack it always copy.
        context.memory.deepcopy_host_arrays = False
    with context:
        yield


@functools.cache
def _keep_orbax_quiet() -> None:
    """Keep Orbax from printing the errors that it raises, with a traceback of each thread.

    For good: threads and tasks that failed tell of it when all is over.
    """
    logging.getLogger("absl").addFilter(lambda record: "orbax" not in Path(record.pathname).parts)
    logging.getLogger("asyncio").setLevel(logging.CRITICAL)
    tell = sys.unraisablehook

    def tell_unless_late(unraisable: sys.UnraisableHookArgs) -> None:
        # Threads of TensorStore, after the first error, with theirs.
        error = unraisable.exc_value
        if not (isinstance(error, RuntimeError) and str(error) == "Event loop is closed"):
            tell(unraisable)

    sys.unraisablehook = tell_unless_late


def _check_fit(source: Path, saved: Mapping[str, Any], expected: Mapping[str, Any]) -> None:
    """Check that the arrays that were saved are those expected, by name, shape and dtype."""
    missing = [name for name in expected if name not in saved]
    if missing:
        raise _unusable(source, f"it lacks the array {_some(missing)}")
    surplus = [name for name in saved if name not in expected]
    if surplus:
        raise _unusable(source, f"it holds the array {_some(surplus)}, which is not expected")
    for name, wanted in expected.items():
        found = f"{saved[name]['dtype']}{saved[name]['shape']}"
        if found != f"{wanted.dtype}{list(wanted.shape)}":
            raise _unusable(
                source,
                f"the array {name} is {found}, expected {wanted.dtype}{list(wanted.shape)}",
            )


def _some(names: Sequence[str]) -> str:
    more = len(names) - _NAMES_TOLD
    return ", ".join(names[:_NAMES_TOLD]) + (f" and {more} more" if more > 0 else "")


def _read_content(source: Path) -> dict[str, Any]:
    """Return what the file of a checkpoint's tag holds: `tag`, `arrays` and `files`."""
    with reading(source):
        content: dict[str, Any] = json.loads((source / _TAG).read_text(encoding="utf-8"))
        if "arrays" not in content:
            raise _unusable(
                source,
                "it is of an earlier version of kapl_jax, whose arrays had numbers, not names",
            )
        if content.pop("crc32") != _checksum(json.dumps(content)):
            raise _damaged(source, f"{_TAG} is not what was saved")
    return content


def _newest(folder: Path) -> Path | None:
    # A crash between the two renames of `_write` leaves only the earlier checkpoint.
    sources = (folder, folder.with_name(folder.name + ".earlier"))
    whole = next((source for source in sources if (source / _TAG).is_file()), None)
    return whole or next((source for source in sources if source.is_dir()), None)


def _describe(array: np.ndarray) -> dict[str, Any]:
    return {"dtype": str(array.dtype), "shape": list(array.shape)}


def _checksums(folder: Path) -> Iterator[tuple[str, int]]:
    """Yield the files below a folder, by their paths in it, each with its checksum."""
    for file in sorted(folder.rglob("*")):
        if file.is_file():
            yield file.relative_to(folder).as_posix(), _checksum_of_file(file)


def _checksum_of_file(file: Path) -> int:
    checksum = 0
    with file.open("rb") as stream:
        while block := stream.read(_BLOCK_BYTES):
            checksum = zlib.crc32(block, checksum)
    return checksum


def _checksum(text: str) -> int:
    return zlib.crc32(text.encode())
