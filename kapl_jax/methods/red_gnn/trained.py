"""A finished run's model and the graphs that it can be asked about."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import Any

from kapl_jax.data.knowledge_graph import KnowledgeGraph
from kapl_jax.data.reasoning import ReasoningData
from kapl_jax.explain.attention import GraphNames
from kapl_jax.methods.answers import Query, unknown
from kapl_jax.methods.graph_answers import GraphAnswers
from kapl_jax.methods.models import ModelStore
from kapl_jax.methods.reasoning_data import describe_reasoning_data, load_data
from kapl_jax.methods.red_gnn.reasoner import make_reasoner
from kapl_jax.methods.red_gnn.settings import RedGNNSettings
from kapl_jax.methods.red_gnn.tasks import Tasks, make_tasks
from kapl_jax.methods.trained_on import DataSource, check_trained_on, settings_of
from kapl_jax.relational.graph import RelationalGraph
from kapl_jax.relational.parameters import Parameters
from kapl_jax.runs.run_directory import Run


class AskedGraph:
    """A graph that a model is asked about.

    Attributes:
        graph: The knowledge graph.
        answers: Reads queries about it and names answers.
        reasoner: The model over its known triples.
        names: Of entities and relations, for reasons.
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
    """The best model of a run.

    Attributes:
        data: The graph or pair.
        tasks: What it was trained and tested on.
        graphs: What can be asked about: of an inductive pair the second graph and then the first.
    """

    def __init__(
        self,
        data: ReasoningData,
        tasks: Tasks,
        parameters: Parameters,
        description: Mapping[str, Any],
    ) -> None:
        """Ask about `data` with a model as `ModelStore.load_best` gives it."""
        self.data = data
        self.tasks = tasks
        first = AskedGraph(data.graph, tasks.valid.graph, parameters, description)
        self.graphs: Sequence[AskedGraph] = (first,)
        if data.inductive is not None:
            second = AskedGraph(data.inductive, tasks.test.graph, parameters, description)
            self.graphs = (second, first)

    @classmethod
    def from_run(cls, run: Run, source: DataSource) -> TrainedRedGNN:
        """Load the best model of a run and the graphs that it was trained and tested on.

        Raises:
            UserError: The run is not finished, or the data are not those it was trained on.
        """
        store = ModelStore(Path(run.path) / "checkpoints")
        parameters, description = store.load_best()
        settings = settings_of(run, RedGNNSettings, source)
        data = load_data(settings, run.config)
        check_trained_on(run, describe_reasoning_data(data), "another graph")
        tasks = make_tasks(data, settings.evaluation_batch_size)
        with store.understanding_best():
            return cls(data, tasks, parameters, description)

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
        raise unknown(given, everything, "entity", query.place)
