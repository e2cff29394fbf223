"""From the names of a query to ids, and from scores to named answers, for methods on graphs."""

from __future__ import annotations

import numpy as np

from kapl_jax.data.knowledge_graph import KnowledgeGraph
from kapl_jax.methods.answers import Answer, Query, look_up


class GraphAnswers:
    """Reads queries about a knowledge graph and lists the best answers to them."""

    def __init__(self, graph: KnowledgeGraph) -> None:
        """Answer about `graph`."""
        self.graph = graph
        self._entities = {name: place for place, name in enumerate(graph.entities)}
        self._relations = {name: place for place, name in enumerate(graph.relations)}
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

    def entity(self, name: str, place: str) -> int:
        """Return the id of an entity.

        Raises:
            UserError: It is unknown; the message gives the nearest names.
        """
        return look_up(name, self._entities, "entity", place)

    def relation(self, name: str, place: str) -> int:
        """Return the id of a relation.

        Raises:
            UserError: It is unknown; the message gives the nearest names.
        """
        return look_up(name, self._relations, "relation", place)

    def triple(self, query: Query) -> tuple[int, int, int]:
        """Return the ids of a query; 0 stands in for what is asked.

        Raises:
            UserError: A name is unknown.
        """
        relation = self.relation(query.relation, query.place)
        ends = [
            0 if name is None else self.entity(name, query.place)
            for name in (query.head, query.tail)
        ]
        return ends[0], relation, ends[1]

    def best(
        self, query: Query, triple: tuple[int, int, int], scores: np.ndarray, top: int
    ) -> list[Answer]:
        """Return the `top` best answers to a query, best first.

        Args:
            query: The query.
            triple: Its ids.
            scores: float[N], of all entities as the end that is asked.
            top: How many.
        """
        asked = 0 if query.head is None else 2
        scores = scores.astype(np.float64)
        shifted = np.exp(scores - scores.max())
        probabilities = shifted / shifted.sum()
        answers = []
        for entity in np.argsort(-scores, kind="stable")[:top]:
            whole = list(triple)
            whole[asked] = int(entity)
            known = [name for name, split in self._splits.items() if tuple(whole) in split]
            answers.append(
                Answer(
                    self.graph.entities[entity],
                    float(scores[entity]),
                    float(probabilities[entity]),
                    ", ".join(known),
                )
            )
        return answers
