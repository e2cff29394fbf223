"""Why a message-passing model gives an answer, by name: as a run records it and as it is read."""

from __future__ import annotations

import dataclasses
from collections.abc import Mapping, Sequence
from typing import Any

from kapl_jax.explain.attention import STAYS, AttentionTrace, GraphNames
from kapl_jax.explain.digraph import edges_between, strongest_between
from kapl_jax.explain.paths import Step, strongest_paths

NamedStep = tuple[str, str, str]


@dataclasses.dataclass(frozen=True)
class NamedEdge:
    """An edge over which messages went and the attention paid to it."""

    source: str
    relation: str
    target: str
    weight: float


@dataclasses.dataclass(frozen=True)
class NamedPath:
    """A path by name: its steps, its strongest walk of L steps, and how many walks it is."""

    steps: tuple[NamedStep, ...]
    walk: tuple[NamedStep, ...]
    weight: float
    walks: int


@dataclasses.dataclass(frozen=True)
class FittingRule:
    """A rule by which the answer follows; `confidence` is None where it was not counted."""

    rule: str
    confidence: float | None


@dataclasses.dataclass(frozen=True)
class Explained:
    """An answer to a query and its reasons.

    Attributes:
        entity: The query entity.
        relation: The relation asked for, `r^-1` where heads are asked for.
        answer: The answer.
        score: The model's score of it, None where unknown.
        rank: Its place among all entities, None where it is out of reach or nobody looked.
        layers: Edges of each of the L layers on walks to the answer, none where it is out of reach;
            empty where nobody looked.
        left_out: Number of edges of each layer that are on such walks but not in `layers`.
        paths: The strongest paths, best first.
        rules: Rules that the paths are instances of.
    """

    entity: str
    relation: str
    answer: str
    score: float | None
    rank: int | None
    layers: tuple[tuple[NamedEdge, ...], ...]
    left_out: tuple[int, ...]
    paths: tuple[NamedPath, ...]
    rules: tuple[FittingRule, ...]

    @property
    def title(self) -> str:
        """Query and answer on one line: `1027 -aunt-> 23`."""
        return f"{self.entity} -{self.relation}-> {self.answer}"

    @property
    def is_reached(self) -> bool:
        """Whether some walk is known to lead to the answer."""
        return any(self.layers)

    @property
    def is_drawable(self) -> bool:
        """Whether there is a path to draw, whose strongest walk is among the edges."""
        if not self.paths or len(self.paths[0].walk) != len(self.layers):
            return False
        edges = [{(one.source, one.relation, one.target) for one in part} for part in self.layers]
        return all(step in part for step, part in zip(self.paths[0].walk, edges, strict=True))


def explain_answer(
    trace: AttentionTrace,
    answer: int,
    names: GraphNames,
    most_edges: int = 40,
    most_paths: int = 5,
) -> dict[str, Any]:
    """Return the digraph between a query and an answer and its strongest paths, fit for JSON.

    Args:
        trace: What the model did for the query.
        answer: Entity id, any.
        names: Names of entities and relations.
        most_edges: Largest number of edges told of a layer; the strongest path is always whole.
        most_paths: Number of paths.

    Returns:
        `{"query": {"entity", "relation"}, "answer", "score", "rank", "layers": [[{"source",
        "relation", "target", "weight"}]], "left_out": [int], "paths": [{"steps": [[source,
        relation, target]], "walk": the same with identity steps, "weight", "walks"}]}`, entities
        and relations by name.
        Layers are empty and the rank is None where no walk of L steps leads to the answer.
    """
    paths = strongest_paths(trace, answer, most_paths)
    whole = edges_between(trace, answer)
    walk = paths[0].walk if paths else ()
    kept = strongest_between(whole, walk, most_edges, len(trace.scores))

    def named(step: Step) -> list[str]:
        source, relation, target = step
        return [names.entities[source], names.relation(relation), names.entities[target]]

    layers = []
    for layer in kept:
        columns = (layer.sources, layer.relations, layer.targets, layer.weights)
        edges = zip(*(column.tolist() for column in columns), strict=True)
        told = [(*named(step), weight) for *step, weight in edges]  # type: ignore[arg-type]
        keys = ("source", "relation", "target", "weight")
        layers.append([dict(zip(keys, edge, strict=True)) for edge in told])
    return {
        "query": {
            "entity": names.entities[trace.query_entity],
            "relation": names.relation(trace.query_relation),
        },
        "answer": names.entities[answer],
        "score": float(trace.scores[answer]),
        "rank": trace.rank(answer),
        "layers": layers,
        "left_out": [len(all_) - len(some) for all_, some in zip(whole, kept, strict=True)],
        "paths": [
            {
                "steps": [named(step) for step in path.steps],
                "walk": [named(step) for step in path.walk],
                "weight": path.weight,
                "walks": path.walks,
            }
            for path in paths
        ],
    }


def steps_text(entity: str, path: NamedPath) -> str:
    """Return a path from `entity` on one line: `1027 -sister-> 1045 -father-> 23`."""
    steps = "".join(f" -{relation}-> {target}" for _, relation, target in path.steps)
    return f"{entity}{steps or f' {STAYS}'}"


def path_text(entity: str, path: NamedPath) -> str:
    """Return `steps_text` with the path's weight and, if not one, its number of walks."""
    walks = f", {path.walks:,} walks" if path.walks > 1 else ""
    return f"{steps_text(entity, path)} ({path.weight:.2g}{walks})"


def read_explained(entries: Sequence[Mapping[str, Any]] | None) -> list[Explained]:
    """Return what `explain_answer` made, read from JSON; parts but query and answer may miss.

    An entry may also hold `"rules": [{"rule", "confidence"}]`.
    """
    return [_explained(entry) for entry in entries or []]


def _explained(entry: Mapping[str, Any]) -> Explained:
    score = entry.get("score")
    layers = tuple(
        tuple(
            NamedEdge(
                str(edge["source"]), str(edge["relation"]), str(edge["target"]), edge["weight"]
            )
            for edge in layer
        )
        for layer in entry.get("layers") or []
    )
    return Explained(
        entity=str(entry["query"]["entity"]),
        relation=str(entry["query"]["relation"]),
        answer=str(entry["answer"]),
        score=None if score is None else float(score),
        rank=entry.get("rank"),
        layers=layers,
        left_out=tuple(entry.get("left_out") or [0] * len(layers)),
        paths=tuple(_path(path) for path in entry.get("paths") or []),
        rules=tuple(
            FittingRule(str(rule["rule"]), rule.get("confidence"))
            for rule in entry.get("rules") or []
        ),
    )


def _path(entry: Mapping[str, Any]) -> NamedPath:
    steps, walk = (
        tuple((str(source), str(relation), str(target)) for source, relation, target in told)
        for told in (entry["steps"], entry.get("walk") or entry["steps"])
    )
    return NamedPath(steps, walk, float(entry["weight"]), int(entry.get("walks", 1)))
