"""What was searched or learned, given in symbols, words and pictures."""

from __future__ import annotations

from typing import Any, ClassVar, Protocol


class Explanation(Protocol):
    """Why a trained model says what it says, whatever its kind.

    Attributes:
        name: What the file of its JSON is called, without the ending.
        title: What is said before the name of that file where there are no pictures beside it.
    """

    name: ClassVar[str] = "explanation"
    title: ClassVar[str] = "as JSON"

    def text(self) -> str:
        """Return it in lines for the terminal."""
        ...

    def pictures(self) -> dict[str, bytes]:
        """Return its pictures by file name; by default there is nothing to draw."""
        return {}

    def to_json(self) -> dict[str, Any]:
        """Return its JSON form, of which `from_json` of its class makes it again."""
        ...
