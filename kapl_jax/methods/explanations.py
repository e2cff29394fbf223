"""Explaining answers on graphs: the contract of the methods that do."""

from __future__ import annotations

from typing import Any, Protocol

from kapl_jax.methods.answers import Query


class Explainer(Protocol):
    """A trained model that tells the reasons of its answers."""

    def explain(self, query: Query, answer: str | None, top: int) -> dict[str, Any]:
        """Return why an answer, by default each of the `top` best, is given."""
        ...

    def rules(self, most_queries: int) -> dict[str, Any]:
        """Return the rules that its paths to `most_queries` right answers are instances of."""
        ...
