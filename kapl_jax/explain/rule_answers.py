"""Answers to queries by rules alone."""

from __future__ import annotations

from collections.abc import Iterator, Sequence

import numpy as np
from scipy import sparse

from kapl_jax.explain.relation_matrices import RelationMatrices
from kapl_jax.explain.rules import Rule, reverse_body

# No rule is held to be certain: one that never failed would outdo any number of others.
_MOST_CONFIDENT = 1.0 - 1e-6


def rule_evidence(
    graph: RelationMatrices,
    rules: Sequence[Rule],
    confidences: np.ndarray,
    entities: np.ndarray,
    relations: np.ndarray,
) -> np.ndarray:
    """Return how much the rules speak for each answer to each query, to rank by.

    The evidence for t is the sum over rules that lead from the query entity to t of
    -log(1 - confidence). It orders answers as the noisy or, `1 - exp(-evidence)`, does: each rule
    is a cause of its own, and fails with probability 1 - confidence. Unlike that it does not round
    to 1 where many rules agree.

    Args:
        graph: The facts the rules are applied to.
        rules: M rules.
        confidences: Confidence of each in 0..1, `float[M]`, counted on training facts only.
        entities: Query entities, `int[B]`.
        relations: Query relations in 0..2R-1, `int[B]`; `r + R` asks for heads of r.

    Returns:
        `float32[B, N]`, 0 where no rule leads.
    """
    weights = -np.log1p(-np.minimum(np.asarray(confidences, np.float64), _MOST_CONFIDENT))
    evidence = np.zeros((len(entities), graph.num_entities), np.float32)
    for relation in np.unique(relations):
        rows = np.flatnonzero(relations == relation)
        bodies = _bodies(rules, weights, int(relation), graph.num_relations)
        for weight, reached in _applied(graph, graph.rows(entities[rows]), bodies):
            found = reached.tocoo()
            # Each pair stands in a boolean matrix but once.
            evidence[rows[found.row], found.col] += np.float32(weight)
    return evidence


def noisy_or(evidence: np.ndarray) -> np.ndarray:
    """Return the probabilities `1 - Π (1 - confidence)` that `rule_evidence` stands for."""
    return -np.expm1(-evidence)


def _bodies(
    rules: Sequence[Rule], weights: np.ndarray, relation: int, num_relations: int
) -> list[tuple[tuple[int, ...], float]]:
    """Return chains from query entity to answer with their weights, in lexical order."""
    asks_heads = relation >= num_relations
    head = relation - num_relations if asks_heads else relation
    return sorted(
        (reverse_body(rule.body, num_relations) if asks_heads else rule.body, float(weight))
        for rule, weight in zip(rules, weights, strict=True)
        if rule.head == head
    )


def _applied(
    graph: RelationMatrices,
    starts: sparse.csr_array,
    bodies: Sequence[tuple[tuple[int, ...], float]],
) -> Iterator[tuple[float, sparse.csr_array]]:
    """Yield weight and what is reached of each chain; beginnings in common are walked once."""
    walked: list[int] = []
    reached = [starts]
    for body, weight in bodies:
        common = 0
        while common < min(len(body), len(walked)) and body[common] == walked[common]:
            common += 1
        del walked[common:], reached[common + 1 :]
        for relation in body[common:]:
            walked.append(relation)
            reached.append(graph.chain(reached[-1], [relation]))
        yield weight, reached[-1]
