"""The one exception that is meant for the person at the terminal."""

from __future__ import annotations


class UserError(Exception):
    """Something the user gave (data, flag, folder) cannot be used.

    The message is a single line that names the location (file and line, flag or folder), what was
    found there and what was expected. Programs print it and exit with status 1, without traceback.
    """

    def __init__(self, message: str) -> None:
        """Take a message; line breaks in it, which only names of files have, are written out."""
        super().__init__(r"\n".join(message.splitlines()))


def one_line(error: BaseException) -> str:
    """Return what an error of others says, on one line."""
    return " ".join(str(error).split())
