"""Sections that are tables alone: runs side by side, hyperparameters, and what repeats a run."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import Any

from kapl_jax.runs.report import summary
from kapl_jax.runs.report.comparison import columns, compare, text_columns
from kapl_jax.runs.report.formatting import setting_label, value
from kapl_jax.runs.report.metrics import MINOR_METRICS, direction_note
from kapl_jax.runs.report.models import final_models
from kapl_jax.runs.report.presentation import Presentations
from kapl_jax.runs.report.section import Section, Table
from kapl_jax.runs.run_directory import Run

# Columns left to the next section, so that the table fits a screen.
_IN_HEADLINE = frozenset({"Method", "Seeds", "Parameters", "Time", "Device", "Best"})
_TITLES = {
    "settings": "Setting",
    "dataset": "Dataset",
    "versions": "Version of",
    "device": "Device",
}


def overview(runs: Sequence[Run], presentations: Presentations) -> Section | None:
    """Return the table of `experiments.compare`; None for a single run."""
    del presentations
    if len(runs) < 2:
        return None
    lines = compare(runs)
    titles, cells = columns(lines)
    kept = [index for index, title in enumerate(titles) if title not in _IN_HEADLINE]
    header = [titles[index] for index in kept]
    known = [name for line in lines for name in (line.metric, *line.test)]
    names = [name for name in known if name not in MINOR_METRICS]
    caption = f"Ordered by dataset, then by validation. {summary.spread_note(runs)}"
    table = Table(
        header,
        [[row[index] for index in kept] for row in cells],
        text_columns(header),
        caption=f"{caption} {direction_note(names)}".rstrip(),
    )
    return Section("runs", "Runs", "What each run found, side by side.", [table])


def hyperparameters(runs: Sequence[Run], presentations: Presentations) -> Section | None:
    """Return a table per finished run: its models and what they were trained with."""
    del presentations
    tables = []
    for run, label in zip(runs, summary.labels(runs), strict=True):
        if table := _hyperparameter_table(run, label if len(runs) > 1 else ""):
            tables.append(table)
    if not tables:
        return None
    lead = "What each model of the final stage was trained with, selected by validation."
    return Section("hyperparameters", "Best hyperparameters", lead, tables)


def _hyperparameter_table(run: Run, heading: str) -> Table | None:
    models = [model for model in final_models(run) if model.hyperparameters]
    if not models:
        return None
    names = list(dict.fromkeys(name for model in models for name in model.hyperparameters))
    rows = [
        [model.name, *(value(model.hyperparameters.get(name)) for name in names)]
        for model in models
    ]
    header = ["Model", *(setting_label(name).capitalize() for name in names)]
    dimension = ((run.results or {}).get("best") or {}).get("embedding_dim")
    caption = "" if dimension is None else f"Embedding dimension {value(dimension)}."
    return Table(header, rows, caption=caption, heading=heading)


def settings(runs: Sequence[Run], presentations: Presentations) -> Section | None:
    """Return config.json of each run as tables, folded away."""
    del presentations
    tables = []
    for run, label in zip(runs, summary.labels(runs), strict=True):
        for part, title in _TITLES.items():
            entries = run.config.get(part)
            if isinstance(entries, Mapping) and entries:
                tables.append(_config_table(entries, title, label if len(runs) > 1 else ""))
    if not tables:
        return None
    lead = "What config.json holds: with the same settings, data and versions a run repeats."
    return Section("settings", "Settings, versions and device", lead, tables, folded=True)


def _config_table(entries: Mapping[str, Any], title: str, heading: str) -> Table:
    rows = [[setting_label(name), value(entry)] for name, entry in entries.items()]
    return Table([title, "Value"], rows, frozenset({0, 1}), heading=heading)
