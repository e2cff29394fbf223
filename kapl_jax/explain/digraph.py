"""The relational digraph between a query and an answer: the edges that lie on walks between them.

Zhang and Yao, "Knowledge Graph Reasoning with Relational Digraph" (WWW 2022), section 3: the
digraph is the overlap of all relational paths of L steps, identity steps among them.
"""

from __future__ import annotations

from collections.abc import Sequence

import numpy as np

from kapl_jax.explain.attention import AttentionTrace, LayerAttention


def edges_between(trace: AttentionTrace, answer: int) -> tuple[LayerAttention, ...]:
    """Return of each layer the edges on some walk of exactly L steps from the query to `answer`.

    Takes time linear in the edges. All layers are empty where no walk leads to the answer.
    """
    return _on_walks(trace.layers, trace.query_entity, answer, len(trace.scores))


def strongest_between(
    layers: Sequence[LayerAttention],
    walk: Sequence[tuple[int, int, int]],
    most: int,
    num_entities: int,
    most_parallel: int = 3,
) -> tuple[LayerAttention, ...]:
    """Cut a digraph to at most `most` edges a layer, each still on a walk of what is left.

    Edges are ranked by the strongest walk through them, so that those kept belong together. Of many
    between the same two entities a few say enough.

    Args:
        layers: The digraph as `edges_between` returns it.
        walk: A walk of L steps (source, relation, target) that stays whole; the strongest one.
        most: Largest number of edges of a layer, at least 1.
        num_entities: N.
        most_parallel: Largest number of edges of a layer between the same two entities.
    """
    if not walk:
        return tuple(layers)
    ahead = best_ahead(layers, walk[-1][2], num_entities)
    behind = _full(num_entities, walk[0][0])
    cut = []
    for layer, step, onward in zip(layers, walk, ahead[1:], strict=True):
        logs = log_weights(layer)
        through = behind[layer.sources] + logs + onward[layer.targets]
        # Where many walks are equally strong, the given one is preferred in all layers alike.
        through[_is_step(layer, step)] = np.inf
        order = np.argsort(-through, kind="stable")
        pairs = layer.sources[order].astype(np.int64) * num_entities + layer.targets[order]
        order = order[_earlier_equals(pairs) < most_parallel]
        cut.append(layer.take(np.sort(order[:most])))
        reached = behind[layer.sources] + logs
        behind = np.full(num_entities, -np.inf)
        np.maximum.at(behind, layer.targets, reached)
    return _on_walks(cut, walk[0][0], walk[-1][2], num_entities)


def best_ahead(
    layers: Sequence[LayerAttention], answer: int, num_entities: int
) -> list[np.ndarray]:
    """Return how strong the strongest way from each entity on to the answer is, at each depth.

    Returns:
        L + 1 arrays `float64[N]`: logarithm of the largest product of weights over the layers still
        to come, -inf where no way leads to the answer.
    """
    values = [_full(num_entities, answer)]
    for layer in reversed(layers):
        before = np.full(num_entities, -np.inf)
        np.maximum.at(before, layer.sources, log_weights(layer) + values[0][layer.targets])
        values.insert(0, before)
    return values


def log_weights(layer: LayerAttention) -> np.ndarray:
    """Return the logarithms of a layer's weights, `float64[E]`, -inf where attention is 0."""
    with np.errstate(divide="ignore"):
        return np.log(layer.weights.astype(np.float64))


def _on_walks(
    layers: Sequence[LayerAttention], start: int, end: int, num_entities: int
) -> tuple[LayerAttention, ...]:
    forward = []
    reached = _only(num_entities, start)
    for layer in layers:
        kept = layer.take(reached[layer.sources])
        reached = np.zeros(num_entities, bool)
        reached[kept.targets] = True
        forward.append(kept)
    needed = _only(num_entities, end)
    found: list[LayerAttention] = []
    for layer in reversed(forward):
        kept = layer.take(needed[layer.targets])
        needed = np.zeros(num_entities, bool)
        needed[kept.sources] = True
        found.insert(0, kept)
    return tuple(found)


def _earlier_equals(values: np.ndarray) -> np.ndarray:
    """Return of each value how many before it are equal to it."""
    order = np.argsort(values, kind="stable")
    places = np.arange(len(values))
    first = np.searchsorted(values[order], values[order])
    found = np.empty_like(places)
    found[order] = places - first
    return found


def _only(num_entities: int, entity: int) -> np.ndarray:
    mask = np.zeros(num_entities, bool)
    mask[entity] = True
    return mask


def _full(num_entities: int, entity: int) -> np.ndarray:
    """Return logarithms of 1 at `entity` and of 0 elsewhere."""
    return np.where(_only(num_entities, entity), 0.0, -np.inf)


def _is_step(layer: LayerAttention, step: tuple[int, int, int]) -> np.ndarray:
    source, relation, target = step
    return (layer.sources == source) & (layer.relations == relation) & (layer.targets == target)
