"""The explanation of one user's predictions, in words and pictures."""

from __future__ import annotations

import io
from collections.abc import Mapping
from typing import TYPE_CHECKING, Any

from kapl_jax.drawing import any_script, drawable
from kapl_jax.explain.modulation_pictures import influence_figure, phi_figure
from kapl_jax.explain.reasons import read_reasons

if TYPE_CHECKING:
    from matplotlib.figure import Figure

_ITEMS_LISTED = 10


def explanation_text(explanation: Mapping[str, Any]) -> str:
    """Return an explanation of a recommender in lines for the terminal.

    Args:
        explanation: `structure`, `expressions` and `users`, see `explain.reasons.read_reasons`.
    """
    lines = ["how the model is modulated"]
    lines += [f"  {line}" for line in explanation["expressions"] or [explanation["structure"]]]
    for user in read_reasons(explanation):
        if user.phi is not None and user.phi.operations:
            ends = zip(user.phi.norms[0], user.phi.norms[-1], strict=True)
            lines.append(f"size of φ, from no rating to all {user.phi.support_sizes[-1]}")
            lines += [
                f"  {operation} at position {position}: {first:.3f} -> {last:.3f}"
                for operation, position, (first, last) in zip(
                    user.phi.operations, user.phi.positions, ends, strict=True
                )
            ]
        if user.influence is not None:
            found = user.influence
            lines.append(f"what the ratings do to {found.query_item}, predicted")
            lines[-1] += f" {found.prediction:.3f}"
            lines += [
                f"  {one.effect:+.4f}  {one.item}, rated {one.rating:g}"
                for one in found.items[:_ITEMS_LISTED]
            ]
    return "\n".join(lines)


def explanation_pictures(explanation: Mapping[str, Any]) -> dict[str, bytes]:
    """Return the pictures of an explanation as PNG by file name: φ's path, the ratings' weights."""
    pictures = {}
    users = read_reasons(_drawable(explanation))
    paths = {user.user: user.phi for user in users if user.phi is not None and user.phi.projection}
    if paths:
        pictures["phi.png"] = _png(phi_figure(paths))
    weights = {user.user: user.influence for user in users if user.influence is not None}
    if weights:
        pictures["influence.png"] = _png(influence_figure(weights))
    return pictures


def _drawable(value: Any) -> Any:
    """Return JSON with its texts as a picture of dots can show them."""
    if isinstance(value, Mapping):
        return {name: _drawable(entry) for name, entry in value.items()}
    if isinstance(value, list):
        return [_drawable(entry) for entry in value]
    return drawable(value) if isinstance(value, str) else value


def _png(figure: Figure) -> bytes:
    stream = io.BytesIO()
    with any_script(figure):
        figure.savefig(stream, format="png", dpi=150, facecolor="white")
    return stream.getvalue()
