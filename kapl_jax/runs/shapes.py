"""What JSON of other versions, or of other hands, must look like to be read: the rest is left out.

A shape is a type; a dataclass with a JSON form, which fits whole or not at all; `[shape]`, a list;
`{str: shape}`, an object with any keys; `{"name": shape}`, an object with these keys, of which
those with a `?` at their end may be missing or null; or one of the functions below. Keys that a
shape does not name are let through: who does not know them does not read them.
"""

from __future__ import annotations

import math
from collections.abc import Iterator
from typing import Any

import numpy as np

from kapl_jax.errors import UserError
from kapl_jax.json_form import JsonForm, kind_of_json

Shape = Any


def anything(value: Any) -> bool:
    """Any value."""
    del value
    return True


def number(value: Any) -> bool:
    """A finite number."""
    return isinstance(value, int | float) and not isinstance(value, bool) and math.isfinite(value)


def array(value: Any) -> bool:
    """A list of numbers or flags, or lists of lists of them, of equal lengths."""
    if not isinstance(value, list):
        return False
    try:
        return np.asarray(value).dtype.kind in "biuf"
    except ValueError:
        return False


def texts(value: Any) -> bool:
    """A list of texts."""
    return isinstance(value, list) and all(isinstance(one, str) for one in value)


def structure(value: Any) -> bool:
    """A structure: an array, or choices by name."""
    return isinstance(value, dict) or array(value)


def fitting(value: Any, shape: Shape, source: str = "") -> tuple[Any, list[str]]:
    """Return what of a JSON value fits a shape, and what was left out.

    Args:
        value: The value; it is not changed.
        shape: The shape.
        source: Where the value stands, for what is said.

    Returns:
        The fitting part, None where nothing fits, and for each part that was left out where it
        stood, such as `best.formula: found a list`.
    """
    problems: list[str] = []
    try:
        return _fitting(value, shape, source, problems), problems
    except _Misfit as misfit:
        return None, [*problems, str(misfit)]


class _Misfit(Exception):
    pass


def _fitting(value: Any, shape: Shape, source: str, problems: list[str]) -> Any:
    if isinstance(shape, dict):
        if not isinstance(value, dict):
            raise _misfit(value, source)
        entries = _any_entries if str in shape else _named_entries
        return dict(entries(value, shape, source, problems))
    if isinstance(shape, list):
        if not isinstance(value, list):
            raise _misfit(value, source)
        numbered = enumerate(value)
        kept = (_tried(one, shape[0], f"{source}[{at}]", problems) for at, one in numbered)
        return [one for one in kept if one is not None]
    if isinstance(shape, type) and issubclass(shape, JsonForm):
        try:
            shape.from_json(value, source)
        except UserError as error:
            raise _Misfit(str(error)) from None
        return value
    if not (isinstance(value, shape) if isinstance(shape, type) else shape(value)):
        raise _misfit(value, source)
    return value


def _tried(value: Any, shape: Shape, source: str, problems: list[str]) -> Any:
    kept, found = fitting(value, shape, source)
    problems += found
    return kept


def _any_entries(
    value: dict[str, Any], shape: dict[Any, Shape], source: str, problems: list[str]
) -> Iterator[tuple[str, Any]]:
    for name, entry in value.items():
        kept = _tried(entry, shape[str], _within(source, name), problems)
        if kept is not None:
            yield name, kept


def _named_entries(
    value: dict[str, Any], shape: dict[str, Shape], source: str, problems: list[str]
) -> Iterator[tuple[str, Any]]:
    named = {name.removesuffix("?"): part for name, part in shape.items()}
    for name in shape:
        if not name.endswith("?") and name not in value:
            raise _Misfit(f"{_within(source, name)}: missing")
    for name, entry in value.items():
        if name not in named:
            yield name, entry
        elif name in shape:
            yield name, _fitting(entry, named[name], _within(source, name), problems)
        elif entry is not None:
            kept = _tried(entry, named[name], _within(source, name), problems)
            if kept is not None:
                yield name, kept


def _within(source: str, name: str) -> str:
    return f"{source}.{name}" if source else name


def _misfit(value: Any, source: str) -> _Misfit:
    return _Misfit(f"{source}: found {kind_of_json(value)}")
