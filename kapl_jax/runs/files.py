"""Writing files so that a reader never sees half of one."""

from __future__ import annotations

import contextlib
import json
import os
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import numpy as np

from kapl_jax.errors import UserError, one_line
from kapl_jax.runs.faults import NO_ROOM


def write_text(path: Path, text: str) -> None:
    """Write `text` to the side and rename it to `path`, durable once this returns.

    See `encoded`.

    Raises:
        UserError: It cannot be written.
    """
    write_bytes(path, encoded(text))


def encoded(text: str) -> bytes:
    r"""Return `text` as UTF-8.

    Bytes of a path that are no UTF-8, which Python keeps as lone surrogates, are escaped as JSON
    does, `\udcff`: JSON that is read again names the same path.
    """
    return text.encode(errors="backslashreplace")


def write_bytes(path: Path, content: bytes) -> None:
    """Write `content` to the side and rename it to `path`, durable once this returns.

    Raises:
        UserError: It cannot be written; what was there before still is.
    """
    partial = partial_path(path)
    with writing(path):
        path.parent.mkdir(parents=True, exist_ok=True)
        try:
            with partial.open("wb") as stream:
                stream.write(content)
                stream.flush()
                os.fsync(stream.fileno())
            partial.replace(path)
        except OSError:
            # On a full disk its bytes are wanted for something else.
            with contextlib.suppress(OSError):
                partial.unlink(missing_ok=True)
            raise


def write_all(descriptor: int, content: bytes) -> None:
    """Write `content` to an open file to its last byte: one call may write a part only."""
    rest = memoryview(content)
    while rest:
        rest = rest[os.write(descriptor, rest) :]


@contextlib.contextmanager
def writing(path: Path) -> Iterator[None]:
    """Make a failure to write `path` the one line that a user reads.

    Raises:
        UserError: An OSError came up within.
    """
    try:
        yield
    except OSError as error:
        raise cannot_be_written(path, error) from None


def cannot_be_written(path: Path, error: Exception) -> UserError:
    """Return the one line that a user reads where `path` could not be written.

    Libraries wrap what the system said in errors and long texts of their own.
    """
    text = one_line(error)
    full = next((code for code in NO_ROOM if os.strerror(code) in text), None)
    if isinstance(error, OSError) and error.strerror:
        reason = error.strerror
    else:
        reason = text[-200:] if full is None else os.strerror(full)
    when = "there is room" if full is not None else "it can be written"
    return UserError(
        f"{path}: cannot be written: {reason}; give the same command again when {when}"
    )


def partial_path(path: Path) -> Path:
    """Return where `path` is written before it is renamed; what a crash leaves there is waste."""
    return path.with_name(path.name + ".partial")


def write_json(path: Path, value: Any) -> None:
    """Write `value` as indented JSON to `path`, all or nothing; NumPy values become plain ones.

    Raises:
        UserError: It cannot be written.
    """
    write_text(path, json.dumps(plain(value), indent=2, ensure_ascii=False) + "\n")


def plain(value: Any) -> Any:
    """Return `value` in JSON's types: arrays as lists, non-finite numbers as None."""
    if isinstance(value, dict):
        return {str(key): plain(entry) for key, entry in value.items()}
    if isinstance(value, list | tuple):
        return [plain(entry) for entry in value]
    if isinstance(value, np.ndarray):
        return plain(value.tolist())
    if isinstance(value, np.generic):
        return plain(value.item())
    if isinstance(value, float) and not np.isfinite(value):
        return None
    return value
