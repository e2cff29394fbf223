"""Faults of the machine, told in one line: files that cannot be used, memory that is used up."""

from __future__ import annotations

import errno
import os
import re
from collections.abc import Iterator

from kapl_jax.errors import one_line

# Of a file system, of a user's share of it, or of what a file may hold.
NO_ROOM = frozenset({errno.ENOSPC, errno.EDQUOT, errno.EFBIG})
# Whoever wraps one of these has met it, and has no better way to say so.
_TELLING = NO_ROOM | {errno.EROFS, errno.EIO, errno.ESTALE, errno.EMFILE, errno.ENFILE}
# TensorStore, below Orbax, raises ValueErrors: `Error writing "FILE": ... [OS error 28: ...]`.
_OS_ERROR = re.compile(r"OS error (\d+)")
_QUOTED_PATH = re.compile(r'"(?:file://|local_file:)?(/[^"]*)"')


def describe_fault(error: BaseException) -> str | None:
    """Return one line on the fault of a file or of memory behind `error`, None if it is neither.

    An OSError that another exception wraps counts where the other was raised from it, or where the
    machine itself is at fault: a full disk, a read-only file system.
    """
    if isinstance(error, MemoryError):
        return f"not enough memory ({one_line(error) or 'no more is available'})"
    for number, cause in enumerate(_causes(error)):
        found = _as_os_error(cause)
        if found is not None and (number == 0 or found.errno in _TELLING):
            return _describe(found)
    return None


def _causes(error: BaseException | None) -> Iterator[BaseException]:
    """Yield an exception and what is behind it, itself first."""
    seen: list[BaseException] = []
    waiting = [error]
    while waiting:
        one = waiting.pop(0)
        if one is None or one in seen:
            continue
        seen.append(one)
        yield one
        waiting += [one.__cause__, one.__context__, *getattr(one, "exceptions", ())]


def _as_os_error(error: BaseException) -> OSError | None:
    if isinstance(error, OSError):
        return error
    if not isinstance(error, ValueError | RuntimeError):
        return None
    number, path = _OS_ERROR.search(str(error)), _QUOTED_PATH.search(str(error))
    if not number:
        return None
    code = int(number[1])
    return OSError(code, os.strerror(code), path and path[1])


def _describe(error: OSError) -> str:
    reason = error.strerror or one_line(error) or type(error).__name__
    if error.errno in NO_ROOM:
        reason += "; make room, then give the same command again"
    if error.filename is None:
        return reason
    written = error.errno in NO_ROOM | {errno.EROFS}
    return f"{error.filename}: cannot be {'written' if written else 'used'}: {reason}"
