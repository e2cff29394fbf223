"""Small random traces of attention, and all their walks, found the slow way."""

from __future__ import annotations

import numpy as np

from kapl_jax.explain.attention import AttentionTrace, LayerAttention

RELATIONS, ENTITIES = 2, 5
Walk = tuple[tuple[int, int, int], ...]


def random_trace(rng: np.random.Generator, layers: int = 3, edges: int = 14) -> AttentionTrace:
    """Return a trace with self-loops, edges out of reach and, perhaps, repeats.

    All layers draw their edges from the same few, so that paths differ in where they stay. Weights
    are eighths, so that ties and zeros occur.
    """
    ends = rng.integers(0, ENTITIES, (edges // 2, 2))
    relations = rng.integers(0, 2 * RELATIONS, edges // 2)
    stays = np.arange(ENTITIES)
    pool = np.concatenate(
        [
            np.column_stack([ends[:, 0], relations, ends[:, 1]]),
            np.column_stack([stays, np.full(ENTITIES, 2 * RELATIONS), stays]),
        ]
    ).astype(np.int32)
    found = []
    for _ in range(layers):
        triples = rng.choice(pool, edges)
        weights = (rng.integers(0, 9, edges) / 8).astype(np.float32)
        found.append(LayerAttention(*triples.T, weights))
    scores = rng.normal(size=ENTITIES).astype(np.float32)
    return AttentionTrace(int(rng.integers(ENTITIES)), 1, RELATIONS, scores, tuple(found))


def all_walks(
    layers: tuple[LayerAttention, ...], start: int, end: int
) -> list[tuple[Walk, float, tuple[int, ...]]]:
    """Return each walk of one edge per layer: its steps, the product of weights, edges' indices."""
    walks: list[tuple[Walk, float, tuple[int, ...]]] = [((), 1.0, ())]
    for layer in layers:
        longer = []
        for steps, weight, indices in walks:
            here = steps[-1][2] if steps else start
            for index in range(len(layer)):
                source, relation, target = (
                    int(part[index]) for part in (layer.sources, layer.relations, layer.targets)
                )
                if source == here:
                    step = (source, relation, target)
                    onward = weight * float(layer.weights[index])
                    longer.append(((*steps, step), onward, (*indices, index)))
        walks = longer
    return [walk for walk in walks if walk[0][-1][2] == end]
