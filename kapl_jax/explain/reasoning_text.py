"""The reasons of a message-passing model, in lines for the terminal."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

from kapl_jax.explain.reasoning import Explained, path_text, read_explained


def reasoning_text(explanation: Mapping[str, Any]) -> str:
    """Return the answers to a query, with the strongest paths and the rules of those explained.

    Args:
        explanation: `{"query": {"entity", "relation"}, "answers": [...]}`, best first, each as
            `reasoning.read_explained` reads it; "answer" and "score" alone for those that are not
            explained. Their query may be left out.
    """
    query = explanation["query"]
    answers = read_explained([{"query": query, **entry} for entry in explanation["answers"]])
    lines = [f"{query['entity']} -{query['relation']}-> ?"]
    width = max((len(one.answer) for one in answers), default=0)
    for place, one in enumerate(answers, start=1):
        if one.layers and not one.is_reached:
            lines.append(f"   -  {one.answer:{width}}  out of reach")
            continue
        score = "" if one.score is None else f"  {one.score:10.4f}"
        lines.append(f"{one.rank or place:4}. {one.answer:{width}}{score}".rstrip())
    for one in answers:
        lines += _reasons(one)
    return "\n".join(lines)


def _reasons(one: Explained) -> list[str]:
    if not one.layers and not one.paths:
        return []
    if not one.paths:
        return [f"{one.answer} is not reached from {one.entity} in {len(one.layers)} steps"]
    lines = [f"strongest paths to {one.answer}"]
    lines += [f"  {path_text(one.entity, path)}" for path in one.paths]
    if one.rules:
        lines.append(f"rules that give {one.answer}")
    for rule in one.rules:
        confidence = "" if rule.confidence is None else f"  (confidence {rule.confidence:.2f})"
        lines.append(f"  {rule.rule}{confidence}")
    return lines
