"""Settings of a program: one frozen dataclass, from which its flags are made."""

from __future__ import annotations

import dataclasses
import math
import sys
import typing
from collections.abc import Container, Mapping, Sequence
from pathlib import Path
from types import MappingProxyType
from typing import Any, TypeVar, cast

from absl import flags

from kapl_jax.data.misspelling import quote_unknown
from kapl_jax.errors import UserError
from kapl_jax.json_form import kind_of_json
from kapl_jax.paths import expand_user
from kapl_jax.runs.config import CONFIG, config_of
from kapl_jax.runs.flag_types import INTEGER, NUMBER, PATH, SWITCH, TEXT, FlagType, one_of

T = TypeVar("T")
_TYPES: Mapping[Any, FlagType] = {
    bool: SWITCH,
    int: INTEGER,
    float: NUMBER,
    str: TEXT,
    tuple[str, ...]: TEXT,
}
# No count is larger: arrays on the devices are indexed by 32 bits.
_LARGEST_INTEGER = 2**31 - 1


def setting(
    default: Any,
    meaning: str,
    *,
    choices: Sequence[str] = (),
    low: float | None = None,
    high: float | None = None,
    path: bool = False,
    identity: bool = True,
    tuned: Any = None,
) -> Any:
    """Declare a field of a settings dataclass.

    Args:
        default: Value when the flag is not given. The flag of a tuple may be given several times.
        meaning: One line for `--help`.
        choices: The allowed strings; empty for any.
        low: Smallest allowed number.
        high: Largest allowed number.
        path: Whether it is a path, or a tuple of paths: `~` at its start is the home folder.
        identity: Whether a run with another value is another run; False for what changes only how
            the work is done or shown.
        tuned: Of a hyperparameter, how it is varied in tuning; what else there is for whoever
            reads it does not concern flags.
    """
    metadata = dict(
        meaning=meaning,
        choices=choices,
        low=low,
        high=high,
        path=path,
        identity=identity,
        tuned=tuned,
    )
    return dataclasses.field(default=default, metadata=metadata)


@dataclasses.dataclass(frozen=True)
class Settings:
    """What all settings have in common; their fields are declared by `setting`."""

    def __post_init__(self) -> None:
        """Expand paths and check numbers.

        Raises:
            UserError: A number is out of range, or there is no such home folder.
        """
        for field in dataclasses.fields(self):
            if field.metadata["path"]:
                object.__setattr__(self, field.name, _expanded(getattr(self, field.name)))
            else:
                _check_range(field, getattr(self, field.name))


def define_flags(settings: type[Any], besides: Container[str] = ()) -> None:
    """Define an absl flag for every field of the dataclass `settings`, besides those there are."""
    kinds = typing.get_type_hints(settings)
    for field in dataclasses.fields(settings):
        if field.name in besides:
            continue
        kind, default = kinds[field.name], cast(Any, field.default)
        if kind not in _TYPES:
            raise TypeError(f"{settings.__name__}.{field.name}: no flag for the type {kind}")
        reader, text = _type_of(field, kind), flags.ArgumentSerializer[Any]()
        if kind == tuple[str, ...]:
            flags.DEFINE_multi(reader, text, field.name, list(default), _help(field))
            flags.FLAGS[field.name].help = _help(field)
        else:
            flags.DEFINE(
                reader, field.name, default, _help(field), serializer=text, boolean=kind is bool
            )
        # Without this --help, which shows the flags of the program's own module, would be empty.
        flags.FLAGS.register_key_flag_for_module(sys.argv[0], flags.FLAGS[field.name])


def from_flags(
    settings: type[T], suggested: Mapping[str, Mapping[str, Any]] = MappingProxyType({})
) -> T:
    """Return the settings as given on the command line, checked.

    Args:
        settings: The dataclass.
        suggested: See `make_settings`.

    Raises:
        UserError: A value is out of range.
    """
    names = [field.name for field in dataclasses.fields(settings)]  # type: ignore[arg-type]
    values = {name: flags.FLAGS[name].value for name in names}
    values = {n: tuple(v) if isinstance(v, list) else v for n, v in values.items()}
    given = {name: value for name, value in values.items() if flags.FLAGS[name].present}
    return make_settings(settings, given, suggested)


def make_settings(
    settings: type[T],
    given: Mapping[str, Any],
    suggested: Mapping[str, Mapping[str, Any]] = MappingProxyType({}),
) -> T:
    """Return settings with what is given; what is not given is as suggested, or has its default.

    Args:
        settings: The dataclass.
        given: Values by name.
        suggested: By the name of the data set what to take for settings that are not given. A run
            that is continued keeps to the name that it began with, however its data are called now.

    Raises:
        UserError: There is no such setting, or a value is of another kind or out of range.
    """
    known = [field.name for field in dataclasses.fields(settings)]  # type: ignore[arg-type]
    for name in given:
        if name not in known:
            raise UserError(f"{quote_unknown(name, known)}: there is no such setting")
    check_kinds(settings, given)
    defaults_of = {field.name: field.default for field in dataclasses.fields(settings)}  # type: ignore[arg-type]
    fitting = suggested.get(_name_of_data({**defaults_of, **given}), {})
    return settings(**{**fitting, **given})


def recorded_settings(folder: Path, config: Mapping[str, Any], kind: type[T]) -> T:
    """Return the settings of a run; what it did not record has its default.

    Args:
        folder: The run directory.
        config: Its config.json.
        kind: The dataclass of its method's settings.

    Raises:
        UserError: A value is not of the kind that it should be, or out of range.
    """
    recorded = config.get("settings", {})
    known = {
        field.name: recorded[field.name]
        for field in dataclasses.fields(kind)  # type: ignore[arg-type]
        if field.name in recorded and field.metadata["identity"]
    }
    try:
        check_kinds(kind, known)
        settings = kind(**known)
        check_choices(settings)
    except UserError as error:
        raise UserError(f"{folder / CONFIG}: settings: {error}") from None
    return settings


def check_kinds(settings: type[Any], values: Mapping[str, Any]) -> None:
    """Check that values by name are of the kinds that the fields of a dataclass declare.

    Raises:
        UserError: One is not.
    """
    kinds = typing.get_type_hints(settings)
    for name, value in values.items():
        kind = typing.get_origin(kinds[name]) or kinds[name]
        allowed = (int, float) if kind is float else kind
        is_flag = isinstance(value, bool) and kind is not bool
        if is_flag or not isinstance(value, allowed):
            expected = "a whole number" if kind is int else kind_of_json(kind())
            raise UserError(f"{name}: found {kind_of_json(value)}, expected {expected}")


def check_choices(settings: Any) -> None:
    """Check that texts are among those allowed, as flags do already.

    Raises:
        UserError: One is not; the message names the flag.
    """
    for field in dataclasses.fields(settings):
        choices, value = field.metadata["choices"], getattr(settings, field.name)
        if choices and value not in choices:
            raise UserError(f"--{field.name}={value}: expected one of {', '.join(choices)}")


def defaults(settings: Any) -> dict[str, Any]:
    """Return the default of every field by name."""
    return {field.name: field.default for field in dataclasses.fields(settings)}


def identity(settings: Any) -> dict[str, Any]:
    """Return the fields that make a run what it is, by name."""
    return {
        field.name: getattr(settings, field.name)
        for field in dataclasses.fields(settings)
        if field.metadata["identity"]
    }


def _name_of_data(values: Mapping[str, Any]) -> str:
    """Return what the data are called by the run in --workdir, or else by --dataset."""
    workdir = values.get("workdir")
    recorded = config_of(expand_user(str(workdir))).get("settings", {}) if workdir else {}
    return str(recorded.get("dataset", values.get("dataset", "")))


def _type_of(field: dataclasses.Field[Any], kind: Any) -> FlagType:
    if field.metadata["choices"]:
        return one_of(tuple(field.metadata["choices"]))
    return PATH if field.metadata["path"] else _TYPES[kind]


def _help(field: dataclasses.Field[Any]) -> str:
    low, high = field.metadata["low"], field.metadata["high"]
    if low is None and high is None:
        return str(field.metadata["meaning"])
    return f"{field.metadata['meaning']} Allowed: {_range(low, high)}."


def _expanded(value: Any) -> Any:
    if isinstance(value, tuple):
        return tuple(expand_user(str(path)) for path in value)
    return expand_user(str(value))


def _check_range(field: dataclasses.Field[Any], value: Any) -> None:
    if isinstance(value, float) and not math.isfinite(value):
        raise UserError(f"--{field.name}={value}: expected a finite number")
    low, high = field.metadata["low"], field.metadata["high"]
    if high is None and isinstance(value, int) and value > _LARGEST_INTEGER:
        high = _LARGEST_INTEGER
    if (low is not None and not value >= low) or (high is not None and not value <= high):
        raise UserError(f"--{field.name}={value}: out of range, expected {_range(low, high)}")


def _range(low: float | None, high: float | None) -> str:
    if low is None:
        return f"at most {_shown(high)}"
    if high is None:
        return f"at least {_shown(low)}"
    return f"{_shown(low)} to {_shown(high)}"


def _shown(bound: float | None) -> str:
    return str(bound) if isinstance(bound, int) else f"{bound:g}"
