"""How names and numbers are shown to people."""

from __future__ import annotations

import json
import math
from collections.abc import Mapping
from typing import Any

from kapl_jax.runs.report.metrics import Metrics

MISSING = "–"


def setting_label(name: str) -> str:
    """Return the name of a setting or hyperparameter in words: `learning_rate` is learning rate."""
    return name.replace("_", " ")


def number(value: float | None) -> str:
    """Return `value` as metrics are shown: a fraction to 4 decimals, a dash for None and NaN."""
    if value is None or not math.isfinite(value):
        return MISSING
    return f"{value:,.{_decimals(value)}f}"


def spread(mean: float | None, deviation: float | None) -> str:
    """Return mean ± standard deviation to the precision of the mean, the mean alone if unknown."""
    if mean is None or deviation is None or not math.isfinite(deviation):
        return number(mean)
    return f"{number(mean)} ± {deviation:.{_decimals(mean)}f}"


def _decimals(value: float) -> int:
    return 4 if abs(value) <= 1 else 2 if abs(value) < 100 else 1


def metric_value(values: Metrics, name: str) -> str:
    """Return the metric `name` of a group with its standard deviation, a dash where it has none."""
    found = values.get(name)
    return MISSING if found is None else spread(found.mean, found.std)


def count(value: float | None) -> str:
    """Return a whole number with thousands separated, a dash for None."""
    return MISSING if value is None else f"{value:,.0f}"


def duration(seconds: float | None) -> str:
    """Return a time to two units, from `0.4 s` to `2 d 03 h`."""
    if seconds is None or not math.isfinite(seconds):
        return MISSING
    if seconds < 60:
        return f"{seconds:.1f} s"
    minutes, rest = divmod(round(seconds), 60)
    if minutes < 60:
        return f"{minutes} min {rest:02d} s"
    hours, minutes = divmod(minutes, 60)
    if hours < 24:
        return f"{hours} h {minutes:02d} min"
    return f"{hours // 24} d {hours % 24:02d} h"


def value(setting: Any) -> str:
    """Return any JSON value on one line: numbers short, objects as `key: value`."""
    if setting is None:
        return MISSING
    if isinstance(setting, bool):
        return "yes" if setting else "no"
    if isinstance(setting, float):
        return f"{setting:.4g}"
    if isinstance(setting, int):
        return count(setting)
    if isinstance(setting, Mapping):
        return ", ".join(f"{setting_label(key)}: {value(entry)}" for key, entry in setting.items())
    return setting if isinstance(setting, str) else json.dumps(setting, ensure_ascii=False)
