"""The models of a finished run with their metrics: what was searched, and the baselines."""

from __future__ import annotations

import dataclasses
from collections.abc import Mapping
from typing import Any

import numpy as np

from kapl_jax.runs.report.metrics import Metrics, merit
from kapl_jax.runs.report.summary import main_metric, metrics
from kapl_jax.runs.run_directory import Run


@dataclasses.dataclass(frozen=True)
class Model:
    """A model of the final stage: a searched one, or a baseline trained beside it.

    Attributes:
        name: Its name in the run.
        searched: Whether the search found it; False for a baseline.
        structure: The structure as nested lists, None where the results do not hold it.
        formula: The structure in symbols, may be empty.
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


def found_model(run: Run) -> Model | None:
    """Return the best model of a finished run, the one its test metrics are about."""
    if run.results is None or not run.results.get("best"):
        return None
    best, baselines = run.results["best"], run.results.get("baselines") or {}
    name = best.get("name") or _name_of(run, best.get("structure")) or "found"
    entry = {**best, **{key: run.results.get(key) for key in ("valid", "test", "parameters")}}
    return _model(run, name, entry, searched=name not in baselines)


def final_models(run: Run) -> list[Model]:
    """Return the models of the final stage, searched and baselines, the best in validation first.

    Empty for an unfinished run.
    """
    results = run.results or {}
    searched = [
        _model(run, entry.get("name") or f"searched-{index}", entry, searched=True)
        for index, entry in enumerate(results.get("searched") or [], start=1)
    ]
    baselines = [
        _model(run, name, entry, searched=False)
        for name, entry in (results.get("baselines") or {}).items()
    ]
    found = found_model(run)
    if not searched and found is not None and found.searched:
        searched = [found]
    by = main_metric(run)
    return sorted([*searched, *baselines], key=lambda model: merit(model.valid, by), reverse=True)


def best_baseline(run: Run) -> Model | None:
    """Return the baseline that is best in validation, None where there is none yet."""
    return next((model for model in final_models(run) if not model.searched), None)


def symbols(structure: Any) -> np.ndarray | None:
    """Return a structure as an array of symbols, `int` or `bool`.

    None where it is missing, or made of weights, which no picture or formula is drawn of.
    """
    array = np.asarray(structure if structure else 0.0)
    return array if array.dtype.kind in "biu" else None


def _name_of(run: Run, structure: Any) -> str | None:
    searched = (run.results or {}).get("searched") or []
    return next(
        (entry.get("name") for entry in searched if entry.get("structure") == structure), None
    )


def _model(run: Run, name: str, entry: Mapping[str, Any], searched: bool) -> Model:
    return Model(
        name=str(name),
        searched=searched,
        structure=entry.get("structure"),
        formula=str(entry.get("formula") or ""),
        hyperparameters=entry.get("hyperparameters") or {},
        valid=metrics(run, entry.get("valid")),
        test=metrics(run, entry.get("test")),
        parameters=entry.get("parameters"),
    )
