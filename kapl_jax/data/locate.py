"""From what the user calls a data set to the folder where it lies."""

from __future__ import annotations

import os
from collections.abc import Iterator
from pathlib import Path

from kapl_jax.data.download import download, is_complete
from kapl_jax.data.registry import Dataset, find_dataset, registered_names, similar_names
from kapl_jax.errors import UserError


def locate(dataset: str, data_dir: str | None = None) -> tuple[str, Path]:
    """Find a data set.

    A registered name is looked for in `data_dir`, then in `$KAPL_DATA`, then in the user's cache;
    in the first two as `NAME` or `kg/NAME`. Where it is in none of them, the copy in the package is
    taken if there is one, without any network, else it is downloaded into the cache. What is found
    first wins, even where it is another split of the same graph: the `umls` in the package is
    PyKEEN's, the one that `tools/fetch_data umls` puts into the cache is RED-GNN's.

    Anything else is the path of a folder; write `./umls` for a folder called as a registered name.

    Args:
        dataset: A registered name, in any case, or the path of a folder.
        data_dir: A folder of data sets.

    Returns:
        The registered name or that of the folder, and the folder.

    Raises:
        UserError: There is no such folder, or a download failed.
    """
    registered = find_dataset(dataset)
    if registered is not None:
        return registered.name, _locate_registered(registered, dataset, data_dir)
    folder = Path(dataset).expanduser()
    if not dataset or not folder.is_dir():
        raise _not_found(dataset, folder)
    return folder.resolve().name, folder


def cache_folder(dataset: Dataset) -> Path:
    """Return where a downloaded data set lies: `kapl_jax/NAME` in the user's cache."""
    cache = os.environ.get("XDG_CACHE_HOME") or "~/.cache"
    return Path(cache).expanduser() / "kapl_jax" / dataset.name


def _locate_registered(dataset: Dataset, spelling: str, data_dir: str | None) -> Path:
    for root in _given_roots(data_dir):
        for folder in (root / "kg", root):
            for name in (dataset.name, spelling):
                if (folder / name).is_dir():
                    return folder / name
    cached = cache_folder(dataset)
    if is_complete(dataset, cached):
        return cached
    return dataset.embedded or download(dataset, cached)


def _given_roots(data_dir: str | None) -> Iterator[Path]:
    given = {"--data_dir": data_dir, "$KAPL_DATA": os.environ.get("KAPL_DATA")}
    for source, written in given.items():
        if written:
            root = Path(written).expanduser()
            if not root.is_dir():
                raise UserError(f"{source}: found no folder {root}, expected one with data sets")
            yield root


def _not_found(dataset: str, folder: Path) -> UserError:
    found = f"the file {folder}" if folder.is_file() else f"no folder {dataset!r}"
    similar = similar_names(Path(dataset).name)
    hint = f" (did you mean {' or '.join(similar)}?)" if similar else ""
    names = ", ".join(registered_names())
    return UserError(f"--dataset: found {found}{hint}, expected a folder or one of {names}")
