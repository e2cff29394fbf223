"""The hyperparameters that tuning chose."""

from __future__ import annotations

from collections.abc import Sequence

from kapl_jax.runs.report import summary
from kapl_jax.runs.report.formatting import setting_label, value
from kapl_jax.runs.report.models import final_models
from kapl_jax.runs.report.section import Section, Table
from kapl_jax.runs.run_directory import Run


def hyperparameters(runs: Sequence[Run]) -> Section | None:
    """Return a table per finished run: its models and what they were trained with."""
    tables = []
    for run, label in zip(runs, summary.labels(runs), strict=True):
        if table := _table(run, label if len(runs) > 1 else ""):
            tables.append(table)
    if not tables:
        return None
    lead = "What each model of the final stage was trained with, as chosen in validation."
    return Section("hyperparameters", "Hyperparameters chosen", lead, tables)


def _table(run: Run, heading: str) -> Table | None:
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
