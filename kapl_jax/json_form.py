"""Dataclasses as JSON: one form of each, written and read by its fields and their types."""

from __future__ import annotations

import dataclasses
import functools
import math
import types
import typing
from collections.abc import Mapping
from typing import Any, Self, TypeVar

from kapl_jax.errors import UserError

T = TypeVar("T")

_WORDS = {str: "text", float: "a number", int: "a whole number", bool: "true or false"}


class JsonForm:
    """Base of frozen dataclasses that are written as JSON objects and read again.

    An object has an entry per field. Fields are texts, numbers, flags, tuples of equal or of given
    parts, dataclasses, and any of these or None. What has a default may be missing or null; entries
    that no field is called by are passed over, so that other versions can be read.
    """

    def to_json(self) -> dict[str, Any]:
        """Return the object, of nothing but what JSON knows."""
        return {name: _plain(getattr(self, name)) for name in _fields(type(self))}  # type: ignore[arg-type]

    @classmethod
    def from_json(cls, value: Any, source: str = "") -> Self:
        """Return what `to_json` made an object of.

        Args:
            value: The object, as read from JSON.
            source: Where it stands, such as `results.json: paths[0]`, for errors.

        Raises:
            UserError: It is no such object; one line says where, what was found and expected.
        """
        return _read_object(cls, value, source)


def kind_of_json(value: Any) -> str:
    """Return what a JSON value is, in words."""
    words = {dict: "an object", list: "a list", str: "text", bool: "true or false"}
    return "null" if value is None else words.get(type(value), "a number")


def _plain(value: Any) -> Any:
    if isinstance(value, JsonForm):
        return value.to_json()
    return [_plain(one) for one in value] if isinstance(value, tuple) else value


@functools.cache
def _fields(kind: Any) -> dict[str, tuple[Any, bool]]:
    """Return by name of each field its type and whether it must be there."""
    hints = typing.get_type_hints(kind)
    return {
        one.name: (hints[one.name], one.default is dataclasses.MISSING)
        for one in dataclasses.fields(kind)
    }


def _read_object(kind: type[T], value: Any, source: str) -> T:
    if not isinstance(value, Mapping):
        raise _misfit(value, source, "an object")
    entries = {}
    for name, (hint, needed) in _fields(kind).items():  # type: ignore[arg-type]
        inside = f"{source}.{name}" if source else name
        if value.get(name) is not None or (name in value and needed):
            entries[name] = _read(hint, value[name], inside)
        elif needed:
            raise UserError(f"{inside}: missing")
    try:
        return kind(**entries)
    except ValueError as error:
        raise UserError(f"{source or 'JSON'}: {error}") from None


def _read(hint: Any, value: Any, source: str) -> Any:
    """Return a value of a field's type, read from JSON."""
    if isinstance(hint, types.UnionType):
        present = next(one for one in hint.__args__ if one is not types.NoneType)
        return None if value is None else _read(present, value, source)
    if typing.get_origin(hint) is tuple:
        return _read_tuple(typing.get_args(hint), value, source)
    if dataclasses.is_dataclass(hint):
        return _read_object(typing.cast(type, hint), value, source)
    if hint is float and isinstance(value, int) and not isinstance(value, bool):
        return float(value)
    if type(value) is not hint or (hint is float and not math.isfinite(value)):
        raise _misfit(value, source, _WORDS[hint])
    return value


def _read_tuple(parts: tuple[Any, ...], value: Any, source: str) -> tuple[Any, ...]:
    if not isinstance(value, list):
        raise _misfit(value, source, "a list")
    if parts[-1] is Ellipsis:
        parts = parts[:1] * len(value)
    if len(parts) != len(value):
        raise UserError(f"{source}: found a list of {len(value)}, expected one of {len(parts)}")
    numbered = enumerate(zip(parts, value, strict=True))
    return tuple(_read(part, one, f"{source}[{at}]") for at, (part, one) in numbered)


def _misfit(value: Any, source: str, expected: str) -> UserError:
    return UserError(f"{source or 'JSON'}: found {kind_of_json(value)}, expected {expected}")
