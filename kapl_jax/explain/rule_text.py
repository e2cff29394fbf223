"""A table of rules, in lines for the terminal."""

from __future__ import annotations

import itertools
from collections.abc import Mapping
from typing import Any

# What has a few instances by chance is not worth a line.
_SHOWN = 5


def rules_text(rules: Mapping[str, Any], shown: int = _SHOWN) -> str:
    """Return the best rules of each relation, and how well rules answer alone.

    Args:
        rules: `{"mrr": {"rules", "model"}, "table": [...]}` as results.json holds it.
        shown: Most rules of a relation; the ones with the highest confidence.
    """
    lines = [f"{'confidence':>10} {'coverage':>9} {'support':>8}  rule"]
    for _, rows in itertools.groupby(rules["table"], key=lambda row: row["relation"]):
        ordered = sorted(rows, key=lambda row: -row["confidence"])
        for row in ordered[:shown]:
            about = "≈" if row.get("counted", 1.0) < 1 else " "
            lines.append(
                f"{about}{row['confidence']:>9.3f} {row['head_coverage']:>9.3f} "
                f"{row['support']:>8}  {row['rule']}"
            )
        if len(ordered) > shown:
            lines.append(f"{'':>30} and {len(ordered) - shown} more")
    lines.append(f"test MRR of the rules alone  {_figure(rules['mrr'].get('rules'))}")
    lines.append(f"test MRR of the model        {_figure(rules['mrr'].get('model'))}")
    return "\n".join(lines)


def _figure(value: float | None) -> str:
    return "-" if value is None else f"{value:.4f}"
