"""Graphs of any size, made up, to see what size alone costs: there is nothing to learn."""

from __future__ import annotations

import numpy as np

from kapl_jax.data.knowledge_graph import KnowledgeGraph
from kapl_jax.data.reasoning import ReasoningData

GENERATED = "generated"
_SEED = 0


def generated_graph(
    num_triples: int, num_entities: int, num_relations: int, num_asked: int
) -> ReasoningData:
    """Return a graph of random triples, the same for the same sizes; see `random_triples`.

    Args:
        num_triples: Triples to train on.
        num_entities: N.
        num_relations: R.
        num_asked: Triples of validation, and as many of test.
    """
    total = num_triples + 2 * num_asked
    triples = random_triples(total, num_entities, num_relations, _SEED)
    train, valid, test = np.split(triples, [num_triples, num_triples + num_asked])
    entities, relations = (tuple(map(str, range(count))) for count in (num_entities, num_relations))
    graph = KnowledgeGraph(GENERATED, entities, relations, train[:0], train, valid, test)
    return ReasoningData(GENERATED, graph, None, graph.warnings)


def random_triples(
    num_triples: int, num_entities: int, num_relations: int, seed: int, skew: float = 0.6
) -> np.ndarray:
    """Return int32[num_triples, 3] of which some may be equal.

    The share of the i-th most frequent entity or relation falls with i to the power of `skew`, so
    that the number of entities with more than d edges falls with d to the power of 1 / `skew`.
    Heads, relations and tails are independent.

    Args:
        num_triples: How many.
        num_entities: N.
        num_relations: R.
        seed: Of all that is random.
        skew: From 0, where all are alike, to below 1.
    """
    rng = np.random.default_rng(seed)
    names = rng.permutation(num_entities).astype(np.int32)

    def draw(count: int) -> np.ndarray:
        indices = count * rng.random(num_triples) ** (1 / (1 - skew))
        return np.minimum(indices, count - 1).astype(np.int32)

    return np.stack(
        [names[draw(num_entities)], draw(num_relations), names[draw(num_entities)]], axis=1
    )
