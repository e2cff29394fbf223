"""Why a message-passing model gives an answer, by name: edges, paths and rules that lead to it."""

from __future__ import annotations

import dataclasses

from kapl_jax.explain.attention import STAYS, AttentionTrace, GraphNames, LayerAttention
from kapl_jax.explain.paths import Path, Step, edges_between, strongest_between, strongest_paths
from kapl_jax.json_form import JsonForm

NamedStep = tuple[str, str, str]


@dataclasses.dataclass(frozen=True)
class NamedQuery(JsonForm):
    """A query by name: the entity it starts from, and `r`, or `r^-1` where heads are asked for."""

    entity: str
    relation: str


@dataclasses.dataclass(frozen=True)
class NamedEdge(JsonForm):
    """An edge over which messages went and the attention paid to it."""

    source: str
    relation: str
    target: str
    weight: float

    @property
    def step(self) -> NamedStep:
        """The edge as a step of a walk."""
        return self.source, self.relation, self.target


@dataclasses.dataclass(frozen=True, kw_only=True)
class NamedPath(JsonForm):
    """A path by name.

    Attributes:
        steps: (source, relation, target) of each step, without identity steps.
        walk: The L steps of its strongest walk; those of the path where it is not known.
        weight: Product of attention along that walk.
        walks: Number of walks that are this path.
    """

    steps: tuple[NamedStep, ...]
    walk: tuple[NamedStep, ...] = ()
    weight: float
    walks: int = 1

    @property
    def strongest_walk(self) -> tuple[NamedStep, ...]:
        """Its strongest walk as far as it is known."""
        return self.walk or self.steps

    def arrows(self, entity: str) -> str:
        """Return the path from `entity` on one line: `1027 -sister-> 1045 -father-> 23`."""
        steps = "".join(f" -{relation}-> {target}" for _, relation, target in self.steps)
        return f"{entity}{steps or f' {STAYS}'}"

    def text(self, entity: str) -> str:
        """Return `arrows` with the path's weight and, if not one, its number of walks."""
        walks = f", {self.walks:,} walks" if self.walks > 1 else ""
        return f"{self.arrows(entity)} ({self.weight:.2g}{walks})"


@dataclasses.dataclass(frozen=True)
class FittingRule(JsonForm):
    """A rule by which the answer follows; `confidence` is None where it was not counted."""

    rule: str
    confidence: float | None = None


@dataclasses.dataclass(frozen=True)
class AnswerExplanation(JsonForm):
    """An answer to a query and why it is given.

    Attributes:
        query: The query.
        answer: The answer.
        score: The model's score of it, None where unknown.
        rank: Its rank among all entities, None where it is out of reach or nobody looked.
        layers: Edges of each of the L layers on walks to the answer, none where it is out of reach;
            empty where nobody looked.
        left_out: Number of edges of each layer that are on such walks but not in `layers`.
        paths: The strongest paths, best first.
        rules: Rules that the paths are instances of.
    """

    query: NamedQuery
    answer: str
    score: float | None = None
    rank: int | None = None
    layers: tuple[tuple[NamedEdge, ...], ...] = ()
    left_out: tuple[int, ...] = ()
    paths: tuple[NamedPath, ...] = ()
    rules: tuple[FittingRule, ...] = ()

    @property
    def title(self) -> str:
        """Query and answer on one line: `1027 -aunt-> 23`."""
        return f"{self.query.entity} -{self.query.relation}-> {self.answer}"

    @property
    def is_reached(self) -> bool:
        """Whether some walk is known to lead to the answer."""
        return any(self.layers)

    @property
    def is_drawable(self) -> bool:
        """Whether there is a path to draw, whose strongest walk is among the edges."""
        if not self.paths or len(self.paths[0].strongest_walk) != len(self.layers):
            return False
        edges = [{edge.step for edge in layer} for layer in self.layers]
        return all(
            step in layer for step, layer in zip(self.paths[0].strongest_walk, edges, strict=True)
        )


def explain_answer(
    trace: AttentionTrace,
    answer: int,
    names: GraphNames,
    most_edges: int = 40,
    most_paths: int = 5,
) -> AnswerExplanation:
    """Return the digraph between a query and an answer and its strongest paths, by name.

    Args:
        trace: What the model did for the query.
        answer: Entity id, any.
        names: Names of entities and relations.
        most_edges: Largest number of edges told of a layer; the strongest path is always whole.
        most_paths: Number of paths.

    Returns:
        The explanation, without rules. Layers are empty and the rank is None where no walk of L
        steps leads to the answer.
    """
    paths = strongest_paths(trace, answer, most_paths)
    whole = edges_between(trace, answer)
    walk = paths[0].walk if paths else ()
    kept = strongest_between(whole, walk, most_edges, len(trace.scores))
    return AnswerExplanation(
        query=NamedQuery(names.entities[trace.query_entity], names.relation(trace.query_relation)),
        answer=names.entities[answer],
        score=float(trace.scores[answer]),
        rank=trace.rank(answer),
        layers=tuple(_named_edges(layer, names) for layer in kept),
        left_out=tuple(len(all_) - len(some) for all_, some in zip(whole, kept, strict=True)),
        paths=tuple(_named_path(path, names) for path in paths),
    )


def _named_edges(layer: LayerAttention, names: GraphNames) -> tuple[NamedEdge, ...]:
    columns = (layer.sources, layer.relations, layer.targets, layer.weights)
    edges = zip(*(column.tolist() for column in columns), strict=True)
    return tuple(NamedEdge(*_named(tuple(step), names), weight) for *step, weight in edges)


def _named_path(path: Path, names: GraphNames) -> NamedPath:
    steps, walk = (tuple(_named(one, names) for one in part) for part in (path.steps, path.walk))
    return NamedPath(steps=steps, walk=walk, weight=path.weight, walks=path.walks)


def _named(step: Step, names: GraphNames) -> NamedStep:
    source, relation, target = step
    return names.entities[source], names.relation(relation), names.entities[target]
