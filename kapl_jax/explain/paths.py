"""The relational digraph between a query and an answer, and the strongest paths through it.

Zhang and Yao, "Knowledge Graph Reasoning with Relational Digraph" (WWW 2022), section 3: the
digraph is the overlap of all relational paths of L steps, identity steps among them. A walk takes
exactly L steps, some of which may stay where they are; its weight is the product of attention along
it. Walks that are the same once those steps are removed are one path, as strong as the strongest of
them.
"""

from __future__ import annotations

import dataclasses
from collections.abc import Sequence

import numpy as np

from kapl_jax.explain.attention import AttentionTrace, LayerAttention

# Source, relation and target.
Step = tuple[int, int, int]


@dataclasses.dataclass(frozen=True)
class Path:
    """A path from the query entity to the answer.

    Attributes:
        steps: (source, relation, target) of each step, without identity steps; empty where the
            answer is the query entity itself.
        weight: Product of attention along its strongest walk.
        walks: Number of walks that are this path.
        walk: The L steps of its strongest walk, identity steps among them.
    """

    steps: tuple[Step, ...]
    weight: float
    walks: int
    walk: tuple[Step, ...]


def edges_between(trace: AttentionTrace, answer: int) -> tuple[LayerAttention, ...]:
    """Return of each layer the edges on some walk of exactly L steps from the query to `answer`.

    Takes time linear in the edges. All layers are empty where no walk leads to the answer.
    """
    return _on_walks(trace.layers, trace.query_entity, answer, len(trace.scores))


def strongest_between(
    layers: Sequence[LayerAttention],
    walk: Sequence[Step],
    most: int,
    num_entities: int,
    most_parallel: int = 3,
) -> tuple[LayerAttention, ...]:
    """Cut a digraph to at most `most` edges per layer, each still on a walk of what is left.

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
        logs = _log_weights(layer)
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
        np.maximum.at(before, layer.sources, _log_weights(layer) + values[0][layer.targets])
        values.insert(0, before)
    return values


def _log_weights(layer: LayerAttention) -> np.ndarray:
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
    indices = np.arange(len(values))
    first = np.searchsorted(values[order], values[order])
    found = np.empty_like(indices)
    found[order] = indices - first
    return found


def _only(num_entities: int, entity: int) -> np.ndarray:
    mask = np.zeros(num_entities, bool)
    mask[entity] = True
    return mask


def _full(num_entities: int, entity: int) -> np.ndarray:
    """Return logarithms of 1 at `entity` and of 0 elsewhere."""
    return np.where(_only(num_entities, entity), 0.0, -np.inf)


def _is_step(layer: LayerAttention, step: Step) -> np.ndarray:
    source, relation, target = step
    return (layer.sources == source) & (layer.relations == relation) & (layer.targets == target)


def strongest_paths(
    trace: AttentionTrace, answer: int, most: int, beam: int | None = None
) -> list[Path]:
    """Return the strongest paths of a trace to `answer`, best first.

    A beam search over beginnings of paths. They are ranked by their own weight times that of the
    strongest way on to the answer, which is known exactly. Of m paths at most m (L + 1) beginnings
    can be ahead of the m-th path's, so a beam of that size, the default, misses none.

    Args:
        trace: What the model did.
        answer: Entity id.
        most: Number of paths wanted.
        beam: Number of beginnings kept at each step; smaller ones than the default save time and
            may miss paths.

    Returns:
        At most `most` paths; none where no walk of L steps leads to the answer.
    """
    layers = edges_between(trace, answer)
    if not layers or not len(layers[0]):
        return []
    width = most * (len(layers) + 1) if beam is None else beam
    ahead = best_ahead(layers, answer, len(trace.scores))
    search = _Beam(trace, width)
    for depth, layer in enumerate(layers):
        search.extend(layer, ahead[depth + 1])
    counter = _WalkCounter(trace, layers)
    found = []
    for row in np.argsort(-search.logs, kind="stable")[:most]:
        walk = _steps(layers, search.walks[row])
        steps = tuple(step for step in walk if step[1] != 2 * trace.num_relations)
        found.append(Path(steps, float(np.exp(search.logs[row])), counter.count(steps), walk))
    return found


class _Beam:
    """Distinct beginnings of paths, each with its strongest walk so far.

    Attributes:
        paths: Number of each beginning, equal for equal ones at any depth, `int64[n]`.
        logs: Logarithm of the product of attention, `float64[n]`.
        walks: Indices of the edges in their layers, `int64[n, depth]`.
    """

    def __init__(self, trace: AttentionTrace, width: int) -> None:
        self._identity, self._entities = 2 * trace.num_relations, len(trace.scores)
        self._width = width
        # A beginning is known by the shorter one it extends and its last step, in one integer.
        self._keys = [self._identity * self._entities + trace.query_entity]
        self._numbers = {self._keys[0]: 0}
        self.paths = np.zeros(1, np.int64)
        self.ends = np.array([trace.query_entity])
        self.logs = np.zeros(1)
        self.walks = np.zeros((1, 0), np.int64)

    def extend(self, layer: LayerAttention, ahead: np.ndarray) -> None:
        """Take one step over the edges of `layer`; `ahead` ranks what it leads to, `[N]`."""
        rows, edges = _outgoing(layer.sources, self.ends)
        logs = self.logs[rows] + _log_weights(layer)[edges]
        keys = self._step_keys(self.paths[rows], layer.relations[edges], layer.targets[edges])
        # Of equal beginnings only the strongest goes on.
        order = np.lexsort((-logs, keys))
        order = order[np.diff(keys[order], prepend=-1) != 0]
        ranks = logs[order] + ahead[layer.targets[edges[order]]]
        order = order[np.argsort(-ranks, kind="stable")[: self._width]]
        self.paths = np.array([self._number(int(key)) for key in keys[order]])
        self.ends, self.logs = layer.targets[edges[order]], logs[order]
        self.walks = np.column_stack([self.walks[rows[order]], edges[order]])

    def _step_keys(
        self, paths: np.ndarray, relations: np.ndarray, targets: np.ndarray
    ) -> np.ndarray:
        """Return the key of each beginning after a step; a step that stays changes nothing."""
        longer = (paths * (self._identity + 1) + relations) * self._entities + targets
        return np.where(relations == self._identity, np.array(self._keys)[paths], longer)

    def _number(self, key: int) -> int:
        if key not in self._numbers:
            self._numbers[key] = len(self._keys)
            self._keys.append(key)
        return self._numbers[key]


class _WalkCounter:
    """Counts the walks that are a given path, by where among its L steps they stay."""

    def __init__(self, trace: AttentionTrace, layers: tuple[LayerAttention, ...]) -> None:
        self._identity, self._entities = 2 * trace.num_relations, len(trace.scores)
        self._start = trace.query_entity
        self._keys = [
            np.sort(self._edge_keys(layer.sources, layer.relations, layer.targets))
            for layer in layers
        ]

    def count(self, steps: tuple[Step, ...]) -> int:
        """Return the number of walks, of which parallel equal edges make several."""
        indices = np.array([self._start, *(target for _, _, target in steps)])
        stays = self._edge_keys(indices, np.full(len(indices), self._identity), indices)
        moves = self._edge_keys(*np.array(steps, np.int64).reshape(-1, 3).T)
        ways = [1, *[0] * len(steps)]
        for keys in self._keys:
            staying, moving = _times(keys, stays), _times(keys, moves)
            ways = [
                here * stay + (ways[index - 1] * moving[index - 1] if index else 0)
                for index, (here, stay) in enumerate(zip(ways, staying, strict=True))
            ]
        return ways[-1]

    def _edge_keys(
        self, sources: np.ndarray, relations: np.ndarray, targets: np.ndarray
    ) -> np.ndarray:
        first = sources.astype(np.int64) * (self._identity + 1) + relations
        return first * self._entities + targets


def _times(ordered: np.ndarray, keys: np.ndarray) -> list[int]:
    """Return how often each key is among the ordered ones."""
    ends = np.searchsorted(ordered, keys, side="right")
    return [int(times) for times in ends - np.searchsorted(ordered, keys, side="left")]


def _outgoing(sources: np.ndarray, entities: np.ndarray) -> tuple[np.ndarray, np.ndarray]:
    """Return all pairs (row of `entities`, edge that leaves it)."""
    order = np.argsort(sources, kind="stable")
    ordered = sources[order]
    first = np.searchsorted(ordered, entities, side="left")
    counts = np.searchsorted(ordered, entities, side="right") - first
    rows = np.repeat(np.arange(len(entities)), counts)
    within = np.arange(len(rows)) - np.repeat(np.cumsum(counts) - counts, counts)
    return rows, order[np.repeat(first, counts) + within]


def _steps(layers: tuple[LayerAttention, ...], edges: np.ndarray) -> tuple[Step, ...]:
    return tuple(
        (int(layer.sources[edge]), int(layer.relations[edge]), int(layer.targets[edge]))
        for layer, edge in zip(layers, edges, strict=True)
    )
