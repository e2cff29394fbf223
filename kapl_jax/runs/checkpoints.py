"""Checkpoints: pytrees of arrays kept by Orbax, each with a tag that says what it is."""

from __future__ import annotations

import contextlib
import json
import logging as logging_of_python
import shutil
import zlib
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import jax
import numpy as np
import orbax.checkpoint as ocp
from absl import logging

from kapl_jax.errors import UserError, one_line
from kapl_jax.runs.files import cannot_be_written, plain, write_json
from kapl_jax.runs.lock import check_held, remove_made

_TAG = "tag.json"
# In the tag's file beside the tag: what tells that its arrays and the tag are as they were saved.
_CHECKSUMS = "crc32"


class DamagedCheckpoint(UserError):
    """A checkpoint is there, but is not what was saved."""


def save_pytree(folder: Path, tree: Any, tag: dict[str, Any]) -> None:
    """Save the arrays of `tree` and `tag` (JSON) in `folder`, replacing what was there.

    The checkpoint is written to the side and renamed: a crash leaves the earlier one or the new
    one. Arrays are fetched to the host first.

    Raises:
        UserError: It cannot be written, or the run is another process's now; what was there before
            still is.
    """
    check_held(folder)
    partial = folder.with_name(folder.name + ".partial")
    earlier = folder.with_name(folder.name + ".earlier")
    shutil.rmtree(partial, ignore_errors=True)
    leaves = [np.asarray(leaf) for leaf in jax.tree.leaves(tree)]
    try:
        with _quietly(), ocp.PyTreeCheckpointer() as checkpointer:
            checkpointer.save((partial / "arrays").absolute(), dict(_named(leaves)))
        checksums = [_checksum(leaf) for leaf in leaves]
        write_json(partial / _TAG, {**tag, _CHECKSUMS: [_checksum_of_tag(tag), *checksums]})
        check_held(folder)
        if folder.exists():
            # Only now: after a crash between the renames, the earlier one is all there is.
            shutil.rmtree(earlier, ignore_errors=True)
            folder.rename(earlier)
        partial.rename(folder)
    except Exception as error:
        # Its bytes may be wanted for something else.
        remove_made(partial)
        check_held(folder)
        if isinstance(error, UserError):
            raise
        raise cannot_be_written(folder, error) from None
    shutil.rmtree(earlier, ignore_errors=True)


def load_tag(folder: Path) -> dict[str, Any] | None:
    """Return the tag of the checkpoint in `folder`, None where there is none.

    Raises:
        DamagedCheckpoint: It cannot be read.
    """
    source = _newest(folder)
    return None if source is None else _read_tag(source)[0]


def load_pytree(folder: Path, like: Any) -> Any:
    """Return the checkpoint in `folder` as host arrays in the structure of `like`.

    Raises:
        DamagedCheckpoint: It cannot be read, or its arrays are not those of `like`.
        UserError: There is no checkpoint.
    """
    source = _newest(folder)
    if source is None:
        raise UserError(f"{folder}: there is no checkpoint; expected one written by a finished run")
    expected, structure = jax.tree.flatten(like)
    checksums = _read_tag(source)[1]
    with reading(source), _quietly(), ocp.PyTreeCheckpointer() as checkpointer:
        leaves = checkpointer.restore((source / "arrays").absolute())
    names = [name for name, _ in _named(expected)]
    if sorted(leaves) != names:
        raise _damaged(source, f"found {len(leaves)} arrays, expected {len(expected)}")
    found = [np.asarray(leaves[name]) for name in names]
    for name, array, wanted in zip(names, found, expected, strict=True):
        if array.shape != tuple(wanted.shape) or array.dtype != wanted.dtype:
            raise _damaged(
                source,
                f"array {name} is {array.dtype}{list(array.shape)}, expected "
                f"{wanted.dtype}{list(wanted.shape)}",
            )
    # Earlier versions kept none.
    if checksums and checksums != [_checksum(array) for array in found]:
        raise _damaged(source, "its arrays are not those that were saved")
    return jax.tree.unflatten(structure, found)


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
    except Exception as error:
        text = one_line(error)
        raise _damaged(folder, f"{type(error).__name__}: {text[:200]}") from None


def _damaged(folder: Path, reason: str) -> DamagedCheckpoint:
    return DamagedCheckpoint(f"{folder}: the checkpoint is damaged: {reason}")


def _read_tag(source: Path) -> tuple[dict[str, Any], list[int]]:
    """Return a checkpoint's tag and the checksums of its arrays."""
    with reading(source):
        tag: dict[str, Any] = json.loads((source / _TAG).read_text(encoding="utf-8"))
        of_tag, *of_arrays = tag.pop(_CHECKSUMS, [None])
    if of_tag not in (None, _checksum_of_tag(tag)):
        raise _damaged(source, f"{_TAG} is not what was saved")
    return tag, of_arrays


def _newest(folder: Path) -> Path | None:
    # A crash between the two renames of `save_pytree` leaves only the earlier checkpoint.
    sources = (folder, folder.with_name(folder.name + ".earlier"))
    whole = next((source for source in sources if (source / _TAG).is_file()), None)
    return whole or next((source for source in sources if source.is_dir()), None)


def _named(leaves: list[Any]) -> Iterator[tuple[str, Any]]:
    return ((f"{place:04d}", leaf) for place, leaf in enumerate(leaves))


def _checksum(array: np.ndarray) -> int:
    return zlib.crc32(np.ascontiguousarray(array).reshape(-1).view(np.uint8).data)


def _checksum_of_tag(tag: dict[str, Any]) -> int:
    return zlib.crc32(json.dumps(plain(tag), sort_keys=True).encode())


@contextlib.contextmanager
def _quietly() -> Iterator[None]:
    """Keep Orbax from printing the errors that it raises, with a traceback of each thread."""
    # For good: tasks that failed are told of when they are collected, which may be later.
    logging_of_python.getLogger("asyncio").setLevel(logging_of_python.CRITICAL)
    before = logging.get_verbosity()
    logging.set_verbosity(logging.FATAL)
    try:
        yield
    finally:
        logging.set_verbosity(before)
