"""The attention a message-passing model paid to the edges around one query, and names for them.

Relations 0..R-1 are those of the data, `r + R` is the inverse of `r`, and 2R the identity edge by
which an entity keeps its state for a step.
"""

from __future__ import annotations

import dataclasses
import functools
from collections.abc import Sequence

import numpy as np


@dataclasses.dataclass(frozen=True, eq=False)
class LayerAttention:
    """The edges over which one layer sent messages.

    Attributes:
        sources: Entity ids, `int32[E]`.
        relations: Relation ids in 0..2R, `int32[E]`.
        targets: Entity ids, `int32[E]`.
        weights: Attention in 0..1, `float32[E]`.
    """

    sources: np.ndarray
    relations: np.ndarray
    targets: np.ndarray
    weights: np.ndarray

    def __len__(self) -> int:
        """Return the number of edges."""
        return len(self.sources)

    def take(self, index: np.ndarray) -> LayerAttention:
        """Return the edges that an index or a mask names, in its order."""
        return LayerAttention(
            self.sources[index], self.relations[index], self.targets[index], self.weights[index]
        )


@dataclasses.dataclass(frozen=True, eq=False)
class AttentionTrace:
    """What a model did to answer one query.

    Attributes:
        query_entity: The entity the query starts from.
        query_relation: Its relation in 0..2R-1.
        num_relations: R.
        scores: Score of each entity, `float32[N]`.
        layers: The L layers; layer 0 leaves the query entity. Edges that no message from the query
            entity can have passed do no harm.
    """

    query_entity: int
    query_relation: int
    num_relations: int
    scores: np.ndarray
    layers: tuple[LayerAttention, ...]

    @functools.cached_property
    def reached(self) -> np.ndarray:
        """The entities to which some walk of L steps leads, `bool[N]`."""
        reached = np.zeros(len(self.scores), bool)
        reached[self.query_entity] = True
        for layer in self.layers:
            targets = layer.targets[reached[layer.sources]]
            reached = np.zeros(len(self.scores), bool)
            reached[targets] = True
        return reached

    def best(self, most: int) -> list[int]:
        """Return the entities with the highest scores among those reached, best first."""
        ranked = np.argsort(np.where(self.reached, -self.scores, np.inf), kind="stable")
        return [int(entity) for entity in ranked[: min(most, int(self.reached.sum()))]]

    def rank(self, entity: int) -> int | None:
        """Return the rank of an entity among all, from 1; None where it is out of reach."""
        if not self.reached[entity]:
            return None
        # Of equal scores the reached come first, as in a list of answers.
        ahead = self.scores > self.scores[entity]
        ties = (self.scores == self.scores[entity]) & self.reached
        return 1 + int(ahead.sum()) + int(ties[:entity].sum())


@dataclasses.dataclass(frozen=True)
class GraphNames:
    """Names of entities and of the R relations of the data, by id."""

    entities: Sequence[str]
    relations: Sequence[str]

    def relation(self, relation: int) -> str:
        """Return the name of a relation in 0..2R: `r`, `r^-1` for its inverse, or `stays`."""
        count = len(self.relations)
        if relation < count:
            return self.relations[relation]
        return STAYS if relation == 2 * count else f"{self.relations[relation - count]}^-1"


# Name of the identity relation.
STAYS = "stays"


def inverse(relation: int, num_relations: int) -> int:
    """Return the relation that leads back; the identity, 2R, is its own inverse."""
    if relation == 2 * num_relations:
        return relation
    return relation - num_relations if relation >= num_relations else relation + num_relations


def traces_of(
    heads: np.ndarray,
    relations: np.ndarray,
    num_relations: int,
    scores: np.ndarray,
    layers: Sequence[Sequence[LayerAttention]],
) -> list[AttentionTrace]:
    """Return the trace of each query of a batch.

    Args:
        heads: Query entities, `int[B]`.
        relations: Query relations, `int[B]`.
        num_relations: R.
        scores: Of all entities, `float32[B, N]`.
        layers: Of each layer the edges of each query.
    """
    return [
        AttentionTrace(
            int(head),
            int(relation),
            num_relations,
            scores[index],
            tuple(layer[index] for layer in layers),
        )
        for index, (head, relation) in enumerate(zip(heads, relations, strict=True))
    ]
