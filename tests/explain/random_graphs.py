"""Small random graphs, and what rules reach in them, found the slow way."""

from __future__ import annotations

import numpy as np

from kapl_jax.explain.rules import Rule

ENTITIES, RELATIONS = 7, 3


def random_triples(rng: np.random.Generator) -> np.ndarray:
    """Return `int32[T, 3]` with repeats, self-loops, parallel relations and an empty relation."""
    count = int(rng.integers(0, 30))
    ends = rng.integers(0, ENTITIES, (count, 2))
    relations = rng.integers(0, RELATIONS - 1, count)
    triples = np.column_stack([ends[:, 0], relations, ends[:, 1]]).astype(np.int32)
    return np.concatenate([triples, triples[: count // 4]])


def random_rule(rng: np.random.Generator) -> Rule:
    """Return a rule of one to three atoms."""
    body = rng.integers(0, 2 * RELATIONS, int(rng.integers(1, 4)))
    return Rule(int(rng.integers(RELATIONS)), tuple(body.tolist()))


def pairs_of(triples: np.ndarray, relation: int) -> set[tuple[int, int]]:
    """Return the pairs of a relation or an inverse one."""
    forth = {(int(h), int(t)) for h, r, t in triples if r == relation % RELATIONS}
    return forth if relation < RELATIONS else {(t, h) for h, t in forth}


def joined(triples: np.ndarray, body: tuple[int, ...]) -> set[tuple[int, int]]:
    """Return the pairs that a chain of relations joins."""
    found = {(entity, entity) for entity in range(ENTITIES)}
    for relation in body:
        step = pairs_of(triples, relation)
        found = {(x, t) for x, y in found for h, t in step if h == y}
    return found
