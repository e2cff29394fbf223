"""Standard output and standard error that can take whatever a program says."""

from __future__ import annotations

import codecs
import contextlib
import io
import json
import os
import sys
from typing import Any, TextIO, cast

_ESCAPE = "kapl_jax.escape"


def prepare_streams() -> None:
    r"""Let no character and no trouble with standard error end a program.

    What the terminal's encoding lacks is written as JSON escapes it (`\u27e8`), so that JSON stays
    JSON. Standard error only accompanies the work: when it cannot be written any more (its reader
    has gone, the disk is full), the program goes on in silence. A stream that was closed is
    replaced by one that goes nowhere, before another file gets its number.
    """
    codecs.register_error(_ESCAPE, _escape)
    sys.stdout = _opened(sys.stdout, 1)
    sys.stderr = cast(TextIO, _Lasting(_opened(sys.stderr, 2)))


def drop_stdout() -> None:
    """Send what is still to be written to standard output nowhere."""
    os.dup2(os.open(os.devnull, os.O_WRONLY), sys.stdout.fileno())


def _opened(stream: TextIO | None, descriptor: int) -> TextIO:
    if stream is None:  # It was closed when Python started.
        try:
            os.fstat(descriptor)
        except OSError:
            # Files get the lowest number that is free: here it is `descriptor`.
            os.open(os.devnull, os.O_WRONLY)
        return open(os.devnull, "w", encoding="utf-8")
    if isinstance(stream, io.TextIOWrapper):
        stream.reconfigure(errors=_ESCAPE)
    return stream


def _escape(error: UnicodeError) -> tuple[str | bytes, int]:
    if not isinstance(error, UnicodeEncodeError):
        raise error
    character = error.object[error.start]
    if "\udc80" <= character <= "\udcff":
        # A byte of a file's name that is no UTF-8; Python keeps it so.
        return bytes([ord(character) - 0xDC00]), error.start + 1
    return json.dumps(character)[1:-1], error.start + 1


class _Lasting:
    """A stream whose trouble is nobody's: what cannot be written is left out."""

    def __init__(self, stream: TextIO) -> None:
        self._stream = stream

    def write(self, text: str) -> int:
        with contextlib.suppress(OSError, ValueError):
            self._stream.write(text)
        return len(text)

    def flush(self) -> None:
        with contextlib.suppress(OSError, ValueError):
            self._stream.flush()

    def __getattr__(self, name: str) -> Any:
        return getattr(self._stream, name)
