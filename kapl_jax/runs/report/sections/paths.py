"""The paths by which a model reaches an answer, for a few test queries."""

from __future__ import annotations

from collections.abc import Sequence

from kapl_jax.explain.digraph_pictures import digraph_figure
from kapl_jax.explain.reasoning import Explained, path_text, read_explained, steps_text
from kapl_jax.runs.report import summary
from kapl_jax.runs.report.formatting import count, number
from kapl_jax.runs.report.section import Block, Figure, Section, Table
from kapl_jax.runs.report.svg import to_svg
from kapl_jax.runs.run_directory import Run


def paths(runs: Sequence[Run]) -> Section | None:
    """Return for each run that explains answers the digraph of each and its strongest paths.

    It reads a list of what `explain.reasoning.explain_answer` makes; answers out of reach are left
    out.
    """
    blocks: list[Block] = []
    for place, (run, label) in enumerate(zip(runs, summary.labels(runs), strict=True)):
        explained = read_explained((run.results or {}).get("paths"))
        suffix = f" ({label})" if len(runs) > 1 else ""
        for shown, one in enumerate(one for one in explained if one.is_drawable):
            blocks += _blocks(one, suffix, f"paths{place}-{shown}")
    if not blocks:
        return None
    lead = (
        "For a few test queries: the digraph between query and answer, over whose edges the model "
        "sent its messages, and the paths to which it paid most attention."
    )
    return Section("paths", "Paths", lead, blocks)


def _blocks(one: Explained, suffix: str, name: str) -> list[Block]:
    strongest = path_text(one.entity, one.paths[0])
    svg = to_svg(digraph_figure(one), name, f"Digraph of {one.title}. Strongest path: {strongest}")
    score = "" if one.score is None else f" The model's score of the answer: {number(one.score)}."
    hidden = sum(one.left_out)
    cut = f" {count(hidden)} weaker edges are left out." if hidden else ""
    caption = (
        "From left to right a column a step. Wider and stronger lines are edges with more "
        f"attention; the band is the strongest path.{score}{cut}"
    )
    rows = [
        [steps_text(one.entity, path), number(path.weight), count(path.walks)] for path in one.paths
    ]
    note = "Weight: product of attention along the strongest of a path's walks."
    return [
        Figure(svg, caption, f"{one.title}{suffix}"),
        Table(["Path", "Weight", "Walks"], rows, caption=note),
    ]
