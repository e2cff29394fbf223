"""Several runs beside each other."""

from __future__ import annotations

from collections.abc import Sequence

from kapl_jax.runs.report import summary
from kapl_jax.runs.report.comparison import columns, compare, text_columns
from kapl_jax.runs.report.metrics import MINOR_METRICS, direction_note
from kapl_jax.runs.report.section import Section, Table
from kapl_jax.runs.run_directory import Run

# Columns left to the next section, so that the table fits a screen.
_IN_HEADLINE = frozenset({"Method", "Seeds", "Parameters", "Time", "Device", "Best"})


def overview(runs: Sequence[Run]) -> Section | None:
    """Return the table of `experiments.compare`; None for a single run."""
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
