"""Metrics as runs record them: their values, what people call them, and which way is better."""

from __future__ import annotations

import dataclasses
import math
import re
from collections.abc import Iterable, Mapping, Sequence
from typing import Any

from kapl_jax.evaluation.objectives import LOWER_IS_BETTER, sign

# Metrics that say little beside the others; JSON and the full table of results have them.
MINOR_METRICS = frozenset({"hits_at_3", "mean_rank"})

_LABELS = {"mean_rank": "Mean rank", "accuracy": "Accuracy"}
_STEMS = {"hits": "Hits", "ndcg": "nDCG"}


@dataclasses.dataclass(frozen=True)
class Spread:
    """Mean of a metric over seeds and its standard deviation, None where there was one value."""

    mean: float
    std: float | None = None


Metrics = Mapping[str, Spread]


def read_metrics(entry: Mapping[str, Any] | None) -> dict[str, Spread]:
    """Return the metrics of an entry; plain numbers have no deviation, nulls are left out."""
    found = {}
    for name, given in (entry or {}).items():
        mean, std = (
            (given.get("mean"), given.get("std")) if isinstance(given, dict) else (given, None)
        )
        if isinstance(mean, int | float) and not isinstance(mean, bool) and math.isfinite(mean):
            found[name] = Spread(float(mean), None if std is None else float(std))
    return found


def metric_names(groups: Sequence[Metrics]) -> list[str]:
    """Return the names of all metrics in these groups, in the order they first occur."""
    return list(dict.fromkeys(name for group in groups for name in group))


def merit(values: Metrics, name: str) -> float:
    """Return the mean of a metric so that more is better: negated where less of it is.

    It is -inf where the metric is unknown, so that it counts as the worst.
    """
    return sign(name) * values[name].mean if name in values else -math.inf


def metric_label(name: str) -> str:
    """Return what people call a metric: `hits_at_10` is Hits@10, `mrr` MRR."""
    if name in _LABELS:
        return _LABELS[name]
    cut = re.fullmatch(r"([a-z0-9]+)_at_(\d+)", name)
    stem = cut[1] if cut else name
    shown = _STEMS.get(stem) or (stem.upper() if len(stem) <= 5 else stem)
    return f"{shown}@{cut[2]}" if cut else shown.replace("_", " ")


def axis_label(name: str, split: str = "") -> str:
    """Return the label of an axis: the metric, and that lower is better where it is.

    Args:
        name: The metric.
        split: What is put before it, such as `validation`.
    """
    label = f"{split} {metric_label(name)}".lstrip()
    return f"{label} ({better(sign(name))})" if name in LOWER_IS_BETTER else label


def better(direction: float) -> str:
    """Return in words which way is better: up for a direction of 1, down for -1."""
    return "higher is better" if direction > 0 else "lower is better"


def direction_note(names: Iterable[str]) -> str:
    """Return a sentence on the metrics of which less is better, empty where there are none."""
    labels = [metric_label(name) for name in dict.fromkeys(names) if name in LOWER_IS_BETTER]
    if not labels:
        return ""
    listed = " and ".join(filter(None, (", ".join(labels[:-1]), labels[-1])))
    return f"Lower is better for {listed}."
