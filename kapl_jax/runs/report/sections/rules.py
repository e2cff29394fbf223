"""The Horn rules behind a model's answers, and how well they answer alone."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import Any

from kapl_jax.runs.report import summary
from kapl_jax.runs.report.formatting import count, number
from kapl_jax.runs.report.section import Block, Facts, Formula, Section, Table
from kapl_jax.runs.run_directory import Run

Row = Mapping[str, Any]

_FORMULAS_SHOWN = 5
_ROWS_A_RELATION = 3
_HEADER = (
    *("Relation", "Rule", "Answers", "Weight"),
    *("Support", "Confidence", "Head coverage"),
)


def rules(runs: Sequence[Run]) -> Section | None:
    """Return for each run that holds rules how they do, the heaviest, and all of them.

    It reads `{"mrr": {"rules", "model"}, "table": [row]}`, rows as `explain.rule_measures` makes
    them; either may be missing.
    """
    blocks: list[Block] = []
    for run, label in zip(runs, summary.labels(runs), strict=True):
        entry = (run.results or {}).get("rules") or {}
        blocks += _blocks(entry, f" ({label})" if len(runs) > 1 else "")
    if not blocks:
        return None
    lead = (
        "The strongest paths to the model's answers, read as rules: what holds between X and Y "
        "because other relations lead from one to the other."
    )
    return Section("rules", "Rules", lead, blocks)


def _blocks(entry: Mapping[str, Any], suffix: str) -> list[Block]:
    table: Sequence[Row] = entry.get("table") or []
    blocks: list[Block] = []
    if facts := _facts(entry.get("mrr") or {}, table):
        blocks.append(Facts(facts, f"Rules and model{suffix}"))
    if not table:
        return blocks
    heaviest = sorted(table, key=lambda row: -row["weight"])[:_FORMULAS_SHOWN]
    text = "\n".join(str(row["rule"]) for row in heaviest)
    source = "\n".join(str(row["latex"]) for row in heaviest if row.get("latex"))
    blocks.append(Formula(text, source, f"The heaviest rules{suffix}"))
    best, ranked = _by_relation(table)
    blocks.append(_table(best, f"The heaviest rules of each relation{suffix}", ""))
    if len(ranked) > len(best):
        blocks.append(_table(ranked, "", f"All rules{suffix}, {count(len(ranked))} rows"))
    return blocks


def _facts(mrr: Mapping[str, Any], table: Sequence[Row]) -> list[tuple[str, str]]:
    facts = []
    if mrr:
        facts.append(("Test MRR of the rules alone", number(mrr.get("rules"))))
        facts.append(("Test MRR of the model", number(mrr.get("model"))))
    if table:
        facts.append(("Rules", count(len(table))))
    return facts


def _by_relation(table: Sequence[Row]) -> tuple[list[Row], list[Row]]:
    """Return the heaviest rules of each relation, and all rules, by relation and weight."""
    relations: dict[str, list[Row]] = {}
    for row in sorted(table, key=lambda row: -row["weight"]):
        relations.setdefault(str(row["relation"]), []).append(row)
    best = [row for name in sorted(relations) for row in relations[name][:_ROWS_A_RELATION]]
    return best, [row for name in sorted(relations) for row in relations[name]]


def _table(rows: Sequence[Row], heading: str, fold: str) -> Table:
    cells = []
    for row in rows:
        # Pairs of a rule that joins very many are counted on a sample.
        about = "≈ " if row.get("counted", 1.0) < 1.0 else ""
        cells.append(
            [
                str(row["relation"]),
                str(row["rule"]),
                count(row["answers"]),
                number(row["weight"]),
                about + count(row["support"]),
                about + number(row["confidence"]),
                about + number(row["head_coverage"]),
            ]
        )
    caption = (
        "Answers: test answers with a strongest path of this form; weight: the sum of these paths' "
        "weights. On the graph itself, support: pairs for which body and head hold; confidence: "
        "their share of the pairs for which the body holds; head coverage: their share of the "
        "facts of the relation."
    )
    if any(row.get("counted", 1.0) < 1.0 for row in rows):
        caption += " ≈: counted on a sample of X, as the rule joins too many pairs."
    return Table(_HEADER, cells, frozenset({0, 1}), caption=caption, fold=fold, heading=heading)
