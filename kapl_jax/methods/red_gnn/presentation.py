"""What RED-GNN adds to the report: the paths to some answers, and the rules that they make."""

from __future__ import annotations

from collections.abc import Mapping, Sequence

from kapl_jax.explain.digraph_pictures import digraph_figure
from kapl_jax.explain.reasoning import AnswerExplanation
from kapl_jax.explain.rules import RuleRanking, RuleRow, RulesExplanation
from kapl_jax.methods.by_relation import BY_RELATION, by_relation
from kapl_jax.runs.report.formatting import count, number
from kapl_jax.runs.report.presentation import Presentation, Words
from kapl_jax.runs.report.section import (
    Block,
    Facts,
    Figure,
    Formula,
    Section,
    Table,
    in_brackets,
)
from kapl_jax.runs.report.svg import to_svg
from kapl_jax.runs.results_shape import METRICS
from kapl_jax.runs.run_directory import Run
from kapl_jax.runs.shapes import Shape
from kapl_jax.runs.shapes import number as is_number

_FORMULAS_SHOWN = 5
_ROWS_A_RELATION = 3
_HEADER = (
    *("Relation", "Rule", "Answers", "Weight"),
    *("Support", "Confidence", "Head coverage"),
)


def paths(runs: Mapping[str, Run]) -> Section | None:
    """Return for each run that explains answers the digraph of each and its strongest paths.

    Answers out of reach are left out.
    """
    blocks: list[Block] = []
    for index, (label, run) in enumerate(runs.items()):
        entries = (run.results or {}).get("paths") or []
        explained = [AnswerExplanation.from_json(entry) for entry in entries]
        for shown, one in enumerate(one for one in explained if one.is_drawable):
            blocks += _path_blocks(one, in_brackets(label), f"paths{index}-{shown}")
    if not blocks:
        return None
    lead = (
        "For a few test queries: the digraph between query and answer, over whose edges the model "
        "sent its messages, and the paths to which it paid most attention."
    )
    return Section("paths", "Paths", lead, blocks)


def _path_blocks(one: AnswerExplanation, suffix: str, name: str) -> list[Block]:
    entity = one.query.entity
    strongest = one.paths[0].text(entity)
    svg = to_svg(digraph_figure(one), name, f"Digraph of {one.title}. Strongest path: {strongest}")
    score = "" if one.score is None else f" The model's score of the answer: {number(one.score)}."
    hidden = sum(one.left_out)
    cut = f" {count(hidden)} weaker edges are left out." if hidden else ""
    caption = (
        "From left to right a column per step. Wider and stronger lines are edges with more "
        f"attention; the band is the strongest path.{score}{cut}"
    )
    rows = [[path.arrows(entity), number(path.weight), count(path.walks)] for path in one.paths]
    note = "Weight: product of attention along the strongest of a path's walks."
    return [
        Figure(svg, caption, f"{one.title}{suffix}"),
        Table(["Path", "Weight", "Walks"], rows, caption=note),
    ]


def rules(runs: Mapping[str, Run]) -> Section | None:
    """Return for each run that holds rules how they do, the heaviest, and all of them."""
    blocks: list[Block] = []
    for label, run in runs.items():
        found = RulesExplanation.from_json((run.results or {}).get("rules") or {})
        blocks += _rule_blocks(found, in_brackets(label))
    if not blocks:
        return None
    lead = (
        "The strongest paths to the model's answers, read as rules: what holds between X and Y "
        "because other relations lead from one to the other."
    )
    return Section("rules", "Rules", lead, blocks)


def _rule_blocks(found: RulesExplanation, suffix: str) -> list[Block]:
    table = found.table
    blocks: list[Block] = []
    if facts := _rule_facts(found):
        blocks.append(Facts(facts, f"Rules and model{suffix}"))
    if not table:
        return blocks
    heaviest = sorted(table, key=lambda row: -row.weight)[:_FORMULAS_SHOWN]
    text = "\n".join(row.rule for row in heaviest)
    source = "\n".join(row.latex for row in heaviest if row.latex)
    blocks.append(Formula(text, source, f"The heaviest rules{suffix}"))
    best, ranked = _by_relation(table)
    blocks.append(_rule_table(best, f"The heaviest rules of each relation{suffix}", ""))
    if len(ranked) > len(best):
        blocks.append(_rule_table(ranked, "", f"All rules{suffix}, {count(len(ranked))} rows"))
    return blocks


def _rule_facts(found: RulesExplanation) -> list[tuple[str, str]]:
    facts = []
    if found.mrr != RuleRanking():
        facts.append(("Test MRR of the rules alone", number(found.mrr.rules)))
        facts.append(("Test MRR of the model", number(found.mrr.model)))
    if found.table:
        facts.append(("Rules", count(len(found.table))))
    return facts


def _by_relation(table: Sequence[RuleRow]) -> tuple[list[RuleRow], list[RuleRow]]:
    """Return the heaviest rules of each relation, and all rules, by relation and weight."""
    relations: dict[str, list[RuleRow]] = {}
    for row in sorted(table, key=lambda row: -row.weight):
        relations.setdefault(row.relation, []).append(row)
    best = [row for name in sorted(relations) for row in relations[name][:_ROWS_A_RELATION]]
    return best, [row for name in sorted(relations) for row in relations[name]]


def _rule_table(rows: Sequence[RuleRow], heading: str, fold: str) -> Table:
    cells = []
    for row in rows:
        # Pairs of a rule that joins very many are counted on a sample.
        about = "≈ " if row.counted < 1.0 else ""
        cells.append(
            [
                row.relation,
                row.rule,
                count(row.answers),
                number(row.weight),
                about + count(row.support),
                about + number(row.confidence),
                about + number(row.head_coverage),
            ]
        )
    caption = (
        "Answers: test answers with a strongest path of this form; weight: the sum of these paths' "
        "weights. On the graph itself, support: pairs for which body and head hold; confidence: "
        "their share of the pairs for which the body holds; head coverage: their share of the "
        "facts of the relation."
    )
    if any(row.counted < 1.0 for row in rows):
        caption += " ≈: counted on a sample of X, as the rule joins too many pairs."
    return Table(_HEADER, cells, frozenset({0, 1}), caption=caption, fold=fold, heading=heading)


_SHAPE: Shape = {
    **BY_RELATION,
    "by_file?": {str: METRICS},
    "reach?": {str: is_number},
    "paths?": [AnswerExplanation],
    "rules?": {"mrr?": RuleRanking, "table?": [RuleRow]},
}

PRESENTATION = Presentation(
    title="RED-GNN",
    paper="Zhang and Yao, Knowledge Graph Reasoning with Relational Digraph, WWW 2022",
    words=Words("structure", "preset"),
    sizes=("entities", "relations"),
    sections=(paths, rules, by_relation),
    shape=_SHAPE,
)
