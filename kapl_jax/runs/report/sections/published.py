"""Our figures beside the published ones, under both protocols of selection."""

from __future__ import annotations

import dataclasses
from collections.abc import Mapping, Sequence
from typing import Any

from kapl_jax.runs.report import summary
from kapl_jax.runs.report.formatting import metric_value
from kapl_jax.runs.report.metrics import (
    Metrics,
    direction_note,
    metric_label,
    metric_names,
    read_metrics,
)
from kapl_jax.runs.report.models import found_model
from kapl_jax.runs.report.section import Section, Table
from kapl_jax.runs.run_directory import Run


@dataclasses.dataclass(frozen=True)
class Line:
    """A model's metrics and where they come from."""

    model: str
    origin: str
    metrics: Metrics


# In the order of the table; "protocols" of the results has for each the metrics of each model.
_PROTOCOLS = {
    "validation": "here, selected on validation users",
    "test": "here, selected on test users",
}


def published(runs: Sequence[Run]) -> Section | None:
    """Return for each run that trained under both protocols, or knows published figures, a table.

    It reads `{"source": str, "rows": [{"name", metric: number}], "protocols": {"validation" or
    "test": {model: {metric: number or mean and std}}}}`; any part may be missing.
    """
    tables = []
    for run, label in zip(runs, summary.labels(runs), strict=True):
        entry = (run.results or {}).get("published") or {}
        if lines := _ours(run, entry) + _theirs(entry):
            tables.append(_table(run, lines, entry, label if len(runs) > 1 else ""))
    if not tables:
        return None
    lead = (
        "All figures are of test users. Those selected on the test users themselves are better "
        "than can be expected of new users; they are here because the published code selects so."
    )
    return Section("published", "Selected on validation and on test users", lead, tables)


def _ours(run: Run, entry: Mapping[str, Any]) -> list[Line]:
    """Return the models of this run, under one protocol after the other."""
    protocols = entry.get("protocols") or {}
    names = dict.fromkeys(name for models in protocols.values() for name in models)
    lines = [
        Line(name, label, summary.metrics(run, (protocols.get(protocol) or {}).get(name)))
        for name in names
        for protocol, label in _PROTOCOLS.items()
    ]
    return [line for line in lines if line.metrics]


def _theirs(entry: Mapping[str, Any]) -> list[Line]:
    rows = entry.get("rows") or []
    lines = [Line(str(row.get("name")), "published", read_metrics(row)) for row in rows]
    return [line for line in lines if line.metrics]


def _table(run: Run, lines: Sequence[Line], entry: Mapping[str, Any], heading: str) -> Table:
    found = found_model(run)
    names = metric_names([line.metrics for line in lines])
    rows = [
        [line.model, line.origin, *(metric_value(line.metrics, name) for name in names)]
        for line in lines
    ]
    header = ["Model", "Figures", *(metric_label(name) for name in names)]
    strong = frozenset(
        place
        for place, line in enumerate(lines)
        if found and line.model == found.name and line.origin in _PROTOCOLS.values()
    )
    source = f"Published figures: {entry['source']}." if entry.get("source") else ""
    caption = f"{source} {summary.spread_note([run])} {direction_note(names)}".strip()
    return Table(header, rows, frozenset({0, 1}), strong, caption, heading=heading)
