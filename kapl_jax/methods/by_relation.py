"""The section of the report on the best model by relation pattern, cardinality and relation."""

from __future__ import annotations

import math
import re
from collections.abc import Mapping, Sequence
from typing import Any

from kapl_jax.runs.report import figures, summary
from kapl_jax.runs.report.formatting import count, number, setting_label
from kapl_jax.runs.report.metrics import metric_label, read_metrics
from kapl_jax.runs.report.section import Block, Figure, Section, Table, in_brackets
from kapl_jax.runs.report.svg import to_svg
from kapl_jax.runs.run_directory import Run
from kapl_jax.runs.shapes import Shape
from kapl_jax.runs.shapes import number as is_number

Parts = Mapping[str, Mapping[str, Any]]

_PARTS: Shape = {str: {"count?": is_number}}
# What of results.json the section reads.
BY_RELATION: Shape = {"by_relation?": _PARTS, "by_pattern?": _PARTS}

_CARDINALITY = re.compile(r"[1NM]-[1NM]")
# Longer tables are folded away.
_ROWS_SHOWN = 12


def by_relation(runs: Mapping[str, Run]) -> Section | None:
    """Return figures by pattern and cardinality, one per dataset, and the tables behind them."""
    blocks: list[Block] = []
    known = {
        label: run
        for label, run in runs.items()
        if _parts(run, "by_pattern") or _parts(run, "by_relation")
    }
    groups = summary.comparable(list(known.values()))
    for index, (dataset, members) in enumerate(groups.items()):
        suffix = f": {dataset}" if len(groups) > 1 else ""
        blocks += _figures(members, summary.labels(members), suffix, f"relations{index}")
        for label, run in known.items():
            if any(run is member for member in members):
                blocks += _tables(run, in_brackets(label))
    if not blocks:
        return None
    lead = "Where the best model is strong and where it is not: test metrics, mean over seeds."
    return Section("relations", "By relation", lead, blocks)


def _parts(run: Run, name: str) -> Parts:
    return (run.results or {}).get(name) or {}


def _figures(runs: Sequence[Run], names: Sequence[str], suffix: str, name: str) -> list[Block]:
    kinds = list(dict.fromkeys(kind for run in runs for kind in _parts(run, "by_pattern")))
    split = {
        "By pattern": [kind for kind in kinds if not _CARDINALITY.fullmatch(kind)],
        "By cardinality": [kind for kind in kinds if _CARDINALITY.fullmatch(kind)],
    }
    return [
        _figure(runs, names, kinds, f"{heading}{suffix}", f"{name}-{index}")
        for index, (heading, kinds) in enumerate(split.items())
        if kinds
    ]


def _figure(
    runs: Sequence[Run], names: Sequence[str], kinds: Sequence[str], heading: str, name: str
) -> Figure:
    by = summary.main_metric(runs[0])
    groups = [
        figures.Group(label, [_metric(_parts(run, "by_pattern").get(kind), by) for kind in kinds])
        for run, label in zip(runs, names, strict=True)
    ]
    counts = _parts(runs[0], "by_pattern")
    categories = [
        f"{kind} ({count(counts.get(kind, {}).get('count'))})" if kind in counts else kind
        for kind in kinds
    ]
    words = "; ".join(
        f"{kind} {number(value)}" for kind, value in zip(kinds, groups[0].values, strict=True)
    )
    drawn = figures.bars(categories, groups, f"test {metric_label(by)}")
    svg = to_svg(drawn, name, f"{heading}, test {metric_label(by)}: {words}")
    return Figure(svg, "In brackets the number of test triples.", heading)


def _tables(run: Run, suffix: str) -> list[Block]:
    blocks: list[Block] = []
    for part, title in (("by_pattern", "Pattern"), ("by_relation", "Relation")):
        if parts := _parts(run, part):
            blocks.append(_table(parts, title, suffix))
    return blocks


def _table(parts: Parts, title: str, suffix: str) -> Table:
    keys = list(dict.fromkeys(key for entry in parts.values() for key in entry))
    texts = [
        key for key in keys if any(isinstance(entry.get(key), str) for entry in parts.values())
    ]
    numbers = [key for key in keys if key not in texts and key != "count"]
    order = sorted(parts, key=lambda name: -(parts[name].get("count") or 0))
    rows = [
        [
            name,
            *(str(parts[name].get(key) or "–") for key in texts),
            count(parts[name].get("count")),
            *(number(_metric(parts[name], key)) for key in numbers),
        ]
        for name in order
    ]
    header = [title, *(setting_label(key).capitalize() for key in texts), "Test triples"]
    header += [metric_label(key) for key in numbers]
    fold = f"Table by {title.lower()}{suffix}, {len(rows)} rows"
    return Table(
        header,
        rows,
        frozenset(range(len(texts) + 1)),
        fold=fold if len(rows) > _ROWS_SHOWN or suffix else "",
        caption=f"By {title.lower()}, the most frequent first.",
    )


def _metric(entry: Mapping[str, Any] | None, name: str) -> float:
    found = read_metrics({name: (entry or {}).get(name)})
    return found[name].mean if name in found else math.nan
