"""What ColdNAS adds to the report: pruning, both protocols, and explanations of predictions.

The landscape of structures has a file of its own (`landscape_report`).
"""

from __future__ import annotations

import dataclasses
from collections.abc import Mapping, Sequence
from typing import Any

from kapl_jax.explain.modulation import draw_modulation
from kapl_jax.explain.user_explanation import (
    Influence,
    UserExplanation,
    influence_figure,
    phi_figure,
)
from kapl_jax.methods.coldnas.landscape_report import LANDSCAPE, landscape
from kapl_jax.runs.report import summary
from kapl_jax.runs.report.formatting import count, metric_value, number
from kapl_jax.runs.report.metrics import (
    Metrics,
    direction_note,
    metric_label,
    metric_names,
    read_metrics,
)
from kapl_jax.runs.report.models import found_model
from kapl_jax.runs.report.presentation import Presentation, Words
from kapl_jax.runs.report.section import Block, Figure, Section, Table, in_brackets
from kapl_jax.runs.report.svg import to_svg
from kapl_jax.runs.results_shape import METRICS
from kapl_jax.runs.run_directory import Run
from kapl_jax.runs.shapes import Shape, texts
from kapl_jax.runs.shapes import number as is_number

# In the order of the table; "protocols" of the results has for each the metrics of each model.
_PROTOCOLS = {
    "validation": "here, selected on validation users",
    "test": "here, selected on test users",
}


def pruning(runs: Mapping[str, Run]) -> Section | None:
    """Return for each run what its best structure loses without each operation, and what is left.

    None where no run has pruned its structure.
    """
    blocks: list[Block] = []
    for label, run in runs.items():
        found = (run.results or {}).get("pruning")
        if found:
            blocks += [_importance(found, run, label), _chain(found, run)]
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
        index for index, one in enumerate(found["chain"]) if one["formula"] == found["formula"]
    )
    caption = (
        "In bold the smallest found that keeps the share of the gain that --keep_gain asks for."
    )
    header = ["What is left", f"Valid {metric_label(metric)}"]
    return Table(header, rows, frozenset({0}), kept, caption)


@dataclasses.dataclass(frozen=True)
class Line:
    """A model's metrics and where they come from."""

    model: str
    origin: str
    metrics: Metrics


def published(runs: Mapping[str, Run]) -> Section | None:
    """Return for each run that trained under both protocols, or knows published figures, a table.

    It reads `{"source": str, "rows": [{"name", metric: number}], "protocols": {"validation" or
    "test": {model: {metric: number or mean and std}}}}`; any part may be missing.
    """
    tables = []
    for label, run in runs.items():
        entry = (run.results or {}).get("published") or {}
        if lines := _ours(run, entry) + _theirs(entry):
            tables.append(_published_table(run, lines, entry, label))
    if not tables:
        return None
    lead = (
        "All figures are of test users. Those selected on the test users themselves are better "
        "than can be expected of new users; they are here because the published code selects so."
    )
    return Section("published", "Selected on validation and on test users", lead, tables)


def _ours(run: Run, entry: Mapping[str, Any]) -> list[Line]:
    """Return the models of this run, under one protocol after the other."""
    protocols = entry.get("protocols") or {}
    names = dict.fromkeys(name for models in protocols.values() for name in models)
    lines = [
        Line(name, label, summary.metrics(run, (protocols.get(protocol) or {}).get(name)))
        for name in names
        for protocol, label in _PROTOCOLS.items()
    ]
    return [line for line in lines if line.metrics]


def _theirs(entry: Mapping[str, Any]) -> list[Line]:
    rows = entry.get("rows") or []
    lines = [Line(str(row.get("name")), "published", read_metrics(row)) for row in rows]
    return [line for line in lines if line.metrics]


def _published_table(
    run: Run, lines: Sequence[Line], entry: Mapping[str, Any], heading: str
) -> Table:
    found = found_model(run)
    names = metric_names([line.metrics for line in lines])
    rows = [
        [line.model, line.origin, *(metric_value(line.metrics, name) for name in names)]
        for line in lines
    ]
    header = ["Model", "Figures", *(metric_label(name) for name in names)]
    strong = frozenset(
        index
        for index, line in enumerate(lines)
        if found and line.model == found.name and line.origin in _PROTOCOLS.values()
    )
    source = f"Published figures: {entry['source']}." if entry.get("source") else ""
    caption = f"{source} {summary.spread_note([run])} {direction_note(names)}".strip()
    return Table(header, rows, frozenset({0, 1}), strong, caption, heading=heading)


def explanations(runs: Mapping[str, Run]) -> Section | None:
    """Return for each run that explains users its pictures of φ and of influential items."""
    blocks: list[Block] = []
    for index, (label, run) in enumerate(runs.items()):
        entries = ((run.results or {}).get("reasons") or {}).get("users") or []
        users = [UserExplanation.from_json(entry) for entry in entries]
        blocks += _user_blocks(users, in_brackets(label), f"explanations{index}")
    if not blocks:
        return None
    lead = (
        "For a few users: how their modulation parameters φ move as rated items are added, "
        "and which of the items weigh most in a prediction."
    )
    return Section("explanations", "Explanations", lead, blocks)


def _user_blocks(users: Sequence[UserExplanation], suffix: str, name: str) -> list[Block]:
    blocks: list[Block] = []
    if any(user.moves for user in users):
        blocks.append(_phi(users, suffix, f"{name}-phi"))
    if rows := [row for user in users for row in _norm_rows(user)]:
        header = ["User", "Position", "Operation", "Norm of φ, by support items"]
        fold = f"How far φ is from zero{suffix}, {count(len(rows))} rows"
        blocks.append(Table(header, rows, frozenset({0, 2, 3}), fold=fold))
    if any(user.is_influenced for user in users):
        blocks.append(_influence(users, suffix, f"{name}-influence"))
    return blocks


def _phi(users: Sequence[UserExplanation], suffix: str, name: str) -> Figure:
    words = "; ".join(
        f"{one.user} from {count(one.support_sizes[0])} to {count(one.support_sizes[-1])} items"
        for one in users
        if one.moves
    )
    svg = to_svg(phi_figure(users), name, f"How φ moves with the support set. {words}")
    caption = (
        "A path per user, from the fewest items (hollow) to the whole support set; numbers are "
        "support items, and dots grow with them. The plane is that in which φ of all "
        "these users varies most; each axis has a scale of its own."
    )
    return Figure(svg, caption, f"How φ moves with the support set{suffix}")


def _norm_rows(user: UserExplanation) -> list[list[str]]:
    """Return a row for each operation of the structure: its norm at each size."""
    if (phi := user.phi) is None or not phi.norms:
        return []
    by_operation = zip(phi.positions, phi.operations, zip(*phi.norms, strict=True), strict=True)
    return [
        [
            user.user,
            count(position),
            operation,
            " → ".join(
                f"{count(size)}: {norm:.3g}"
                for size, norm in zip(user.support_sizes, norms, strict=True)
            ),
        ]
        for position, operation, norms in by_operation
    ]


def _influence(users: Sequence[UserExplanation], suffix: str, name: str) -> Figure:
    words = "; ".join(
        f"{one.user}, {one.influence.query_item}: {_heaviest(one.influence)}"
        for one in users
        if one.influence is not None and one.influence.items
    )
    svg = to_svg(influence_figure(users), name, f"Items that weigh most. {words}")
    caption = (
        "The prediction for one item per user: with each support item, less what it would be "
        "without it. To the right the item raises the prediction, to the left it lowers it."
    )
    return Figure(svg, caption, f"Support items that weigh most{suffix}")


def _heaviest(influence: Influence) -> str:
    first = max(influence.items, key=lambda one: abs(one.effect))
    return f"{first.item} {first.effect:+.2g}"


def _facts(results: Mapping[str, Any]) -> Sequence[tuple[str, str]]:
    return [
        ("Adapted per user", count(results.get("adapted_per_user"))),
        ("Planted structure", _planted(results.get("planted") or {})),
    ]


def _planted(planted: Mapping[str, Any]) -> str:
    """Return whether the structure that generated the data was found again, empty if unknown."""
    if not planted:
        return ""
    if planted.get("recovered"):
        return "found again"
    differences = [
        f"{word} {', '.join(planted[word])}" for word in ("missing", "added") if planted.get(word)
    ]
    return "; ".join(["not found again", *differences])


_SHAPE: Shape = {
    "adapted_per_user?": is_number,
    "unseen_items?": {str: is_number},
    "planted?": {"formula?": str, "recovered?": bool, "missing?": texts, "added?": texts},
    "pruning?": {
        "formula": str,
        "importance": [{"position": is_number, "operation": str, "loss_without": is_number}],
        "chain": [{"formula": str}],
    },
    "landscape?": LANDSCAPE,
    "published?": {
        "source?": str,
        "rows?": [{"name": str}],
        "protocols?": {str: {str: METRICS}},
    },
    "reasons?": {"users?": [UserExplanation]},
}

PRESENTATION = Presentation(
    title="ColdNAS",
    paper="Wu et al., ColdNAS: Search to Modulate for User Cold-Start Recommendation, WWW 2023",
    words=Words("structure", "preset"),
    sizes=("users", "items"),
    draw=draw_modulation,
    facts=_facts,
    sections=(pruning, published, landscape, explanations),
    shape=_SHAPE,
)
