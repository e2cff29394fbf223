"""Several runs beside each other."""

from __future__ import annotations

from collections.abc import Sequence

from kapl_jax.runs.report.comparison import columns, compare, text_columns
from kapl_jax.runs.report.section import Section, Table
from kapl_jax.runs.run_directory import Run

# Columns left to the next section, so that the table fits a screen.
_IN_HEADLINE = frozenset({"Method", "Seeds", "Parameters", "Time", "Device", "Best"})


def overview(runs: Sequence[Run]) -> Section | None:
    """Return the table of `experiments.compare`; None for a single run."""
    if len(runs) < 2:
        return None
    titles, cells = columns(compare(runs))
    kept = [place for place, title in enumerate(titles) if title not in _IN_HEADLINE]
    header = [titles[place] for place in kept]
    table = Table(
        header,
        [[row[place] for place in kept] for row in cells],
        text_columns(header),
        caption="Ordered by dataset, then by validation. Mean ± standard deviation over seeds.",
    )
    return Section("runs", "Runs", "What each run found, side by side.", [table])
