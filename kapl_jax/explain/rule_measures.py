"""Horn rules held against a graph: how well they hold, and what they answer alone.

Support, confidence and head coverage are defined as by AMIE (Galárraga et al., WWW 2013), under
the closed world: pairs are distinct (x, y) whatever stands between them, and variables may stand
for the same entity.
"""

from __future__ import annotations

import dataclasses
import itertools
from collections.abc import Iterator, Sequence

import numpy as np
from scipy import sparse

from kapl_jax.explain.attention import GraphNames
from kapl_jax.explain.rules import (
    CountedRule,
    Rule,
    RuleRow,
    reverse_body,
    rule_latex,
    rule_text,
)

# Edges walked for one rule before its pairs are counted on a sample, and for one block of rows.
_MOST_WORK = 100_000_000
_MOST_AT_ONCE = 10_000_000
# No rule is held to be certain: one that never failed would outdo any number of others.
_MOST_CONFIDENT = 1.0 - 1e-6


class RelationMatrices:
    """The triples of a graph as sparse matrices.

    Attributes:
        num_entities: N.
        num_relations: R.
    """

    def __init__(self, triples: np.ndarray, num_entities: int, num_relations: int) -> None:
        """Take the triples (head, relation, tail) `int32[T, 3]`; repeated ones count once."""
        self.num_entities, self.num_relations = num_entities, num_relations
        rows = np.unique(np.asarray(triples).reshape(-1, 3)[:, [1, 0, 2]], axis=0)
        ends = np.searchsorted(rows[:, 0], np.arange(num_relations + 1))
        self._forth = [
            self._matrix(rows[first:last, 1], rows[first:last, 2])
            for first, last in itertools.pairwise(ends)
        ]
        self._back: dict[int, sparse.csr_array] = {}

    def matrix(self, relation: int) -> sparse.csr_array:
        """Return `bool[N, N]` of a relation in 0..2R-1: which entity leads to which."""
        if relation < self.num_relations:
            return self._forth[relation]
        if relation not in self._back:
            self._back[relation] = self._forth[relation - self.num_relations].T.tocsr()
        return self._back[relation]

    def chain(self, starts: sparse.csr_array, body: Sequence[int]) -> sparse.csr_array:
        """Return `bool[n, N]`, what the chain of relations `body` reaches from `bool[n, N]`."""
        for relation in body:
            starts = starts @ self.matrix(relation)
        return starts

    def rows(self, entities: np.ndarray) -> sparse.csr_array:
        """Return `bool[n, N]` that has in each row one entity of `int[n]`."""
        count = len(entities)
        parts = (np.ones(count, bool), np.asarray(entities), np.arange(count + 1))
        return sparse.csr_array(parts, shape=(count, self.num_entities))

    def _matrix(self, heads: np.ndarray, tails: np.ndarray) -> sparse.csr_array:
        shape = (self.num_entities, self.num_entities)
        return sparse.csr_array((np.ones(len(heads), bool), (heads, tails)), shape=shape)


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


def rule_row(found: CountedRule, measures: RuleMeasures, names: GraphNames) -> RuleRow:
    """Return what was found and counted of a rule, by name."""
    return RuleRow(
        rule=rule_text(found.rule, names),
        relation=names.relations[found.rule.head],
        latex=rule_latex(found.rule, names),
        support=measures.support,
        confidence=measures.confidence,
        head_coverage=measures.head_coverage,
        weight=found.weight,
        answers=found.answers,
        counted=measures.counted,
    )


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
