"""RED-GNN from a graph to a run directory: search, tune, train at the end, explain, report."""

from __future__ import annotations

import dataclasses
from collections.abc import Sequence
from pathlib import Path
from typing import Any

import numpy as np

from kapl_jax.data.reasoning import ReasoningData
from kapl_jax.data.registry import GRAPHS
from kapl_jax.errors import UserError
from kapl_jax.methods.contenders import Contender, Outcomes
from kapl_jax.methods.pipeline import SearchPipeline, run_pipeline
from kapl_jax.methods.reasoning_data import describe_reasoning_data, load_data
from kapl_jax.methods.red_gnn.problem import RedGNNOptions, RedGNNProblem, mean_metrics
from kapl_jax.methods.red_gnn.reasons import RedGNNExplainer, example_reasons
from kapl_jax.methods.red_gnn.results import make_results
from kapl_jax.methods.red_gnn.settings import RedGNNSettings
from kapl_jax.methods.red_gnn.space import narrowed
from kapl_jax.methods.red_gnn.tasks import make_tasks
from kapl_jax.methods.red_gnn.trained import TrainedRedGNN
from kapl_jax.relational.regimes import fits_dense
from kapl_jax.runs.config import config_of
from kapl_jax.runs.run_directory import RunDirectory
from kapl_jax.search.population import Chunk, PopulationTrainer
from kapl_jax.search.stage import Finish
from kapl_jax.search.streaming import StreamedTrainer


def run_red_gnn(settings: RedGNNSettings) -> Path | None:
    """Run RED-GNN, or continue its run, and return where the report is (or None).

    Raises:
        UserError: The data or the run directory cannot be used.
    """
    data = load_data(settings, config_of(settings.workdir))
    return run_pipeline(
        "red_gnn",
        settings,
        GRAPHS,
        describe_reasoning_data(data),
        data.warnings,
        lambda record: RedGNNPipeline(settings, data, record),
    )


class RedGNNPipeline(SearchPipeline[RedGNNSettings]):
    """The stages of one RED-GNN run on a graph or an inductive pair."""

    method = "red_gnn"

    def __init__(self, settings: RedGNNSettings, data: ReasoningData, record: RunDirectory) -> None:
        """Prepare a run on `data`.

        Raises:
            UserError: The dense regime is asked for what it cannot do, or there are too few
                triples to be split.
        """
        self.choices = settings.space()
        super().__init__(settings, record, self.choices, data.name)
        self.data = data
        self.tasks = make_tasks(data, settings.evaluation_batch_size)
        if len(self.tasks.pool) < 2:
            raise UserError(f"{data.name}: found one training triple, expected at least two")
        largest = max(settings.batch_size, settings.evaluation_batch_size)
        sizes = (self.tasks.most_entities, self.tasks.most_edges)
        if settings.regime == "dense" and not fits_dense(
            settings.search_options().offered, self._widest(), largest, *sizes
        ):
            raise UserError(
                f"--regime=dense: batches of {largest} queries on {sizes[0]} entities and "
                f"{sizes[1]} edges are too large; expected --regime=frontier or auto, or smaller "
                "--batch_size and --evaluation_batch_size"
            )

    def _widest(self) -> int:
        return max(
            int(width) for width in self.choices.axes[self.choices.names.index("hidden_dim")]
        )

    def options_of(self, structure: np.ndarray, final: bool) -> RedGNNOptions:
        """Return the options of a structure's depth and width; see `SearchPipeline`.

        Few structures train long at the end: there a program knows their message and aggregation
        only, since others cost several times as much.
        """
        chosen = self.choices.values(structure)
        options = self.settings.options(chosen)
        if not final:
            return options
        return dataclasses.replace(options, offered=narrowed(options.offered, chosen))

    def make_problem(self, options: RedGNNOptions) -> RedGNNProblem:
        """Return the problem of training on the graph; see `SearchPipeline`."""
        return RedGNNProblem(self.tasks, options)

    def make_trainer(self, problem: RedGNNProblem) -> StreamedTrainer[RedGNNProblem]:
        """Return a trainer fed by the host; see `SearchPipeline`."""
        settings = self.settings
        return StreamedTrainer(problem, settings.chunk_size, precision=settings.precision)

    def given_structures(self) -> dict[str, np.ndarray]:
        """Return the structures of --structure; see `SearchPipeline`."""
        given = self.settings.given_structures()
        return {name: self.choices.candidate(one) for name, one in given.items()}

    def preset_structures(self) -> dict[str, np.ndarray]:
        """Return the published structure; see `SearchPipeline`."""
        given = self.settings.preset_structures()
        return {name: self.choices.candidate(one) for name, one in given.items()}

    def first_structures(self, rng: np.random.Generator, count: int) -> np.ndarray:
        """Return what evolution starts from: with --warm_start the published structure first."""
        drawn = self.choices.sample(rng, count)
        if not self.settings.warm_start:
            return drawn
        known = self.choices.candidate(self.settings.published())
        return np.concatenate([known[None], drawn])[:count]

    def finish(self, trainer: PopulationTrainer[RedGNNProblem]) -> Finish:
        """Return the test of a chunk by filtered ranks; see `SearchPipeline`."""
        problem, test = trainer.problem, self.tasks.test

        def finish(chunk: Chunk) -> list[dict[str, Any]]:
            assert isinstance(trainer, StreamedTrainer)
            blocks = problem.asked_blocks(test, "test")
            _, values = trainer.apply_blocks(chunk, problem.evaluate_block, blocks)
            ranks = problem.ranks(test, values)
            parameters = trainer.fetch(chunk).parameters
            self.store.save(chunk.individuals, parameters, test_ranks=ranks)
            metrics = mean_metrics(ranks)
            return [
                {"test": {name: float(values[place]) for name, values in metrics.items()}}
                for place in range(len(ranks))
            ]

        return finish

    def results(self, contenders: Sequence[Contender], outcomes: Outcomes) -> dict[str, Any]:
        """Return what RED-GNN reports; see `SearchPipeline`."""
        results = make_results(
            self.data, self.tasks, self.settings, contenders, outcomes, self.store
        )
        return {**results, **self._reasons(results)}

    def _reasons(self, results: dict[str, Any]) -> dict[str, Any]:
        """Return examples of the best model's reasons, and the rules that they make."""
        settings = self.settings
        if not settings.explained_answers:
            return {}
        parameters, description = self.store.load_best()
        trained = TrainedRedGNN(self.data, self.tasks, parameters, description)
        rules = RedGNNExplainer(trained).rules(settings.explained_answers)
        rules["mrr"]["model"] = results["test"]["mrr"]["mean"]
        return {"paths": example_reasons(trained, settings.example_answers), "rules": rules}
