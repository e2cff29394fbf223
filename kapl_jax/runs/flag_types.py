"""What a flag may hold: how its text is read, and what is said where it cannot be."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from typing import Any

from absl import flags

_YES, _NO = ("yes", "true", "on", "1", "y", "t"), ("no", "false", "off", "0", "n", "f")


class FlagType(flags.ArgumentParser[Any]):
    """Reads the text of a flag; what it cannot read it refuses in plain words."""

    def __init__(self, shown: str, expected: str, read: Callable[[str], Any]) -> None:
        """Make a type.

        Args:
            shown: What stands for a value in `--help`.
            expected: What a value should have been, for the message where it is not.
            read: Returns the value of text. Raises ValueError.
        """
        self.shown = shown
        self.syntactic_help = expected
        self._read = read

    def parse(self, argument: Any) -> Any:
        """Return the value of text; a default comes as a value already."""
        if not isinstance(argument, str):
            return argument
        try:
            return self._read(argument)
        except ValueError:
            raise ValueError(f"expected {self.syntactic_help}") from None


def one_of(choices: Sequence[str]) -> FlagType:
    """Return the type of a flag that holds one of these texts."""

    def read(text: str) -> str:
        if text not in choices:
            raise ValueError(text)
        return text

    return FlagType("|".join(choices), f"one of {', '.join(choices)}", read)


def _yes_or_no(text: str) -> bool:
    word = text.strip().lower()
    if word not in _YES + _NO:
        raise ValueError(text)
    return word in _YES


SWITCH = FlagType("yes|no", "yes or no", _yes_or_no)
INTEGER = FlagType("INTEGER", "a whole number", int)
NUMBER = FlagType("NUMBER", "a number", float)
TEXT = FlagType("TEXT", "text", str)
PATH = FlagType("PATH", "a path", str)
