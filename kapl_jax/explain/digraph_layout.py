"""Where entities, edges and labels of a digraph stand in its picture, so that no label is covered.

First what is shown, a column per step with few crossings; then boxes and curves, in inches.
Matplotlib is imported only when something is measured.
"""

from __future__ import annotations

import dataclasses
from collections.abc import Iterable, Iterator, Sequence

import numpy as np

from kapl_jax.drawing import families, literal, split_drawable
from kapl_jax.explain.attention import STAYS
from kapl_jax.explain.reasoning import AnswerExplanation, NamedEdge, NamedStep

_SWEEPS = 6
Layers = Sequence[Sequence[NamedEdge]]
NODE_POINTS, LABEL_POINTS = 8.0, 7.5
_ROW, _LINE_HEIGHT = 0.48, 0.14
_LINE_SHOWN, _OFF_MIDDLE, _RELATION_SHOWN = 15, 4, 20
# Distance at the middle between edges that join the same two entities.
_BEND = 0.24
# Where along an edge its label may stand, the best positions first.
_PLACES = (0.5, 0.42, 0.58, 0.34, 0.66, 0.26, 0.74, 0.18, 0.82)


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


def lay_out(explained: AnswerExplanation, most_nodes: int = 12) -> DigraphLayout:
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
    walk = explained.paths[0].strongest_walk
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
    height = {name: index - (len(others) - 1) / 2 for index, name in enumerate(others)}
    found: dict[str, list[float]] = {name: [] for name in names}
    for name, other in pairs:
        found[name].append(height[other])
    return sorted(names, key=lambda name: sum(found[name]) / max(len(found[name]), 1))


@dataclasses.dataclass(frozen=True)
class Box:
    """A rectangle around a point."""

    x: float
    y: float
    width: float
    height: float

    def overlaps(self, other: Box) -> bool:
        """Return whether the two share more than a border."""
        near = abs(self.x - other.x) < (self.width + other.width) / 2
        return near and abs(self.y - other.y) < (self.height + other.height) / 2

    def covers(self, points: np.ndarray) -> np.ndarray:
        """Return which of the points `float64[n, 2]` are inside, `bool[n]`."""
        inside: np.ndarray = np.abs(points - (self.x, self.y)) < (self.width / 2, self.height / 2)
        return np.all(inside, axis=1)


@dataclasses.dataclass(frozen=True)
class Line:
    """An edge as it is drawn: its points from left to right `float64[n, 2]`, and what it says."""

    edge: NamedEdge
    points: np.ndarray
    stressed: bool

    @property
    def label(self) -> str:
        """The relation, with the attention where the edge is stressed."""
        name = relation_shown(self.edge.relation)
        return f"{name} {self.edge.weight:.2f}" if self.stressed else name


def node_boxes(
    layout: DigraphLayout, centres: Sequence[float], middle: float
) -> list[dict[str, Box]]:
    """Return where each entity of each column stands; columns are centred on `middle`."""
    return [
        {
            name: Box(
                centre,
                middle + ((len(column) - 1) / 2 - index) * _ROW,
                node_width(name),
                0.1 + _LINE_HEIGHT * len(name_lines(name)),
            )
            for index, name in enumerate(column)
        }
        for column, centre in zip(layout.columns, centres, strict=True)
    ]


def column_height(entities: int) -> float:
    """Return the height of a column."""
    return entities * _ROW


def edge_lines(layout: DigraphLayout, nodes: Sequence[dict[str, Box]]) -> list[Line]:
    """Return the edges as curves; several between two entities bend away from each other.

    The stressed come first, then those with most attention.
    """
    lines = []
    for depth, layer in enumerate(layout.layers):
        beside: dict[tuple[str, str], list[NamedEdge]] = {}
        for edge in layer:
            beside.setdefault((edge.source, edge.target), []).append(edge)
        for (source, target), edges in beside.items():
            for index, edge in enumerate(edges):
                bend = ((len(edges) - 1) / 2 - index) * _BEND
                points = _curve(nodes[depth][source], nodes[depth + 1][target], bend)
                stressed = (source, edge.relation, target) == layout.walk[depth]
                lines.append(Line(edge, points, stressed))
    return sorted(lines, key=lambda line: (not line.stressed, -line.edge.weight))


def place_labels(
    lines: Sequence[Line], nodes: Sequence[dict[str, Box]], alone: frozenset[str]
) -> Iterator[tuple[Line, Box]]:
    """Yield the lines that get a label and where it stands.

    Stressed lines always get one, others where there is room. Of lines of one relation that leave
    or enter an entity together one is enough, unless others share its colour.

    Args:
        lines: The more important first.
        nodes: Boxes that labels must not cover.
        alone: Relations with a colour of their own.
    """
    taken = [box for column in nodes for box in column.values()]
    told: set[tuple[str, float, float]] = set()
    for line in lines:
        (x, y), (u, v) = line.points[[0, -1]].tolist()
        ends = {(line.edge.relation, x, y), (line.edge.relation, u, v)}
        plain = line.edge.relation == STAYS or (line.edge.relation in alone and ends & told)
        if plain and not line.stressed:
            continue
        box = _room(line, taken)
        if box is not None:
            taken.append(box)
            told |= ends
            yield line, box


def node_width(name: str) -> float:
    """Return the width of an entity's box."""
    return max(0.4, max(text_width(line, NODE_POINTS) for line in name_lines(name)) + 0.14)


def text_width(text: str, points: float) -> float:
    """Return the width of a text."""
    from matplotlib.font_manager import FontProperties  # noqa: PLC0415
    from matplotlib.textpath import TextPath  # noqa: PLC0415 - see the module's text

    known, rest = split_drawable(text)
    if not known:
        return rest * points / 72
    fonts = FontProperties(family=families())  # type: ignore[arg-type]
    path = TextPath((0, 0), literal(known), size=points, prop=fonts)
    return (float(path.get_extents().width) + rest * points) / 72


def relation_shown(name: str) -> str:
    """Return a relation as pictures show it, without the path that Freebase puts before it."""
    return _shortened(name.rsplit("/", 1)[-1] or name, _RELATION_SHOWN)


def name_lines(name: str) -> list[str]:
    """Return the name of an entity as pictures show it: on one line or two, cut where too long."""
    if len(name) <= _LINE_SHOWN:
        return [name]
    shown = _shortened(name, 2 * _LINE_SHOWN)
    middle = len(shown) // 2
    ends = [index for index, letter in enumerate(shown, start=1) if letter in " _:/.,-…"]
    near = [index for index in ends if abs(index - middle) <= _OFF_MIDDLE]
    index = min(near, key=lambda end: abs(end - middle), default=middle)
    return [shown[:index], shown[index:]]


def _shortened(name: str, most: int) -> str:
    """Return a name without its middle where it is long: ends tell as much as beginnings."""
    if len(name) <= most:
        return name
    first = most // 2
    return f"{name[:first]}…{name[first + 1 - most :]}"


def _curve(left: Box, right: Box, bend: float) -> np.ndarray:
    """Return points of the cubic Bézier curve from the right side of a box to the left of one."""
    start = np.array([left.x + left.width / 2, left.y])
    end = np.array([right.x - right.width / 2, right.y])
    run, rise = end - start
    lift = bend / 0.75  # The middle of the curve moves by three quarters of its controls.
    first = start + np.array([0.3 * run, 0.2 * rise + lift])
    second = end - np.array([0.3 * run, 0.2 * rise - lift])
    t = np.linspace(0.0, 1.0, 121)[:, None]
    curve: np.ndarray = (
        (1 - t) ** 3 * start + 3 * t * (1 - t) ** 2 * first + 3 * t**2 * (1 - t) * second
    ) + t**3 * end
    return curve


def _room(line: Line, taken: Sequence[Box]) -> Box | None:
    """Return where a label can stand: where it is free, for a stressed line in any case."""
    width = text_width(line.label, LABEL_POINTS) + 0.06
    boxes = []
    for index in _PLACES:
        x, y = line.points[round(index * (len(line.points) - 1))]
        boxes.append(Box(float(x), float(y), width, LABEL_POINTS * 1.3 / 72))
    free = (box for box in boxes if not any(box.overlaps(other) for other in taken))
    return next(free, boxes[0] if line.stressed else None)
