"""Kinds of relations, told from the training triples, and metrics by kind.

Patterns are those that scoring functions are compared by (Zhang, Yao, Kwok, TPAMI 2022; AutoSF,
ICDE 2020). A relation gets the first that fits:

- `symmetric`: at least half of its triples (h, r, t) hold reversed, (t, r, h), as well;
- `inverse`: at least half of them hold reversed under one other relation, (t, r', h);
- `antisymmetric`: at most a hundredth of them hold reversed;
- `general`: anything else.

Half, because training triples are a sample: of a relation that is symmetric in all triples, a
reversal is as likely to be missing as any other triple is to be held out. On WN18RR this finds the
four symmetric relations that the papers count.

Cardinalities (Bordes et al., NIPS 2013): a side is N if on average at least 1.5 entities stand on
it for one entity on the other side. 1-N: one head, many tails.
"""

from __future__ import annotations

from dataclasses import dataclass
from typing import Any

import numpy as np

from kapl_jax.evaluation.ranking import rank_measures

PATTERNS = ("symmetric", "inverse", "antisymmetric", "general")
CARDINALITIES = ("1-1", "1-N", "N-1", "N-N")

SYMMETRIC_SHARE = 0.5
INVERSE_SHARE = 0.5
ANTISYMMETRIC_SHARE = 0.01
MANY = 1.5


@dataclass(frozen=True)
class RelationPatterns:
    """The kind of every relation.

    Attributes:
        pattern: One of `PATTERNS` per relation.
        cardinality: One of `CARDINALITIES` per relation.
    """

    pattern: tuple[str, ...]
    cardinality: tuple[str, ...]


def relation_patterns(triples: np.ndarray, num_relations: int) -> RelationPatterns:
    """Tell the kind of every relation.

    Args:
        triples: `int[T, 3]`, the training triples; duplicates do no harm.
        num_relations: R.

    Returns:
        R labels of either sort. A relation without triples is general and N-N, which assumes least.
    """
    distinct = np.unique(np.asarray(triples, np.int64).reshape(-1, 3), axis=0)
    counts = np.bincount(distinct[:, 1], minlength=num_relations)
    own, other = _reversed_shares(distinct, counts)
    pattern = np.select(
        [own >= SYMMETRIC_SHARE, other >= INVERSE_SHARE, own <= ANTISYMMETRIC_SHARE],
        PATTERNS[:3],
        default=PATTERNS[3],
    )
    # An empty relation has an average of 0 / 0, which is not below MANY.
    with np.errstate(invalid="ignore"):
        one_head = counts / _count_distinct(distinct[:, [1, 2]], num_relations) < MANY
        one_tail = counts / _count_distinct(distinct[:, [1, 0]], num_relations) < MANY
    cardinality = np.array(CARDINALITIES)[2 * ~one_head + ~one_tail]
    return RelationPatterns(
        pattern=tuple(np.where(counts > 0, pattern, "general").tolist()),
        cardinality=tuple(cardinality.tolist()),
    )


def metrics_by_relation(
    ranks: np.ndarray, triples: np.ndarray, patterns: RelationPatterns, names: tuple[str, ...]
) -> dict[str, dict[str, Any]]:
    """Average the metrics over the triples of each relation.

    Args:
        ranks: `float[..., 2, Q]`, filtered ranks in the order of `triples`; leading axes (as of
            seeds) are averaged over.
        triples: `int[Q, 3]`.
        patterns: Of all relations.
        names: Of all relations.

    Returns:
        By name: `count`, `pattern`, `cardinality` and the metrics; relations with triples only.
    """
    relation = triples[:, 1]
    metrics = _metrics_by_group(ranks, relation, len(names))
    return {
        names[index]: {
            "count": metrics[index].pop("count"),
            "pattern": patterns.pattern[index],
            "cardinality": patterns.cardinality[index],
            **metrics[index],
        }
        for index in sorted(metrics)
    }


def metrics_by_pattern(
    ranks: np.ndarray, triples: np.ndarray, patterns: RelationPatterns
) -> dict[str, dict[str, Any]]:
    """Average the metrics over the triples of each pattern and of each cardinality.

    Args:
        ranks: `float[..., 2, Q]`, as for `metrics_by_relation`.
        triples: `int[Q, 3]`.
        patterns: Of all relations.

    Returns:
        By label: `count` and the metrics; labels with triples only.
    """
    found = {}
    for labels, of_relation in (
        (PATTERNS, patterns.pattern),
        (CARDINALITIES, patterns.cardinality),
    ):
        label = np.array([labels.index(name) for name in of_relation])[triples[:, 1]]
        metrics = _metrics_by_group(ranks, label, len(labels))
        found.update({labels[index]: metrics[index] for index in sorted(metrics)})
    return found


def _metrics_by_group(
    ranks: np.ndarray, group: np.ndarray, num_groups: int
) -> dict[int, dict[str, Any]]:
    """Average over the triples of each group `int[Q]`; groups without triples are left out."""
    ranks = np.asarray(ranks, np.float64)
    counts = np.bincount(group, minlength=num_groups)
    present = np.flatnonzero(counts)
    found: dict[int, dict[str, Any]] = {int(g): {"count": int(counts[g])} for g in present}
    for name, measure in rank_measures(ranks).items():
        of_triple = measure.reshape(-1, ranks.shape[-1]).mean(axis=0)
        sums = np.bincount(group, weights=of_triple, minlength=num_groups)
        for g in present:
            found[int(g)][name] = float(sums[g] / counts[g])
    return found


def _reversed_shares(distinct: np.ndarray, counts: np.ndarray) -> tuple[np.ndarray, np.ndarray]:
    """Compute which share of each relation's triples holds reversed.

    Args:
        distinct: `int64[T, 3]`, distinct triples.
        counts: `int[R]`, triples of each relation.

    Returns:
        Two `float64[R]`: under the relation itself; under the other relation with the most.
    """
    num_relations = len(counts)
    head, relation, tail = distinct.T
    num_entities = 1 + max(head.max(initial=0), tail.max(initial=0))
    pair, reverse = head * num_entities + tail, tail * num_entities + head
    # Join each triple with all triples that link the same two entities the other way.
    order = np.argsort(pair, kind="stable")
    start = np.searchsorted(pair[order], reverse, side="left")
    matches = np.searchsorted(pair[order], reverse, side="right") - start
    source = np.repeat(np.arange(len(distinct)), matches)
    within = np.arange(len(source)) - np.repeat(np.cumsum(matches) - matches, matches)
    partner = order[start[source] + within]

    joined, number = np.unique(
        relation[source] * num_relations + relation[partner], return_counts=True
    )
    first, second = np.divmod(joined, num_relations)
    share = number / counts[first]
    own, other = np.zeros(num_relations), np.zeros(num_relations)
    same = first == second
    own[first[same]] = share[same]
    np.maximum.at(other, first[~same], share[~same])
    return own, other


def _count_distinct(rows: np.ndarray, num_relations: int) -> np.ndarray:
    """Count for each relation, first of the columns `int[T, 2]`, its distinct second entries."""
    return np.bincount(np.unique(rows, axis=0)[:, 0], minlength=num_relations)
