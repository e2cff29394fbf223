"""How well Horn rules hold in a graph: support, confidence and head coverage.

The definitions of AMIE (Galárraga et al., WWW 2013), under the closed world: pairs are distinct
(x, y) whatever stands between them, and variables may stand for the same entity.
"""

from __future__ import annotations

import dataclasses
from collections.abc import Sequence
from typing import Any

import numpy as np

from kapl_jax.explain.attention import GraphNames
from kapl_jax.explain.relation_matrices import RelationMatrices
from kapl_jax.explain.rules import CountedRule, Rule, rule_latex, rule_text

# Edges walked for one rule before its pairs are counted on a sample, and for one block of rows.
_MOST_WORK = 100_000_000
_MOST_AT_ONCE = 10_000_000


@dataclasses.dataclass(frozen=True)
class RuleMeasures:
    """What was counted of a rule.

    Attributes:
        support: Number of pairs (x, y) that satisfy body and head.
        body_pairs: Number of pairs (x, y) that satisfy the body.
        head_facts: Number of facts of the head relation.
        counted: Share of the entities x that pairs were counted for. Below 1 the rule joined too
            many pairs; support and body_pairs are then estimates from a random sample of x.
    """

    support: int
    body_pairs: int
    head_facts: int
    counted: float

    @property
    def confidence(self) -> float:
        """Share of the body's pairs for which the head holds, 0 where there is none."""
        return self.support / self.body_pairs if self.body_pairs else 0.0

    @property
    def head_coverage(self) -> float:
        """Share of the head's facts that the body gives, 0 where there is none."""
        return self.support / self.head_facts if self.head_facts else 0.0


def measure_rule(
    graph: RelationMatrices,
    rule: Rule,
    most_work: int = _MOST_WORK,
    most_at_once: int = _MOST_AT_ONCE,
) -> RuleMeasures:
    """Count the pairs of a rule, by boolean products of sparse matrices over blocks of x.

    Args:
        graph: The facts that count.
        rule: The rule.
        most_work: Bound on the edges walked; where it would be passed, x is sampled.
        most_at_once: Bound on the edges walked, and so on the pairs held, for one block of x; a
            single x can take more, at most the edges of the body's relations.
    """
    head = graph.matrix(rule.head)
    costs = _costs(graph, rule.body)
    starts = np.flatnonzero(costs)
    sampled = _sample(starts, costs[starts], most_work)
    support = pairs = 0
    for block in _blocks(sampled, costs[sampled], most_at_once):
        reached = graph.chain(graph.rows(block), rule.body)
        pairs += reached.nnz
        support += reached.multiply(head[block]).nnz
    counted = len(sampled) / len(starts) if len(starts) else 1.0
    # As many heads satisfy a body as there are facts at most, whatever a sample says.
    estimated = min(round(support / counted), head.nnz)
    return RuleMeasures(estimated, max(round(pairs / counted), estimated), head.nnz, counted)


def rule_table(
    counted: Sequence[CountedRule], measures: Sequence[RuleMeasures], names: GraphNames
) -> list[dict[str, Any]]:
    """Return a row a rule, fit for JSON, in the order given.

    Returns:
        `{"rule", "relation", "latex", "support", "confidence", "head_coverage", "weight",
        "answers", "counted"}` each; "counted" as in `RuleMeasures`.
    """
    return [
        {
            "rule": rule_text(one.rule, names),
            "relation": names.relations[one.rule.head],
            "latex": rule_latex(one.rule, names),
            "support": found.support,
            "confidence": found.confidence,
            "head_coverage": found.head_coverage,
            "weight": one.weight,
            "answers": one.answers,
            "counted": found.counted,
        }
        for one, found in zip(counted, measures, strict=True)
    ]


def _costs(graph: RelationMatrices, body: Sequence[int]) -> np.ndarray:
    """Return a bound on the edges walked from each x, `float64[N]`, 0 where no walk leaves it.

    Step by step at most as many edges are walked as there are walks, and as the relation has.
    """
    matrices = [graph.matrix(relation).astype(np.float64) for relation in body]
    costs = np.zeros(graph.num_entities)
    for length in range(1, len(body) + 1):
        walks = np.ones(graph.num_entities)
        for matrix in reversed(matrices[:length]):
            walks = matrix @ walks
        costs += np.minimum(walks, matrices[length - 1].nnz)
    return costs


def _sample(starts: np.ndarray, costs: np.ndarray, most_work: int) -> np.ndarray:
    """Return all of `starts`, or as many drawn at random as cost about `most_work`, at least 1."""
    total = costs.sum()
    if total <= most_work:
        return starts
    size = max(1, int(len(starts) * most_work / total))
    return np.sort(np.random.default_rng(0).choice(starts, size, replace=False))


def _blocks(starts: np.ndarray, costs: np.ndarray, most_at_once: int) -> list[np.ndarray]:
    """Return `starts` in blocks that cost at most `most_at_once` each, or hold but one."""
    block = np.cumsum(costs) // most_at_once
    return [part for part in np.split(starts, np.flatnonzero(np.diff(block)) + 1) if len(part)]
