"""Standard output and standard error that can take whatever a program says."""

from __future__ import annotations

import abc
import codecs
import contextlib
import io
import json
import os
import sys
from collections.abc import Iterator
from typing import Any, TextIO, cast

STANDARD_OUTPUT = "standard output"
_ESCAPE = "kapl_jax.escape"


def prepare_streams() -> None:
    r"""Let no character and no trouble with standard error end a program.

    What the terminal's encoding lacks is written as JSON escapes it (`\u27e8`), so that JSON stays
    JSON. Standard error only accompanies the work: when it cannot be written any more (its reader
    has gone, the disk is full), the program goes on in silence. An OSError of standard output names
    it, STANDARD_OUTPUT, as its file; it comes once, what follows goes nowhere. A stream that was
    closed is replaced by one that goes nowhere, before another file gets its number.
    """
    for descriptor in range(3):
        try:
            os.fstat(descriptor)
        except OSError:
            # The lowest number that is free is `descriptor`.
            os.open(os.devnull, os.O_RDWR)
    codecs.register_error(_ESCAPE, _escape)
    sys.stdout = cast(TextIO, _Output(_opened(sys.stdout)))
    sys.stderr = cast(TextIO, _Companion(_opened(sys.stderr)))


def _opened(stream: TextIO | None) -> TextIO:
    if stream is None:  # It was closed when Python started.
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


class _Stream(abc.ABC):
    """A text stream that meets its trouble once: what comes after goes nowhere."""

    def __init__(self, stream: TextIO) -> None:
        self._stream = stream

    @abc.abstractmethod
    def meet(self, error: OSError) -> None:
        """Do what is to be done about trouble."""

    def write(self, text: str) -> int:
        with self._met():
            self._stream.write(text)
        return len(text)

    def flush(self) -> None:
        with self._met():
            self._stream.flush()

    def __getattr__(self, name: str) -> Any:
        return getattr(self._stream, name)

    @contextlib.contextmanager
    def _met(self) -> Iterator[None]:
        try:
            yield
        except OSError as error:
            nowhere = os.open(os.devnull, os.O_WRONLY)
            os.dup2(nowhere, self._stream.fileno())
            os.close(nowhere)
            self.meet(error)


class _Output(_Stream):
    """Standard output: what the program is for."""

    def meet(self, error: OSError) -> None:
        error.filename = STANDARD_OUTPUT
        raise error


class _Companion(_Stream):
    """Standard error: it accompanies the work, and its trouble is nobody's."""

    def meet(self, error: OSError) -> None:
        del error
