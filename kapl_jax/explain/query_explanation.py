"""The explanation of the answers to a query on a graph, in words and pictures."""

from __future__ import annotations

import dataclasses
from typing import ClassVar

from kapl_jax.explain.digraph_pictures import digraph_svg
from kapl_jax.explain.reasoning import AnswerExplanation, NamedQuery
from kapl_jax.json_form import JsonForm


@dataclasses.dataclass(frozen=True)
class QueryExplanation(JsonForm):
    """The answers to a query, best first, with the strongest paths and rules (`Explanation`).

    Attributes:
        query: The query.
        answers: The answers; answer and score alone of those that are not explained.
    """

    name: ClassVar[str] = "explanation"
    title: ClassVar[str] = "as JSON"
    query: NamedQuery
    answers: tuple[AnswerExplanation, ...]

    def text(self) -> str:
        """Return the answers, then the paths and rules of each, in lines for the terminal."""
        lines = [f"{self.query.entity} -{self.query.relation}-> ?"]
        width = max((len(one.answer) for one in self.answers), default=0)
        for index, one in enumerate(self.answers, start=1):
            if one.layers and not one.is_reached:
                lines.append(f"   -  {one.answer:{width}}  out of reach")
                continue
            score = "" if one.score is None else f"  {one.score:10.4f}"
            lines.append(f"{one.rank or index:4}. {one.answer:{width}}{score}".rstrip())
        for one in self.answers:
            lines += _lines(one)
        return "\n".join(lines)

    def pictures(self) -> dict[str, bytes]:
        """Return the digraph of each answer that is reached, as SVG by file name."""
        drawn = [one for one in self.answers if one.is_drawable]
        return {
            f"digraph-{index}.svg": digraph_svg(one) for index, one in enumerate(drawn, start=1)
        }


def _lines(one: AnswerExplanation) -> list[str]:
    if not one.layers and not one.paths:
        return []
    entity = one.query.entity
    if not one.paths:
        return [f"{one.answer} is not reached from {entity} in {len(one.layers)} steps"]
    lines = [f"strongest paths to {one.answer}"]
    lines += [f"  {path.text(entity)}" for path in one.paths]
    if one.rules:
        lines.append(f"rules that give {one.answer}")
    for rule in one.rules:
        confidence = "" if rule.confidence is None else f"  (confidence {rule.confidence:.2f})"
        lines.append(f"  {rule.rule}{confidence}")
    return lines
