"""Download of registered data sets into a cache, each file checked against its SHA-256."""

from __future__ import annotations

from pathlib import Path

from kapl_jax.data.registry import Dataset
from kapl_jax.errors import UserError, one_line


def is_complete(dataset: Dataset, folder: Path) -> bool:
    """Tell whether `folder` holds every file; one only gets there once its checksum was right."""
    return all((folder / name).is_file() for name in dataset.sha256)


def download(dataset: Dataset, folder: Path) -> Path:
    """Download what is missing or damaged in `folder`, and return it.

    Raises:
        UserError: The server cannot be reached, a checksum differs or the folder is not writable.
    """
    # Importing it costs more than reading most graphs, and only a download needs it.
    import pooch  # noqa: PLC0415

    for name, sha256 in dataset.sha256.items():
        url = dataset.base_url + name
        try:
            pooch.retrieve(url, f"sha256:{sha256}", fname=name, path=folder)
        # requests raises subclasses of OSError, pooch a ValueError for a checksum that differs.
        except (OSError, ValueError) as error:
            # pooch leaves the connection of a request that is refused open.
            if (response := getattr(error, "response", None)) is not None:
                response.close()
            reason = one_line(error)
            raise UserError(
                f"{dataset.name}: found no way to download {url} to {folder} ({reason}), expected "
                "a network, or the data in --data_dir or $KAPL_DATA"
            ) from error
    return folder
