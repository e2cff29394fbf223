"""Paths as people write them, and where this user's cache is."""

from __future__ import annotations

import os
from pathlib import Path

from kapl_jax.errors import UserError


def expand_user(path: str) -> str:
    """Return `path` with `~` or `~name` at its start replaced by that home folder.

    A shell does so only where the word begins with it, and not in `--workdir=~/runs/a`.

    Raises:
        UserError: There is no such user, or nobody knows where this user's home is.
    """
    if not path.startswith("~"):
        return path
    expanded = os.path.expanduser(path)
    if expanded == path:
        start = path.split(os.sep, maxsplit=1)[0]
        raise UserError(
            f"{path}: found no home folder for {start}, expected that of a user; "
            f"write ./{path} for a folder called {start}"
        )
    return expanded


def cache_folder() -> Path:
    """Return the program's folder in the user's cache: `$XDG_CACHE_HOME` or `~/.cache`.

    Raises:
        UserError: Nobody knows where this user's home is.
    """
    given = os.environ.get("XDG_CACHE_HOME")
    try:
        return Path(expand_user(given or "~/.cache")) / "kapl_jax"
    except UserError:
        found = f"$XDG_CACHE_HOME: found {given!r}" if given else "~/.cache: found no home folder"
        raise UserError(f"{found}, expected $XDG_CACHE_HOME to name a folder") from None
