"""The models of a finished run with their metrics: what was searched, and the baselines."""

from __future__ import annotations

import dataclasses
import math
from collections.abc import Mapping, Sequence
from typing import Any

from kapl_jax.runs.report.summary import main_metric
from kapl_jax.runs.run_directory import Run


@dataclasses.dataclass(frozen=True)
class Spread:
    """Mean of a metric over seeds and its standard deviation, None where there was one value."""

    mean: float
    std: float | None = None


Metrics = Mapping[str, Spread]


@dataclasses.dataclass(frozen=True)
class Model:
    """A model of the final stage: a searched one, or a baseline trained beside it.

    Attributes:
        name: Its name in the run.
        searched: Whether the search found it; False for a baseline.
        structure: The candidate as nested lists, None where the results do not hold it.
        formula: The candidate in symbols, may be empty.
        hyperparameters: Those it was trained with.
        valid: Metrics on the validation split by name.
        test: Metrics on the test split by name.
        parameters: Number of trained parameters.
    """

    name: str
    searched: bool
    structure: Any
    formula: str
    hyperparameters: Mapping[str, Any]
    valid: Metrics
    test: Metrics
    parameters: int | None


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


def found_model(run: Run) -> Model | None:
    """Return the best model of a finished run, the one its test metrics are about."""
    if run.results is None or not run.results.get("best"):
        return None
    best, baselines = run.results["best"], run.results.get("baselines") or {}
    name = best.get("name") or _name_of(run, best.get("structure")) or "found"
    entry = {**best, **{key: run.results.get(key) for key in ("valid", "test", "parameters")}}
    return _model(name, entry, searched=name not in baselines)


def final_models(run: Run) -> list[Model]:
    """Return the models of the final stage, searched and baselines, the best in validation first.

    Empty for an unfinished run.
    """
    results = run.results or {}
    searched = [
        _model(entry.get("name") or f"searched-{place}", entry, searched=True)
        for place, entry in enumerate(results.get("searched") or [], start=1)
    ]
    baselines = [
        _model(name, entry, searched=False)
        for name, entry in (results.get("baselines") or {}).items()
    ]
    found = found_model(run)
    if not searched and found is not None and found.searched:
        searched = [found]
    by = main_metric(run)
    return sorted([*searched, *baselines], key=lambda model: -mean_of(model.valid, by))


def best_baseline(run: Run) -> Model | None:
    """Return the baseline that is best in validation, None where there is none yet."""
    return next((model for model in final_models(run) if not model.searched), None)


def mean_of(values: Metrics, name: str) -> float:
    """Return the mean of a metric, -inf where it is unknown, so that it sorts last."""
    return values[name].mean if name in values else -math.inf


def metric_names(groups: Sequence[Metrics]) -> list[str]:
    """Return the names of all metrics in these groups, in the order they first occur."""
    return list(dict.fromkeys(name for group in groups for name in group))


def _name_of(run: Run, structure: Any) -> str | None:
    searched = (run.results or {}).get("searched") or []
    return next(
        (entry.get("name") for entry in searched if entry.get("structure") == structure), None
    )


def _model(name: str, entry: Mapping[str, Any], searched: bool) -> Model:
    return Model(
        name=str(name),
        searched=searched,
        structure=entry.get("structure"),
        formula=str(entry.get("formula") or ""),
        hyperparameters=entry.get("hyperparameters") or {},
        valid=read_metrics(entry.get("valid")),
        test=read_metrics(entry.get("test")),
        parameters=entry.get("parameters"),
    )
