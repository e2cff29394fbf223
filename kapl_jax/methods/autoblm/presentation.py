"""What AutoBLM adds to the report."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import Any

from kapl_jax.explain.formulas import draw_structure
from kapl_jax.methods.by_relation import BY_RELATION, by_relation
from kapl_jax.runs.report.formatting import count
from kapl_jax.runs.report.presentation import Presentation, Words
from kapl_jax.runs.shapes import number


def _facts(results: Mapping[str, Any]) -> Sequence[tuple[str, str]]:
    return [("FLOPs per query", count(results.get("flops_per_query")))]


PRESENTATION = Presentation(
    title="AutoBLM",
    paper="Zhang, Yao and Kwok, Bilinear Scoring Function Search for Knowledge Graph Learning, "
    "TPAMI 2022",
    words=Words("structure", "preset"),
    sizes=("entities", "relations"),
    draw=draw_structure,
    facts=_facts,
    sections=(by_relation,),
    shape={"flops_per_query?": number, **BY_RELATION},
)
