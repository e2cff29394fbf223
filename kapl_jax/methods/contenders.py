"""Structures in the final stage, and how their seeds are summed up, for all searching methods."""

from __future__ import annotations

import dataclasses
from collections.abc import Mapping, Sequence
from typing import Any

import numpy as np

from kapl_jax.search.stage import Outcome


@dataclasses.dataclass(frozen=True)
class Contender:
    """A structure of the final comparison, tuned and trained at the final size.

    Attributes:
        name: The preset's name, or `searched-1` and so on.
        structure: Its array.
        searched: Whether the search found it (or the user gave it) rather than the literature.
    """

    name: str
    structure: np.ndarray
    searched: bool


Outcomes = Mapping[str, Sequence[Outcome]]
"""The outcomes of each contender's seeds, by name."""


def mean_score(outcomes: Sequence[Outcome]) -> float:
    """Return the mean score of some seeds."""
    return float(np.mean([one.score for one in outcomes]))


def best_contender(contenders: Sequence[Contender], outcomes: Outcomes) -> Contender:
    """Return the contender with the highest mean validation score over seeds."""
    return max(contenders, key=lambda one: mean_score(outcomes[one.name]))


def best_seed(outcomes: Sequence[Outcome]) -> Outcome:
    """Return the seed with the highest validation score."""
    return max(outcomes, key=lambda one: one.score)


def spread(runs: Sequence[Mapping[str, float]]) -> dict[str, dict[str, float | None]]:
    """Return mean and sample standard deviation of each metric over seeds, None for one seed."""
    summary: dict[str, dict[str, float | None]] = {}
    for name in runs[0]:
        values = np.array([run[name] for run in runs], float)
        deviation = float(values.std(ddof=1)) if len(values) > 1 else None
        summary[name] = {"mean": float(values.mean()), "std": deviation}
    return summary


def best_lines(results: Mapping[str, Any]) -> list[str]:
    """Return what was best on validation, for people, and what it equals."""
    best = results.get("best", {})
    name = best.get("name", "")
    same = [one for one in best.get("equivalent_to", []) if one != name]
    same_as = f", equivalent to {same[0]}" if same else ""
    first = f"best on validation   {name}{same_as}: {best.get('formula', '')}"
    return [first, *(f"  {expression}" for expression in best.get("expressions", []))]


def score_lines(results: Mapping[str, Any], metric: str, label: str, sign: float) -> list[str]:
    """Return how the best does, and the best preset beside it, for people.

    Args:
        results: What results.json holds; what it lacks is left out.
        metric: The metric that is selected by.
        label: What people call it.
        sign: -1.0 where less of it is better.
    """
    known = {
        name: row
        for name, row in results.get("baselines", {}).items()
        if metric in row.get("valid", {})
    }
    rows = [("", results)]
    if known:
        best = max(known, key=lambda name: sign * _mean_of(known[name]["valid"][metric]))
        rows.append((f"  (best preset, {best})", known[best]))
    return [
        f"{f'{title} {label}':<20} {_metric_text(row[split][metric])}{note}"
        for note, row in rows
        for split, title in (("valid", "validation"), ("test", "test"))
        if metric in row.get(split, {})
    ]


def _mean_of(value: Any) -> float:
    return float(value["mean"] if isinstance(value, Mapping) else value)


def _metric_text(value: Any) -> str:
    """Return mean and standard deviation; of one seed there is none."""
    deviation = value.get("std") if isinstance(value, Mapping) else None
    shown = f"{_mean_of(value):.4f}"
    return shown if deviation is None else f"{shown} ± {deviation:.4f}"


def metrics_of_seeds(outcomes: Sequence[Outcome]) -> dict[str, Any]:
    """Return hyperparameters, `valid` and `test` of a contender as results.json lists them."""
    return {
        "hyperparameters": dict(outcomes[0].individual.hyperparameters),
        "valid": spread([one.record["valid"] for one in outcomes]),
        "test": spread([one.record["test"] for one in outcomes]),
    }


def result_rows(
    contenders: Sequence[Contender], outcomes: Outcomes, rows: Mapping[str, Mapping[str, Any]]
) -> dict[str, Any]:
    """Return `valid` and `test` of the best, `baselines` by name, `searched` in order of quality.

    Args:
        contenders: All contenders.
        outcomes: Their outcomes.
        rows: What is listed of each, by name.
    """
    best = best_contender(contenders, outcomes)
    searched = sorted(
        (one for one in contenders if one.searched), key=lambda one: -mean_score(outcomes[one.name])
    )
    return {
        "valid": rows[best.name]["valid"],
        "test": rows[best.name]["test"],
        "baselines": {one.name: rows[one.name] for one in contenders if not one.searched},
        "searched": [{"name": one.name, **rows[one.name]} for one in searched],
        "seeds": len(outcomes[best.name]),
    }
