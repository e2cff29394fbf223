"""From the names of a query to ids, and from scores to named answers, for methods on graphs."""

from __future__ import annotations

import numpy as np

from kapl_jax.data.knowledge_graph import KnowledgeGraph
from kapl_jax.methods.answers import Answer, Answers, OutOfReach, Query, look_up


class GraphAnswers:
    """Reads queries about a knowledge graph and lists the best answers to them."""

    def __init__(self, graph: KnowledgeGraph) -> None:
        """Answer about `graph`."""
        self.graph = graph
        self._entities = {name: index for index, name in enumerate(graph.entities)}
        self._relations = {name: index for index, name in enumerate(graph.relations)}
        self._splits = {
            name: set(map(tuple, split.tolist()))
            for name, split in (
                ("train", graph.training_triples),
                ("valid", graph.valid),
                ("test", graph.test),
            )
        }

    def knows(self, entity: str) -> bool:
        """Tell whether there is an entity of this name."""
        return entity in self._entities

    def entity(self, name: str, source: str) -> int:
        """Return the id of an entity.

        Raises:
            UserError: It is unknown; the message gives the nearest names.
        """
        return look_up(name, self._entities, "entity", source)

    def relation(self, name: str, source: str) -> int:
        """Return the id of a relation.

        Raises:
            UserError: It is unknown; the message gives the nearest names.
        """
        return look_up(name, self._relations, "relation", source)

    def triple(self, query: Query) -> tuple[int, int, int]:
        """Return the ids of a query; 0 stands in for what is asked.

        Raises:
            UserError: A name is unknown.
        """
        relation = self.relation(query.relation, query.source)
        ends = [
            0 if name is None else self.entity(name, query.source)
            for name in (query.head, query.tail)
        ]
        return ends[0], relation, ends[1]

    def best(
        self,
        query: Query,
        triple: tuple[int, int, int],
        scores: np.ndarray,
        top: int,
        reached: np.ndarray | None = None,
    ) -> Answers:
        """Return the `top` best answers to a query.

        Args:
            query: The query.
            triple: Its ids.
            scores: float[N], of all entities as the end that is asked.
            top: How many.
            reached: bool[N], the entities that the model reaches; all others have one score.
        """
        asked = 0 if query.head is None else 2
        scores = scores.astype(np.float64)
        shifted = np.exp(scores - scores.max())
        probabilities = shifted / shifted.sum()
        order = np.argsort(-scores, kind="stable")
        ranks = np.arange(1, len(order) + 1)
        if reached is not None:
            # Of equal scores the reached come first, so that the others stand together.
            order = order[np.lexsort((~reached[order], -scores[order]))]
            listed = reached[order]
            rest = _out_of_reach(scores[order[~listed]], ranks[~listed])
            order, ranks = order[listed], ranks[listed]
        else:
            rest = None
        answers = []
        for entity, rank in zip(order[:top], ranks[:top], strict=True):
            whole = list(triple)
            whole[asked] = int(entity)
            known = [name for name, split in self._splits.items() if tuple(whole) in split]
            answers.append(
                Answer(
                    int(rank),
                    self.graph.entities[entity],
                    float(scores[entity]),
                    float(probabilities[entity]),
                    ", ".join(known),
                )
            )
        return Answers(query, answers, rest)


def _out_of_reach(scores: np.ndarray, ranks: np.ndarray) -> OutOfReach | None:
    if len(ranks) == 0:
        return None
    return OutOfReach(len(ranks), float(scores[0]), float(ranks.mean()))
