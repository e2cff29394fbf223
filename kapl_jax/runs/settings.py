"""Settings of a method: one frozen dataclass, from which its flags are made."""

from __future__ import annotations

import dataclasses
import sys
import typing
from collections.abc import Callable, Mapping, Sequence
from typing import Any, TypeVar, cast

from absl import flags

from kapl_jax.errors import UserError

T = TypeVar("T")


def setting(
    default: Any,
    meaning: str,
    *,
    choices: Sequence[str] = (),
    low: float | None = None,
    high: float | None = None,
    identity: bool = True,
) -> Any:
    """Declare a field of a settings dataclass.

    Args:
        default: Value when the flag is not given.
        meaning: One line for `--help`.
        choices: The allowed strings; empty for any.
        low: Smallest allowed number.
        high: Largest allowed number.
        identity: Whether a run with another value is another run; False for what changes only how
            the work is done or shown.
    """
    metadata = dict(meaning=meaning, choices=choices, low=low, high=high, identity=identity)
    return dataclasses.field(default=default, metadata=metadata)


def define_flags(settings: type[Any]) -> None:
    """Define an absl flag for every field of the dataclass `settings`."""
    kinds = typing.get_type_hints(settings)
    for field in dataclasses.fields(settings):
        meaning, choices = field.metadata["meaning"], list(field.metadata["choices"])
        kind, default = kinds[field.name], cast(Any, field.default)
        if choices:
            flags.DEFINE_enum(field.name, default, choices, meaning)
        elif kind is bool:
            flags.DEFINE_bool(field.name, default, meaning)
        elif kind is int:
            flags.DEFINE_integer(field.name, default, _with_range(field))
        elif kind is float:
            flags.DEFINE_float(field.name, default, _with_range(field))
        elif kind is str:
            flags.DEFINE_string(field.name, default, meaning)
        else:
            raise TypeError(f"{settings.__name__}.{field.name}: no flag for the type {kind}")
        # Without this --help, which shows the flags of the program's own module, would be empty.
        flags.FLAGS.register_key_flag_for_module(sys.argv[0], flags.FLAGS[field.name])


def from_flags(
    settings: type[T], suggested: Callable[[str], Mapping[str, Any]] = lambda dataset: {}
) -> T:
    """Return the settings as given on the command line, checked.

    Args:
        settings: The dataclass.
        suggested: What to take for flags that are not given, by the name of the data set.

    Raises:
        UserError: A value is out of range.
    """
    names = [field.name for field in dataclasses.fields(settings)]  # type: ignore[arg-type]
    values = {name: flags.FLAGS[name].value for name in names}
    fitting = suggested(str(values.get("dataset", "")))
    values |= {name: fitting[name] for name in fitting if not flags.FLAGS[name].present}
    made = settings(**values)
    check_ranges(made)
    return made


def check_ranges(settings: Any) -> None:
    """Check every numeric field of a settings object against its declared range.

    Raises:
        UserError: A value is out of range; the message names the flag.
    """
    for field in dataclasses.fields(settings):
        value = getattr(settings, field.name)
        low, high = field.metadata["low"], field.metadata["high"]
        if (low is not None and not value >= low) or (high is not None and not value <= high):
            raise UserError(f"--{field.name}={value}: out of range, expected {_range(low, high)}")


def identity(settings: Any) -> dict[str, Any]:
    """Return the fields that make a run what it is, by name."""
    return {
        field.name: getattr(settings, field.name)
        for field in dataclasses.fields(settings)
        if field.metadata["identity"]
    }


def _with_range(field: dataclasses.Field[Any]) -> str:
    low, high = field.metadata["low"], field.metadata["high"]
    if low is None and high is None:
        return str(field.metadata["meaning"])
    return f"{field.metadata['meaning']} Allowed: {_range(low, high)}."


def _range(low: float | None, high: float | None) -> str:
    if low is None:
        return f"at most {high:g}"
    if high is None:
        return f"at least {low:g}"
    return f"{low:g} to {high:g}"
