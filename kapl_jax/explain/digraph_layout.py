"""Where the entities of a digraph stand in its picture: a column a step, few crossings."""

from __future__ import annotations

import dataclasses
from collections.abc import Iterable, Sequence

from kapl_jax.explain.reasoning import Explained, NamedEdge, NamedStep

_SWEEPS = 6
Layers = Sequence[Sequence[NamedEdge]]


@dataclasses.dataclass(frozen=True)
class DigraphLayout:
    """What is shown of a digraph.

    Attributes:
        columns: Entities reached after 0..L steps, each from the top down.
        layers: The edges between one column and the next.
        left_out: For each column the number of its entities that are not shown.
        walk: The walk to stress; its L steps are among the edges.
    """

    columns: tuple[tuple[str, ...], ...]
    layers: tuple[tuple[NamedEdge, ...], ...]
    left_out: tuple[int, ...]
    walk: tuple[NamedStep, ...]


def lay_out(explained: Explained, most_nodes: int = 12) -> DigraphLayout:
    """Return what to show of a digraph that reaches its answer.

    Args:
        explained: With edges and at least one path.
        most_nodes: Largest number of entities in a column. Those with the strongest edges are
            kept, those of the strongest walk in any case, and of edges those on walks still whole.

    Raises:
        ValueError: There is no path to the answer.
    """
    if not explained.is_reached or not explained.paths:
        raise ValueError(f"no path to {explained.answer} to draw")
    walk = explained.paths[0].walk
    before = _columns(explained.layers)
    kept = [
        _strongest(names, explained.layers, depth, _on_walk(walk, depth), most_nodes)
        for depth, names in enumerate(before)
    ]
    layers = _within(explained.layers, kept)
    columns = _ordered(_columns(layers), layers)
    left_out = (len(all_) - len(shown) for all_, shown in zip(before, columns, strict=True))
    return DigraphLayout(columns, layers, tuple(left_out), walk)


def _columns(layers: Layers) -> list[list[str]]:
    """Return the entities of each column in the order in which edges name them."""
    first: list[Iterable[str]] = [(edge.source for edge in layers[0])]
    names = first + [(edge.target for edge in layer) for layer in layers]
    return [list(dict.fromkeys(column)) for column in names]


def _on_walk(walk: Sequence[NamedStep], depth: int) -> str:
    return walk[0][0] if depth == 0 else walk[depth - 1][2]


def _strongest(
    names: Sequence[str], layers: Layers, depth: int, stressed: str, most: int
) -> set[str]:
    strength = {name: 0.0 for name in names}
    for edge in layers[depth - 1] if depth else ():
        strength[edge.target] = max(strength[edge.target], edge.weight)
    for edge in layers[depth] if depth < len(layers) else ():
        strength[edge.source] = max(strength[edge.source], edge.weight)
    ranked = sorted(names, key=lambda name: (name != stressed, -strength[name]))
    return set(ranked[:most])


def _within(layers: Layers, kept: Sequence[set[str]]) -> tuple[tuple[NamedEdge, ...], ...]:
    """Return the edges on walks that stay within what is kept of each column."""
    forward, reached = [], kept[0]
    for layer, allowed in zip(layers, kept[1:], strict=True):
        edges = [edge for edge in layer if edge.source in reached and edge.target in allowed]
        reached = {edge.target for edge in edges}
        forward.append(edges)
    found: list[tuple[NamedEdge, ...]] = []
    for edges in reversed(forward):
        whole = tuple(edge for edge in edges if edge.target in reached)
        reached = {edge.source for edge in whole}
        found.insert(0, whole)
    return tuple(found)


def _ordered(columns: list[list[str]], layers: Layers) -> tuple[tuple[str, ...], ...]:
    """Order each column by where its neighbours stand, to and fro, as Sugiyama et al. (1981)."""
    back = [[(edge.target, edge.source) for edge in layer] for layer in layers]
    forth = [[(edge.source, edge.target) for edge in layer] for layer in layers]
    for _ in range(_SWEEPS):
        for depth in range(1, len(columns)):
            columns[depth] = _by_neighbours(columns[depth], columns[depth - 1], back[depth - 1])
        for depth in reversed(range(len(columns) - 1)):
            columns[depth] = _by_neighbours(columns[depth], columns[depth + 1], forth[depth])
    return tuple(map(tuple, columns))


def _by_neighbours(
    names: list[str], others: Sequence[str], pairs: Sequence[tuple[str, str]]
) -> list[str]:
    """Return `names` by the mean height of their neighbours among `others`."""
    height = {name: place - (len(others) - 1) / 2 for place, name in enumerate(others)}
    found: dict[str, list[float]] = {name: [] for name in names}
    for name, other in pairs:
        found[name].append(height[other])
    return sorted(names, key=lambda name: sum(found[name]) / max(len(found[name]), 1))
