"""From what the user calls a data set to the folder or file where it lies."""

from __future__ import annotations

import os
from collections.abc import Iterator
from pathlib import Path

from kapl_jax.data.download import download, is_complete
from kapl_jax.data.misspelling import did_you_mean
from kapl_jax.data.registry import (
    GRAPHS,
    Dataset,
    Kind,
    find_dataset,
    is_generated,
    kind_of,
    names_of_kind,
    pair_of,
    similar_names,
)
from kapl_jax.data.text import quote
from kapl_jax.errors import UserError
from kapl_jax.paths import cache_folder, expand_user


def locate(dataset: str, data_dir: str | None = None, kind: Kind = GRAPHS) -> tuple[str, Path]:
    """Find a data set.

    A registered name is looked for in `data_dir`, then in `$KAPL_DATA`, then in the user's cache;
    in the first two as `NAME` or below the folder that holds data like it: `kg/NAME` for a graph,
    `kg-inductive/NAME` for either graph of an inductive pair. Where it is in none of them, the copy
    in the package is taken if there is one, without any network, else it is downloaded into the
    cache, an inductive pair whole. What is found first wins, even where it is another split of the
    same graph: the `umls` in the package is PyKEEN's, the one that `tools/fetch_data umls` puts
    into the cache is RED-GNN's.

    Anything else is the path of a folder, or of a file where data of the kind may be one; write
    `./umls` for a folder called as a registered name.

    Args:
        dataset: A registered name, in any case, or the path of a folder.
        data_dir: A folder of data sets.
        kind: The kind of data that is wanted.

    Returns:
        The registered name or that of the folder or file, and where it is.

    Raises:
        UserError: There is no such folder or file, the name is that of data of another kind, or a
            download failed.
    """
    named = kind_of(dataset)
    if named not in (None, kind):
        raise _wrong_kind(dataset, named, kind)
    registered = find_dataset(dataset)
    if registered is not None:
        return registered.name, _locate_registered(registered, dataset, data_dir)
    path = Path(expand_user(dataset))
    if dataset and path.is_dir():
        return path.resolve().name, path
    if path.is_file() and path.suffix.lower() in kind.file_endings:
        return path.stem, path
    raise _not_found(dataset, path, kind)


def path_of(dataset: str, data_dir: str | None, kind: Kind) -> Path | None:
    """Return the absolute path at which `locate` finds data, None for what the package generates.

    Raises:
        UserError: As `locate`.
    """
    if is_generated(dataset, kind):
        return None
    # Not Path.resolve: the second graph of a pair lies beside a symbolic link, not its target.
    return Path(os.path.abspath(locate(dataset, data_dir, kind)[1]))


def download_folder(dataset: Dataset) -> Path:
    """Return where a downloaded data set lies: in a folder of its name in the user's cache."""
    return cache_folder() / dataset.name


def download_into_cache(dataset: Dataset) -> Path:
    """Download a data set, with the second graph of an inductive pair, and return its folder.

    Raises:
        UserError: The download failed.
    """
    for part in pair_of(dataset):
        download(part, download_folder(part))
    return download_folder(dataset)


def _locate_registered(dataset: Dataset, spelling: str, data_dir: str | None) -> Path:
    for root in _given_roots(data_dir):
        for folder in (root / dataset.folder, root):
            for name in (dataset.name, spelling):
                if (folder / name).is_dir():
                    return folder / name
    if all(is_complete(part, download_folder(part)) for part in pair_of(dataset)):
        return download_folder(dataset)
    return dataset.embedded or download_into_cache(dataset)


def _given_roots(data_dir: str | None) -> Iterator[Path]:
    given = {"--data_dir": data_dir, "$KAPL_DATA": os.environ.get("KAPL_DATA")}
    for source, written in given.items():
        if written:
            root = Path(expand_user(written))
            if not root.is_dir():
                raise UserError(f"{source}: found no folder {root}, expected one with data sets")
            yield root


def _wrong_kind(dataset: str, found: Kind, kind: Kind) -> UserError:
    names = ", ".join(names_of_kind(kind))
    return UserError(
        f"--dataset: found {dataset!r}, which is a {found.noun}, expected a {kind.noun}: "
        f"a folder or one of {names}"
    )


def _not_found(dataset: str, path: Path, kind: Kind) -> UserError:
    found = f"the file {path}" if path.is_file() else f"no folder {quote(dataset)}"
    similar = similar_names(Path(dataset).name, kind)
    files = f", a file ({', '.join(kind.file_endings)})" if kind.file_endings else ""
    names = ", ".join(names_of_kind(kind))
    hint = did_you_mean(similar)
    return UserError(f"--dataset: found {found}{hint}, expected a folder{files} or one of {names}")
