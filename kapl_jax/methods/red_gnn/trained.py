"""A trained model and the graphs that it can be asked about."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import Any

from kapl_jax.data.knowledge_graph import KnowledgeGraph
from kapl_jax.explain.attention import GraphNames
from kapl_jax.methods.answers import Query, unknown
from kapl_jax.methods.graph_answers import GraphAnswers
from kapl_jax.methods.red_gnn.reasoner import make_reasoner
from kapl_jax.methods.red_gnn.tasks import Tasks
from kapl_jax.methods.trained import TrainedModel
from kapl_jax.relational.graph import RelationalGraph
from kapl_jax.relational.parameters import Parameters


class AskedGraph:
    """A graph that a model is asked about.

    Attributes:
        graph: The knowledge graph.
        answers: Reads queries about it and names answers.
        reasoner: The model over its known triples.
        names: Of entities and relations, for explanations.
    """

    def __init__(
        self,
        graph: KnowledgeGraph,
        edges: RelationalGraph,
        parameters: Parameters,
        description: Mapping[str, Any],
    ) -> None:
        """Ask about `graph`, of which `edges` are known."""
        self.graph = graph
        self.answers = GraphAnswers(graph)
        self.reasoner = make_reasoner(parameters, description, edges)
        self.names = GraphNames(graph.entities, graph.relations)


class TrainedRedGNN:
    """A trained model over the graphs of its data.

    Attributes:
        tasks: What it was trained and tested on.
        graphs: What can be asked about: of an inductive pair the second graph and then the first.
        test_mrr: MRR of the model in test, None where it is not known.
    """

    def __init__(self, model: TrainedModel) -> None:
        """Ask a trained model."""
        self.tasks: Tasks = model.data
        self.test_mrr = model.test.get("mrr")
        data, settings = self.tasks.source, model.settings
        limits = {"top_k": settings.top_k, "most_edges": settings.most_edges}
        described = (model.variables["params"], {**model.record, **limits})
        first = AskedGraph(data.graph, self.tasks.valid.graph, *described)
        self.graphs: Sequence[AskedGraph] = (first,)
        if data.inductive is not None:
            second = AskedGraph(data.inductive, self.tasks.test.graph, *described)
            self.graphs = (second, first)

    def graph_of(self, query: Query) -> AskedGraph:
        """Return the graph that has the query's entity.

        Raises:
            UserError: None has; the message gives the nearest names.
        """
        given = str(query.head if query.head is not None else query.tail)
        for asked in self.graphs:
            if asked.answers.knows(given):
                return asked
        everything = [name for asked in self.graphs for name in asked.graph.entities]
        raise unknown(given, everything, "entity", query.source)
