"""Everything needed to repeat the run."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import Any

from kapl_jax.runs.report import summary
from kapl_jax.runs.report.formatting import setting_label, value
from kapl_jax.runs.report.section import Section, Table
from kapl_jax.runs.run_directory import Run

_TITLES = {
    "settings": "Setting",
    "dataset": "Dataset",
    "versions": "Version of",
    "device": "Device",
}


def settings(runs: Sequence[Run]) -> Section | None:
    """Return config.json of each run as tables, folded away."""
    tables = []
    for run, label in zip(runs, summary.labels(runs), strict=True):
        for part, title in _TITLES.items():
            entries = run.config.get(part)
            if isinstance(entries, Mapping) and entries:
                tables.append(_table(entries, title, label if len(runs) > 1 else ""))
    if not tables:
        return None
    lead = "What config.json holds: with the same settings, data and versions a run repeats."
    return Section("settings", "Settings, versions and device", lead, tables, folded=True)


def _table(entries: Mapping[str, Any], title: str, heading: str) -> Table:
    rows = [[setting_label(name), value(entry)] for name, entry in entries.items()]
    return Table([title, "Value"], rows, frozenset({0, 1}), heading=heading)
