"""AutoBLM from a graph to a run directory: search, tune, train at the end, report."""

from __future__ import annotations

from collections.abc import Sequence
from pathlib import Path
from typing import Any

import jax
import jax.numpy as jnp
import numpy as np

from kapl_jax.bilinear.presets import preset, preset_names
from kapl_jax.data.knowledge_graph import KnowledgeGraph
from kapl_jax.data.registry import GRAPHS
from kapl_jax.evaluation.ranking import METRIC_NAMES, in_query_order, rank_metrics
from kapl_jax.methods.autoblm.problem import AutoBLMProblem, GraphData, TrainingOptions
from kapl_jax.methods.autoblm.results import make_results
from kapl_jax.methods.autoblm.settings import AutoBLMSettings
from kapl_jax.methods.autoblm.space import StructureSpace
from kapl_jax.methods.contenders import Contender, Outcomes
from kapl_jax.methods.graphs import describe_graph, load_graph
from kapl_jax.methods.pipeline import SearchPipeline, run_pipeline
from kapl_jax.runs.run_directory import RunDirectory
from kapl_jax.search.population import Chunk, PopulationTrainer
from kapl_jax.search.stage import Finish


def run_autoblm(settings: AutoBLMSettings) -> Path | None:
    """Run AutoBLM, or continue its run, and return where the report is (or None).

    Raises:
        UserError: The data or the run directory cannot be used.
    """
    graph = load_graph(settings)
    return run_pipeline(
        "autoblm",
        settings,
        GRAPHS,
        describe_graph(graph),
        graph.warnings,
        lambda record: AutoBLMPipeline(settings, graph, record),
    )


class AutoBLMPipeline(SearchPipeline[AutoBLMSettings]):
    """The stages of one AutoBLM run on a graph."""

    method = "autoblm"

    def __init__(
        self, settings: AutoBLMSettings, graph: KnowledgeGraph, record: RunDirectory
    ) -> None:
        """Prepare a run on `graph`."""
        space = StructureSpace(settings.num_blocks)
        super().__init__(settings, record, space, graph.name)
        self._structures = space
        self.graph = graph

    def make_problem(self, options: TrainingOptions) -> AutoBLMProblem:
        """Return the problem of training on the graph; see `SearchPipeline`."""
        return AutoBLMProblem(self.graph, options)

    def given_structures(self) -> dict[str, np.ndarray]:
        """Return the structures of --structure; see `SearchPipeline`."""
        given = self.settings.given_structures()
        return {name: np.array(structure, np.int8) for name, structure in given.items()}

    def preset_structures(self) -> dict[str, np.ndarray]:
        """Return the presets of --presets; see `SearchPipeline`."""
        return self._named(self.settings.preset_names())

    def first_structures(self, rng: np.random.Generator, count: int) -> np.ndarray:
        """Return what evolution starts from: as published the structures of K blocks.

        With --warm_start the presets come first.
        """
        seeds = self._structures.seeds(rng, count)
        if not self.settings.warm_start:
            return seeds
        known = np.stack(list(self._named(preset_names(self.settings.num_blocks)).values()))
        return np.concatenate([known, seeds])[:count]

    def finish(self, trainer: PopulationTrainer[AutoBLMProblem]) -> Finish:
        """Return the test of a chunk by filtered ranks; see `SearchPipeline`."""
        problem = trainer.problem

        def test_ranks(state: Any, candidate: jax.Array, data: GraphData) -> jax.Array:
            return problem.ranks(state.parameters, candidate, data.test)[0]

        def finish(chunk: Chunk) -> list[dict[str, Any]]:
            ranks = trainer.apply(chunk, test_ranks)
            ordered = np.stack([in_query_order(problem.data.test, one) for one in ranks])
            parameters = trainer.fetch(chunk).parameters
            self.store.save(chunk.individuals, parameters, test_ranks=ordered)
            metrics = [rank_metrics(jnp.asarray(one), jnp.ones(one.shape[1])) for one in ordered]
            return [{"test": {name: float(one[name]) for name in METRIC_NAMES}} for one in metrics]

        return finish

    def results(self, contenders: Sequence[Contender], outcomes: Outcomes) -> dict[str, Any]:
        """Return what AutoBLM reports; see `SearchPipeline`."""
        options = self.settings.final_options()
        return make_results(self.graph, options, contenders, outcomes, self.store)

    def _named(self, names: Sequence[str]) -> dict[str, np.ndarray]:
        return {name: preset(name, self.settings.num_blocks) for name in names}
