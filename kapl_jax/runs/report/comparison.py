"""Runs side by side: one row per run, as text, Markdown or JSON."""

from __future__ import annotations

import dataclasses
import json
from collections.abc import Callable, Mapping, Sequence
from typing import Any

from kapl_jax.runs.report import summary
from kapl_jax.runs.report.formatting import MISSING, count, duration, metric_value
from kapl_jax.runs.report.metrics import (
    MINOR_METRICS,
    Metrics,
    Spread,
    merit,
    metric_label,
    metric_names,
    read_metrics,
)
from kapl_jax.runs.report.models import found_model
from kapl_jax.runs.run_directory import Run

_FORMULA_SHOWN = 48


@dataclasses.dataclass(frozen=True)
class Row:
    """What one run comes to.

    Attributes:
        run: Its directory.
        method: Its method.
        dataset: Its dataset.
        searcher: Its searcher, None where nothing was searched.
        stage: `done`, or the stage it is in.
        best: Name of the best model, None while there is none.
        formula: The best model in symbols, of the search so far for an unfinished run.
        metric: Name of the metric it selects by.
        valid: Metrics in validation by name.
        test: Metrics in test by name, empty until it is finished.
        parameters: Parameters of the best model.
        candidates: Number of structures trained.
        seeds: Number of seeds of the final stage.
        seconds: Time taken so far.
        device: Device by name.
    """

    run: str
    method: str
    dataset: str
    searcher: str | None
    stage: str
    best: str | None
    formula: str
    metric: str
    valid: Metrics
    test: Metrics
    parameters: int | None
    candidates: int
    seeds: int | None
    seconds: float | None
    device: str | None


def compare(runs: Sequence[Run]) -> list[Row]:
    """Return a row for each run, ordered by dataset, then by validation, the best first.

    Runs on one dataset that select by different metrics stand apart.
    """
    rows = [_row(run) for run in runs]
    return sorted(rows, key=lambda row: (row.dataset, row.metric, -merit(row.valid, row.metric)))


def columns(rows: Sequence[Row]) -> tuple[list[str], list[list[str]]]:
    """Return header and cells of the table of runs; columns with nothing in them are left out."""
    shown = [(title, [cell(row) for row in rows]) for title, cell in _columns(rows)]
    kept = [(title, cells) for title, cells in shown if any(cell != MISSING for cell in cells)]
    cells = [list(row) for row in zip(*(cells for _, cells in kept), strict=True)]
    return [title for title, _ in kept], cells


def text_columns(header: Sequence[str]) -> frozenset[int]:
    """Return the indices of the columns that hold text and are aligned to the left."""
    texts = {"Run", "Method", "Dataset", "Searcher", "Status", "Best", "Device"}
    return frozenset(index for index, title in enumerate(header) if title in texts)


def as_text(rows: Sequence[Row]) -> str:
    """Return the table of runs with aligned columns, for a terminal."""
    header, cells = columns(rows)
    lines = [header, *cells]
    widths = [max(len(line[index]) for line in lines) for index in range(len(header))]
    lines.insert(1, ["-" * width for width in widths])
    left = text_columns(header)
    return "\n".join(
        "  ".join(
            cell.ljust(width) if index in left else cell.rjust(width)
            for index, (cell, width) in enumerate(zip(line, widths, strict=True))
        ).rstrip()
        for line in lines
    )


def as_markdown(rows: Sequence[Row]) -> str:
    """Return the table of runs in Markdown."""
    header, cells = columns(rows)
    left = text_columns(header)
    rule = [":---" if index in left else "---:" for index in range(len(header))]
    escaped = [[cell.replace("|", r"\|") for cell in line] for line in [header, rule, *cells]]
    return "\n".join(f"| {' | '.join(line)} |" for line in escaped)


def as_json(rows: Sequence[Row]) -> str:
    """Return the rows as a JSON list of objects with all metrics."""
    return json.dumps([dataclasses.asdict(row) for row in rows], indent=2, ensure_ascii=False)


def _row(run: Run) -> Row:
    found, candidate = found_model(run), summary.best_candidate(run) or {}
    return Row(
        run=str(run.path),
        method=summary.method(run),
        dataset=summary.dataset(run),
        searcher=summary.searcher(run),
        stage=summary.stage(run),
        best=candidate.get("name") if found is None else found.name,
        formula=str(candidate.get("describe") or "") if found is None else found.formula,
        metric=summary.main_metric(run),
        valid=_valid_so_far(run, candidate) if found is None else found.valid,
        test={} if found is None else found.test,
        parameters=None if found is None else found.parameters,
        candidates=summary.candidates_trained(run),
        seeds=summary.seeds(run),
        seconds=summary.seconds(run),
        device=summary.device(run),
    )


def _valid_so_far(run: Run, candidate: Mapping[str, Any]) -> Metrics:
    known = read_metrics(candidate.get("valid"))
    if known or not candidate:
        return known
    return {summary.main_metric(run): Spread(summary.as_metric(run, summary.score(candidate)))}


def _columns(rows: Sequence[Row]) -> list[tuple[str, Callable[[Row], str]]]:
    mains = list(dict.fromkeys(row.metric for row in rows))
    others = [
        name
        for name in metric_names([row.test for row in rows])
        if name not in mains and name not in MINOR_METRICS
    ]
    return [
        ("Run", lambda row: row.run),
        ("Method", lambda row: row.method),
        ("Dataset", lambda row: row.dataset),
        ("Searcher", lambda row: row.searcher or MISSING),
        ("Status", lambda row: row.stage if row.stage == "done" else f"unfinished: {row.stage}"),
        *(_metric_column("Valid", "valid", name) for name in mains),
        *(_metric_column("Test", "test", name) for name in [*mains, *others]),
        ("Parameters", lambda row: count(row.parameters)),
        ("Structures", lambda row: count(row.candidates) if row.searcher else MISSING),
        ("Seeds", lambda row: count(row.seeds)),
        ("Time", lambda row: duration(row.seconds)),
        ("Device", lambda row: row.device or MISSING),
        ("Best", _best),
    ]


def _metric_column(title: str, split: str, name: str) -> tuple[str, Callable[[Row], str]]:
    def cell(row: Row) -> str:
        return metric_value(getattr(row, split), name)

    return f"{title} {metric_label(name)}", cell


def _best(row: Row) -> str:
    formula = row.formula
    if len(formula) > _FORMULA_SHOWN:
        formula = formula[: _FORMULA_SHOWN - 1] + "…"
    return ": ".join(filter(None, (row.best, formula))) or MISSING
