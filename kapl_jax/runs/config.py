"""What a run is: config.json as this version reads it, and compares it with what is asked for.

Another version may have written it. Settings that it lacks have their default, as a setting that is
added does by default what was done before; of settings that it has and this version does not know,
a run is not continued, but its model can be asked. Data are told by their digest, never by what
they are called or where they lie.
"""

from __future__ import annotations

import importlib.metadata
import json
from collections.abc import Mapping
from pathlib import Path
from typing import Any

from kapl_jax.errors import UserError
from kapl_jax.json_form import kind_of_json

CONFIG = "config.json"
_PARTS = {"method": str, "settings": dict, "dataset": dict, "versions": dict}
_DIFFERENCES_TOLD = 3


def read_json(path: Path) -> dict[str, Any]:
    """Return the JSON object in a file.

    Raises:
        UserError: It cannot be read, or is none.
    """
    try:
        value = json.loads(path.read_text(encoding="utf-8"))
    except OSError as error:
        raise UserError(f"{path}: cannot be read: {error.strerror}") from None
    except (UnicodeDecodeError, json.JSONDecodeError, RecursionError) as error:
        line = getattr(error, "lineno", 1)
        raise UserError(f"{path}:{line}: cannot be read as JSON: {error}") from None
    if not isinstance(value, dict):
        raise UserError(f"{path}:1: found {kind_of_json(value)}, expected a JSON object")
    return value


def read_config(folder: Path) -> dict[str, Any]:
    """Return config.json of a run; parts that are null are left out, as others may be.

    Raises:
        UserError: It cannot be read, or a part is of another kind than it should be.
    """
    path = folder / CONFIG
    config = {name: value for name, value in read_json(path).items() if value is not None}
    for name, kind in _PARTS.items():
        if not isinstance(config.get(name, kind()), kind):
            found, expected = kind_of_json(config[name]), kind_of_json(kind())
            raise UserError(f"{path}: {name}: found {found}, expected {expected}")
    return config


def config_of(workdir: str | Path) -> dict[str, Any]:
    """Return config.json of the run that a folder holds, nothing where it holds none."""
    folder = Path(workdir)
    return read_config(folder) if (folder / CONFIG).is_file() else {}


def check_same_run(
    folder: Path,
    found: Mapping[str, Any],
    wanted: Mapping[str, Any],
    defaults: Mapping[str, Any],
) -> None:
    """Check that a folder holds the run that is asked for.

    Args:
        folder: The run directory.
        found: Its config.json.
        wanted: What config.json would hold; "method", "settings" and "dataset" are compared.
        defaults: All settings that there are, with their defaults; those that are not in `wanted`
            make no difference.

    Raises:
        UserError: It holds another run (the first few differences are named), or one whose
            settings this version does not know.
    """
    before, now = found.get("settings", {}), wanted.get("settings", {})
    if not before and now:
        raise UserError(f"{folder / CONFIG}: settings: missing; give another --workdir")
    unknown = [name for name in before if name not in now and name not in defaults]
    same_method = found.get("method") == wanted.get("method")
    if unknown and defaults and same_method:
        raise UserError(
            f"{folder / CONFIG}: settings: found {', '.join(unknown)}, which this version "
            f"({_version()}) does not know; continue with the version that began the run "
            f"({_version_of(found)}), or give another --workdir"
        )
    differences = []
    if not same_method:
        differences.append(f"method {found.get('method')!r}, not {wanted.get('method')!r}")
    differences += _differing_settings(before, now, defaults)
    differences += differing_data(found.get("dataset", {}), wanted.get("dataset", {}))
    if differences:
        hidden = len(differences) - _DIFFERENCES_TOLD
        more = f" and {hidden} more" if hidden > 0 else ""
        raise UserError(
            f"{folder}: holds another run ({'; '.join(differences[:_DIFFERENCES_TOLD])}{more}); "
            "give the same flags to continue it (a default may have changed), or another --workdir"
        )


def _differing_settings(
    before: Mapping[str, Any], now: Mapping[str, Any], defaults: Mapping[str, Any]
) -> list[str]:
    names = [name for name in dict.fromkeys([*before, *now]) if name in now or name not in defaults]
    pairs = {name: (before.get(name, defaults.get(name)), now.get(name)) for name in names}
    return [
        f"--{name}={old!r}, not {new!r}"
        for name, (old, new) in pairs.items()
        if old != new and name != "dataset"
    ]


def differing_data(before: Mapping[str, Any], now: Mapping[str, Any]) -> list[str]:
    """Return in what data differ from those of a run, by their descriptions; empty: in nothing.

    Args:
        before: What the run recorded: name, counts, and a digest of all that matters.
        now: The same of the data as they are now.
    """
    if "digest" in now and before.get("digest") == now["digest"]:
        return []
    if "digest" in now and "digest" not in before:
        return ["no digest of the data recorded"]
    keys = [key for key in dict.fromkeys([*before, *now]) if key not in ("name", "digest")]
    counts = [
        f"dataset {key}={before.get(key)!r}, not {now.get(key)!r}"
        for key in keys
        if before.get(key) != now.get(key)
    ]
    if counts or "digest" not in now:
        return counts
    return ["dataset of the same counts, but of other names, numbers or triples"]


def _version() -> str:
    try:
        return importlib.metadata.version("kapl-jax")
    except importlib.metadata.PackageNotFoundError:
        return "unknown"


def _version_of(config: Mapping[str, Any]) -> str:
    return str(config.get("versions", {}).get("kapl-jax", "unknown"))
