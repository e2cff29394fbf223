"""What a run says about itself, read from its events and results without knowing its method."""

from __future__ import annotations

import math
from collections import Counter
from collections.abc import Mapping, Sequence
from itertools import accumulate
from typing import Any

from kapl_jax.evaluation.objectives import sign
from kapl_jax.runs.report.metrics import Spread, metric_label, read_metrics
from kapl_jax.runs.run_directory import Run

# Metrics by which runs are ordered, most telling first; the first one a run has is its main metric.
_MAIN_METRICS = ("mrr", "auc", "accuracy", "f1")


def method(run: Run) -> str:
    """Return the name of the run's method."""
    return str(run.config.get("method", "unknown"))


def dataset(run: Run) -> str:
    """Return the name of the run's dataset."""
    return str(
        (run.config.get("dataset") or {}).get("name") or _result(run, "dataset") or "unknown"
    )


def searcher(run: Run) -> str | None:
    """Return the name of the searcher, None where nothing was searched."""
    found = _result(run, "searcher") or setting(run, "searcher")
    # What was given by --structure is trained without a search.
    return None if found in (None, "none") or setting(run, "structure") else str(found)


def origin(run: Run, searched: str = "searched") -> str:
    """Return how the structures came that are no baselines: `searched`, or "given"."""
    return searched if searcher(run) else "given"


def setting(run: Run, name: str) -> Any:
    """Return a setting of the run, None where it has no such setting."""
    return (run.config.get("settings") or {}).get(name)


def seconds(run: Run) -> float | None:
    """Return the time the run has taken so far."""
    known: list[Any] = [
        _result(run, "seconds"),
        *(event.get("seconds") for event in reversed(run.events)),
    ]
    return next((float(entry) for entry in known if entry is not None), None)


def device(run: Run) -> str | None:
    """Return the device by name."""
    found = _result(run, "device") or run.config.get("device")
    if isinstance(found, dict):
        found = found.get("name") or ", ".join(str(entry) for entry in found.values()) or None
    return None if found is None else str(found)


def seeds(run: Run) -> int | None:
    """Return the number of seeds of the final stage."""
    found = _result(run, "seeds") or setting(run, "seeds")
    return found if isinstance(found, int) else None


def metrics(run: Run, entry: Mapping[str, Any] | None) -> dict[str, Spread]:
    """Return the metrics of an entry; of a single seed there is no standard deviation."""
    found = read_metrics(entry)
    if seeds(run) != 1:
        return found
    return {name: Spread(one.mean) for name, one in found.items()}


def spread_note(runs: Sequence[Run]) -> str:
    """Return a sentence on what figures of these runs are over seeds."""
    if all(seeds(run) == 1 for run in runs):
        return "Of one seed."
    return "Mean ± standard deviation over seeds."


def candidates_trained(run: Run) -> int:
    """Return the number of structures the search has trained."""
    found = _result(run, "candidates_trained")
    return len(search_scores(run)) if found is None else int(found)


def stage(run: Run) -> str:
    """Return the stage the run is in, `done` once it has results."""
    if run.results is not None:
        return "done"
    return next((str(e["stage"]) for e in reversed(run.events) if e.get("stage")), "not started")


def candidates(run: Run, stage_name: str = "search") -> list[Mapping[str, Any]]:
    """Return the candidate events of one stage in the order they were recorded."""
    return [e for e in run.events if e.get("event") == "candidate" and e.get("stage") == stage_name]


def score(event: Mapping[str, Any]) -> float:
    """Return the score of a candidate event, -inf for one that diverged."""
    found = event.get("score")
    return float(found) if isinstance(found, int | float) and math.isfinite(found) else -math.inf


def search_scores(run: Run) -> list[float]:
    """Return the scores of the structures the search trained, in order, -inf where diverged."""
    return [score(event) for event in candidates(run)]


def best_so_far(run: Run) -> list[float]:
    """Return after each structure of the search the best score so far, -inf before the first.

    Structures that were dropped early do not count: they were not trained as long as the others.
    """
    scores = [score(event) if _is_complete(event) else -math.inf for event in candidates(run)]
    return list(accumulate(scores, max))


def best_candidate(run: Run) -> Mapping[str, Any] | None:
    """Return the event of the best structure of the search so far, None before the first."""
    ranked = ranked_candidates(run)
    return ranked[0] if ranked else None


def ranked_candidates(run: Run) -> list[Mapping[str, Any]]:
    """Return the events of the structures trained to the end that did not diverge, best first."""
    whole = [e for e in candidates(run) if _is_complete(e) and score(e) > -math.inf]
    return sorted(whole, key=score, reverse=True)


def main_metric(run: Run) -> str:
    """Return the name of the metric by which the run selects: its objective, where it has one."""
    if objective := setting(run, "objective"):
        return str(objective)
    sources: list[Any] = [
        _result(run, "valid"),
        *(event.get("valid") for event in reversed(run.events)),
    ]
    known: Mapping[str, Any] = next((entry for entry in sources if entry), {})
    return next((name for name in _MAIN_METRICS if name in known), next(iter(known), "mrr"))


def as_metric(run: Run, score: float) -> float:
    """Return the main metric that a score stands for; of scores more is always better."""
    return sign(main_metric(run)) * score


def labels(runs: Sequence[Run]) -> list[str]:
    """Return a short distinct name for each run: its searcher, its folder where that repeats."""
    plain = [searcher(run) or method(run) for run in runs]
    if len({dataset(run) for run in runs}) > 1:
        plain = [f"{dataset(run)}, {name}" for run, name in zip(runs, plain, strict=True)]
    repeated = {name for name, times in Counter(plain).items() if times > 1}
    folders = _distinct_folders(runs)
    return [
        f"{name} ({folder})" if name in repeated else name
        for name, folder in zip(plain, folders, strict=True)
    ]


def comparable(runs: Sequence[Run]) -> dict[str, list[Run]]:
    """Return the runs grouped by dataset and, where that varies within one, by main metric.

    Scores on different data, or of different metrics, do not compare. A group's name says what is
    the same in it.
    """
    metrics: dict[str, set[str]] = {}
    for run in runs:
        metrics.setdefault(dataset(run), set()).add(main_metric(run))
    groups: dict[str, list[Run]] = {}
    for run in runs:
        name = dataset(run)
        if len(metrics[name]) > 1:
            name = f"{name}, selected by {metric_label(main_metric(run))}"
        groups.setdefault(name, []).append(run)
    return groups


def _is_complete(event: Mapping[str, Any]) -> bool:
    return bool(event.get("complete", True))


def _result(run: Run, name: str) -> Any:
    return None if run.results is None else run.results.get(name)


def _distinct_folders(runs: Sequence[Run]) -> list[str]:
    names = [run.path.name for run in runs]
    return names if len(set(names)) == len(names) else [str(run.path) for run in runs]
