"""Why the model predicts as it does, for a few users."""

from __future__ import annotations

from collections.abc import Sequence

from kapl_jax.explain.modulation_pictures import influence_figure, phi_figure
from kapl_jax.explain.reasons import Influence, PhiPath, UserReasons, read_reasons
from kapl_jax.runs.report import summary
from kapl_jax.runs.report.formatting import count
from kapl_jax.runs.report.section import Block, Figure, Section, Table
from kapl_jax.runs.report.svg import to_svg
from kapl_jax.runs.run_directory import Run


def reasons(runs: Sequence[Run]) -> Section | None:
    """Return for each run that holds reasons its pictures of φ and of influential items."""
    blocks: list[Block] = []
    for place, (run, label) in enumerate(zip(runs, summary.labels(runs), strict=True)):
        users = read_reasons((run.results or {}).get("reasons"))
        blocks += _blocks(users, f" ({label})" if len(runs) > 1 else "", f"reasons{place}")
    if not blocks:
        return None
    lead = (
        "For a few users: how their modulation parameters φ move as rated items are added, "
        "and which of the items weigh most in a prediction."
    )
    return Section("reasons", "Reasons", lead, blocks)


def _blocks(users: Sequence[UserReasons], suffix: str, name: str) -> list[Block]:
    blocks: list[Block] = []
    paths = {one.user: one.phi for one in users if one.phi is not None}
    if drawn := {user: phi for user, phi in paths.items() if phi.operations and phi.projection}:
        blocks.append(_phi(drawn, suffix, f"{name}-phi"))
    if rows := [row for user, phi in paths.items() for row in _norm_rows(user, phi)]:
        header = ["User", "Position", "Operation", "Norm of φ, by support items"]
        fold = f"How far φ is from zero{suffix}, {count(len(rows))} rows"
        blocks.append(Table(header, rows, frozenset({0, 2, 3}), fold=fold))
    if found := {one.user: one.influence for one in users if one.influence is not None}:
        blocks.append(_influence(found, suffix, f"{name}-influence"))
    return blocks


def _phi(paths: dict[str, PhiPath], suffix: str, name: str) -> Figure:
    words = "; ".join(
        f"{user} from {count(path.support_sizes[0])} to {count(path.support_sizes[-1])} items"
        for user, path in paths.items()
    )
    svg = to_svg(phi_figure(paths), name, f"How φ moves with the support set. {words}")
    caption = (
        "A path a user, from the fewest items (hollow) to the whole support set; numbers are "
        "support items, and dots grow with them. The plane is that in which φ of all "
        "these users varies most; each axis has a scale of its own."
    )
    return Figure(svg, caption, f"How φ moves with the support set{suffix}")


def _norm_rows(user: str, phi: PhiPath) -> list[list[str]]:
    """Return a row for each operation of the structure: its norm at each size."""
    return [
        [
            user,
            count(position),
            operation,
            " → ".join(
                f"{count(size)}: {norms[place]:.3g}"
                for size, norms in zip(phi.support_sizes, phi.norms, strict=False)
            ),
        ]
        for place, (position, operation) in enumerate(
            zip(phi.positions, phi.operations, strict=True)
        )
        if phi.norms
    ]


def _influence(influences: dict[str, Influence], suffix: str, name: str) -> Figure:
    words = "; ".join(
        f"{user}, {one.query_item}: {_heaviest(one)}" for user, one in influences.items()
    )
    svg = to_svg(influence_figure(influences), name, f"Items that weigh most. {words}")
    caption = (
        "The prediction for one item a user: with each support item, less what it would be without "
        "it. To the right the item raises the prediction, to the left it lowers it."
    )
    return Figure(svg, caption, f"Support items that weigh most{suffix}")


def _heaviest(influence: Influence) -> str:
    first = max(influence.items, key=lambda one: abs(one.effect))
    return f"{first.item} {first.effect:+.2g}"
