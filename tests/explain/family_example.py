"""Explanations as a model of a family would give them, in names."""

from __future__ import annotations

import dataclasses
import itertools

import numpy as np

from kapl_jax.explain.attention import AttentionTrace, GraphNames, LayerAttention
from kapl_jax.explain.query_explanation import QueryExplanation
from kapl_jax.explain.reasoning import (
    AnswerExplanation,
    FittingRule,
    NamedEdge,
    NamedPath,
    NamedQuery,
    explain_answer,
)

NAMES = GraphNames(["ann", "bea", "carl", "dora $x$ & <b>"], ["sister", "father", "aunt"])
_STAYS = 6


def family_trace() -> AttentionTrace:
    """Return the trace of (ann, aunt, ?): ann -father^-1-> bea -sister-> carl, and around it."""
    first = np.int32([(0, 4, 1), (0, 0, 1), (0, _STAYS, 0), (2, 0, 3)]).T
    second = np.int32([(1, 0, 2), (1, _STAYS, 1), (0, 1, 2)]).T
    third = np.int32([(2, _STAYS, 2), (1, 0, 2), (1, 0, 3)]).T
    layers = (
        LayerAttention(*first, np.float32([0.9, 0.2, 0.5, 1.0])),
        LayerAttention(*second, np.float32([0.8, 0.3, 0.1])),
        LayerAttention(*third, np.float32([0.75, 0.6, 0.9])),
    )
    return AttentionTrace(0, 2, 3, np.float32([0, 1, 2.5, 0]), layers)


def family_explanation() -> QueryExplanation:
    """Return an explanation of carl, one of dora, and bea alone."""
    trace = family_trace()
    carl, dora = (explain_answer(trace, answer, NAMES) for answer in (2, 3))
    rule = FittingRule("aunt(X, Y) <- father(Z1, X), sister(Z1, Y)", 0.25)
    carl = dataclasses.replace(carl, rules=(rule,))
    return QueryExplanation(carl.query, (carl, dora, AnswerExplanation(carl.query, "bea", 1.0)))


def wide_answer(entities: int, steps: int = 3, name: str = "e{}") -> AnswerExplanation:
    """Return an explanation whose columns between query and answer hold many entities."""
    rng = np.random.default_rng(0)
    named = [name.format(index) for index in range(entities)]
    columns = [["query"], *([named] * (steps - 1)), ["answer"]]
    layers = tuple(
        tuple(
            NamedEdge(s, f"r{rng.integers(9)}", t, rng.random())
            for s in here
            for t in there
            if min(len(here), len(there)) == 1 or rng.random() < 0.3 or s == t
        )
        for here, there in itertools.pairwise(columns)
    )
    walk = [("query", layers[0][-1].relation, named[-1])]
    walk += [
        next(
            edge.step
            for edge in layer
            if edge.source == named[-1] and edge.target in (named[-1], "answer")
        )
        for layer in layers[1:]
    ]
    path = NamedPath(steps=tuple(walk), walk=tuple(walk), weight=0.1)
    query = NamedQuery("query", "r")
    return AnswerExplanation(query, "answer", layers=layers, paths=(path,))
