"""Which operations of the best structure matter."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import Any

from kapl_jax.runs.report import summary
from kapl_jax.runs.report.formatting import number
from kapl_jax.runs.report.metrics import metric_label
from kapl_jax.runs.report.section import Block, Section, Table
from kapl_jax.runs.run_directory import Run


def pruning(runs: Sequence[Run]) -> Section | None:
    """Return for each run what its best structure loses without each operation, and what is left.

    None where no run has pruned its structure.
    """
    blocks: list[Block] = []
    for run, label in zip(runs, summary.labels(runs), strict=True):
        found = (run.results or {}).get("pruning")
        if found:
            heading = label if len(runs) > 1 else ""
            blocks += [_importance(found, run, heading), _chain(found, run)]
    if not blocks:
        return None
    lead = (
        "The structure that was best in the search, without each of its operations, and what is "
        "left after each pass that takes away what is not missed. Of the best of some seeds."
    )
    return Section("pruning", "Which operations matter", lead, blocks)


def _importance(found: Mapping[str, Any], run: Run, heading: str) -> Table:
    label = metric_label(summary.main_metric(run))
    ranked = sorted(found["importance"], key=lambda one: -one["loss_without"])
    rows = [
        [str(one["position"]), one["operation"], f"{one['loss_without']:+.4f}"] for one in ranked
    ]
    header = ["Position", "Operation", f"Worse without it by ({label})"]
    return Table(header, rows, frozenset({0, 1}), heading=heading)


def _chain(found: Mapping[str, Any], run: Run) -> Table:
    metric = summary.main_metric(run)
    rows = [[one["formula"], number(one[metric])] for one in found["chain"]]
    kept = frozenset(
        place for place, one in enumerate(found["chain"]) if one["formula"] == found["formula"]
    )
    caption = (
        "In bold the smallest found that keeps the share of the gain that --keep_gain asks for."
    )
    header = ["What is left", f"Valid {metric_label(metric)}"]
    return Table(header, rows, frozenset({0}), kept, caption)
