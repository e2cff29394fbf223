"""What happens to files on disks: cut short, filled with zeros, gone."""

from __future__ import annotations

import os
from collections.abc import Callable
from pathlib import Path


def cut(file: Path) -> None:
    os.truncate(file, file.stat().st_size // 2)


def empty(file: Path) -> None:
    os.truncate(file, 0)


def zero(file: Path) -> None:
    file.write_bytes(bytes(file.stat().st_size))


DAMAGES: dict[str, Callable[[Path], None]] = {
    "cut": cut,
    "empty": empty,
    "zero": zero,
    "gone": Path.unlink,
}


def files_below(folder: Path) -> list[Path]:
    return sorted(path for path in folder.rglob("*") if path.is_file())


def largest_file(folder: Path) -> Path:
    """Return the file that holds most of a checkpoint's arrays."""
    return max(files_below(folder), key=lambda file: file.stat().st_size)
