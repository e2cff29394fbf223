"""Checkpoints: pytrees of arrays kept by Orbax, each with a tag that says what it is."""

from __future__ import annotations

import json
import shutil
from pathlib import Path
from typing import Any

import jax
import numpy as np
import orbax.checkpoint as ocp

from kapl_jax.errors import UserError
from kapl_jax.runs.files import write_json
from kapl_jax.runs.lock import check_held

_TAG = "tag.json"


def save_pytree(folder: Path, tree: Any, tag: dict[str, Any]) -> None:
    """Save the arrays of `tree` and `tag` (JSON) in `folder`, replacing what was there.

    The checkpoint is written to the side and renamed: a crash leaves the earlier one or the new
    one. Arrays are fetched to the host first.
    """
    check_held(folder)
    partial = folder.with_name(folder.name + ".partial")
    earlier = folder.with_name(folder.name + ".earlier")
    shutil.rmtree(partial, ignore_errors=True)
    leaves = {f"{i:04d}": np.asarray(leaf) for i, leaf in enumerate(jax.tree.leaves(tree))}
    with ocp.PyTreeCheckpointer() as checkpointer:
        checkpointer.save((partial / "arrays").absolute(), leaves)
    write_json(partial / _TAG, tag)
    if folder.exists():
        # Only now: after a crash between the renames, the earlier one is all there is.
        shutil.rmtree(earlier, ignore_errors=True)
        folder.rename(earlier)
    partial.rename(folder)
    shutil.rmtree(earlier, ignore_errors=True)


def load_tag(folder: Path) -> dict[str, Any] | None:
    """Return the tag of the checkpoint in `folder`, None where there is none."""
    source = _newest(folder)
    if source is None:
        return None
    tag: dict[str, Any] = json.loads((source / _TAG).read_text(encoding="utf-8"))
    return tag


def load_pytree(folder: Path, like: Any) -> Any:
    """Return the checkpoint in `folder` as host arrays in the structure of `like`.

    Raises:
        UserError: There is no checkpoint or its arrays are not those of `like`.
    """
    source = _newest(folder)
    if source is None:
        raise UserError(f"{folder}: there is no checkpoint; expected one written by a finished run")
    expected, structure = jax.tree.flatten(like)
    names = [f"{i:04d}" for i in range(len(expected))]
    with ocp.PyTreeCheckpointer() as checkpointer:
        leaves = checkpointer.restore((source / "arrays").absolute())
    if sorted(leaves) != names:
        raise UserError(f"{source}: found {len(leaves)} arrays, expected {len(expected)}")
    found = [np.asarray(leaves[name]) for name in names]
    for name, array, wanted in zip(names, found, expected, strict=True):
        if array.shape != tuple(wanted.shape) or array.dtype != wanted.dtype:
            raise UserError(
                f"{source}: array {name} is {array.dtype}{list(array.shape)}, expected "
                f"{wanted.dtype}{list(wanted.shape)}"
            )
    return jax.tree.unflatten(structure, found)


def remove_pytree(folder: Path) -> None:
    """Remove the checkpoint in `folder`, with what a crash may have left of it beside."""
    for name in (folder.name, f"{folder.name}.earlier", f"{folder.name}.partial"):
        shutil.rmtree(folder.with_name(name), ignore_errors=True)


def _newest(folder: Path) -> Path | None:
    # A crash between the two renames of `save_pytree` leaves only the earlier checkpoint.
    for source in (folder, folder.with_name(folder.name + ".earlier")):
        if (source / _TAG).is_file():
            return source
    return None
