"""AutoBLM from a graph to a run directory: search, tune, train at the end, report."""

from __future__ import annotations

import contextlib
import dataclasses
import sys
from collections import defaultdict
from collections.abc import Iterator, Mapping, Sequence
from pathlib import Path
from typing import Any

import jax
import jax.numpy as jnp
import numpy as np

from kapl_jax.bilinear.presets import preset, preset_names
from kapl_jax.data.knowledge_graph import KnowledgeGraph, load_knowledge_graph
from kapl_jax.errors import UserError
from kapl_jax.evaluation.ranking import METRIC_NAMES, in_query_order, rank_metrics
from kapl_jax.methods.autoblm.models import ModelStore
from kapl_jax.methods.autoblm.problem import AutoBLMProblem, GraphData, TrainingOptions
from kapl_jax.methods.autoblm.results import Contender, make_results
from kapl_jax.methods.autoblm.settings import AutoBLMSettings
from kapl_jax.methods.autoblm.space import StructureSpace
from kapl_jax.methods.graphs import describe_graph
from kapl_jax.runs.environment import environment
from kapl_jax.runs.program import device_name
from kapl_jax.runs.progress import Progress
from kapl_jax.runs.report import write_report
from kapl_jax.runs.run_directory import RunDirectory, read_run
from kapl_jax.runs.settings import identity
from kapl_jax.search.individual import Individual
from kapl_jax.search.loop import run_search
from kapl_jax.search.population import Chunk, PopulationTrainer
from kapl_jax.search.schedule import Schedule, full_training
from kapl_jax.search.searchers import REGISTRY
from kapl_jax.search.shared_weights import shared_weight_scores
from kapl_jax.search.stage import Finish, Outcome, Stage

# How far tuning goes from the given hyperparameters: factors, drawn log-uniformly.
_LEARNING_RATE_FACTOR = 3.0
_REGULARISATION_FACTOR = 10.0
_SLOWEST_DECAY = 0.98


def run_autoblm(settings: AutoBLMSettings) -> Path:
    """Run AutoBLM, or continue its run, and return where the report is.

    Raises:
        UserError: The data or the run directory cannot be used.
    """
    graph = load_knowledge_graph(settings.dataset, settings.data_dir or None)
    for warning in graph.warnings:
        print(f"warning: {warning}", file=sys.stderr)
    config = {
        "method": "autoblm",
        "settings": identity(settings),
        "dataset": describe_graph(graph),
        **environment(),
    }
    run = RunDirectory.open(settings.workdir, config)
    try:
        if not run.is_finished:
            _Pipeline(settings, graph, run).run()
        ModelStore(run.path / "checkpoints").drop_finalists()
    finally:
        run.close()
    return write_report([read_run(run.path)], run.path / "report")


class _Pipeline:
    """The stages of one run, each recorded, each a population."""

    def __init__(self, settings: AutoBLMSettings, graph: KnowledgeGraph, run: RunDirectory) -> None:
        self.settings = settings
        self.graph = graph
        self.record = run
        self.space = StructureSpace(settings.num_blocks)
        self._trainers: dict[TrainingOptions, PopulationTrainer[AutoBLMProblem]] = {}

    def run(self) -> None:
        """Run all stages and write results.json."""
        contenders = self._searched() + self._presets()
        tuned = self._tune(contenders)
        self._finish(contenders, tuned)

    def _searched(self) -> list[Contender]:
        """Return the structures found, best first, or those given instead of a search."""
        given = self.settings.given_structures()
        if given:
            return [Contender(name, np.array(s, np.int8), True) for name, s in given.items()]
        outcomes = self._search()
        complete = [one for one in outcomes if one.complete and np.isfinite(one.score)]
        if not complete:
            raise UserError(
                f"--learning_rate={self.settings.learning_rate}: all {len(outcomes)} structures "
                "diverged; expected a smaller one"
            )
        best = sorted(complete, key=lambda one: -one.score)[: self.settings.finalists]
        return [
            Contender(f"searched-{place}", one.individual.candidate, True)
            for place, one in enumerate(best, start=1)
        ]

    def _presets(self) -> list[Contender]:
        names = self.settings.preset_names()
        given = self.settings.given_structures()
        return [
            Contender(name, preset(name, self.settings.num_blocks), False)
            for name in names
            if name not in given
        ]

    def _search(self) -> list[Outcome]:
        settings, outcomes = self.settings, list[Outcome]()
        numbers = settings.base_hyperparameters()
        rounds = -(-settings.candidates // settings.round_size)
        schedule = settings.search_schedule()
        cost = rounds * schedule.cost(settings.round_size)
        trainer = self._trainer(settings.search_options())
        searcher = self._searcher(trainer.problem)
        with self._stage("search", trainer, schedule, cost) as stage:

            def train_round(number: int, structures: np.ndarray) -> np.ndarray:
                individuals = [Individual(one, numbers, settings.seed) for one in structures]
                trained = stage.train(number, individuals)
                outcomes.extend(trained)
                return np.array([one.score for one in trained])

            run_search(
                searcher, train_round, settings.candidates, settings.round_size, settings.seed
            )
        return outcomes

    def _searcher(self, problem: AutoBLMProblem) -> Any:
        options: dict[str, dict[str, Any]] = {
            "evolutionary": {"start": self._first_structures},
            "one_shot": {"pool_size": self.settings.one_shot_pool},
        }
        name = self.settings.searcher
        searcher: Any = REGISTRY[name](
            self.space, lambda pool: self._shared_scores(problem, pool), self.settings.seed
        )
        return dataclasses.replace(searcher, **options.get(name, {}))

    def _first_structures(self, rng: np.random.Generator, count: int) -> np.ndarray:
        """Return what evolution starts from: as published the structures of K blocks.

        With --warm_start the presets come first.
        """
        seeds = self.space.seeds(rng, count)
        if not self.settings.warm_start:
            return seeds
        blocks = self.settings.num_blocks
        known = np.stack([preset(name, blocks) for name in preset_names(blocks)])
        return np.concatenate([known, seeds])[:count]

    def _shared_scores(self, problem: AutoBLMProblem, pool: np.ndarray) -> np.ndarray:
        """Score a pool with the supernet's weights; once a run, then from the record."""
        recorded = self.record.recorded("shared_weights")
        if not recorded:
            scores = shared_weight_scores(
                problem,
                pool,
                self.settings.base_hyperparameters(),
                self.settings.one_shot_epochs,
                self.settings.seed,
            )
            self.record.log({"event": "shared_weights", "stage": "search", "scores": scores})
            recorded = self.record.recorded("shared_weights")
        scores = recorded[0]["scores"]
        return np.array([-np.inf if score is None else score for score in scores])

    def _tune(self, contenders: Sequence[Contender]) -> dict[str, dict[str, float]]:
        """Return the best hyperparameters of each contender by validation, all tried alike."""
        settings = self.settings
        samples = sample_hyperparameters(settings)
        if len(samples) == 1:
            return {one.name: samples[0] for one in contenders}
        individuals = [
            Individual(one.structure, numbers, settings.seed, one.name)
            for one in contenders
            for numbers in samples
        ]
        trainer = self._trainer(settings.final_options())
        schedule = full_training(settings.epochs)
        with self._stage("tuning", trainer, schedule, schedule.cost(len(individuals))) as stage:
            outcomes = stage.train(0, individuals)
        best: dict[str, Outcome] = {}
        for outcome in outcomes:
            name = str(outcome.individual.name)
            if name not in best or outcome.score > best[name].score:
                best[name] = outcome
        return {name: dict(one.individual.hyperparameters) for name, one in best.items()}

    def _finish(
        self, contenders: Sequence[Contender], tuned: Mapping[str, dict[str, float]]
    ) -> None:
        """Train all contenders at the final size with all seeds, test them, write results.json."""
        settings = self.settings
        individuals = [
            Individual(one.structure, tuned[one.name], settings.seed + number, one.name)
            for one in contenders
            for number in range(settings.seeds)
        ]
        trainer = self._trainer(settings.final_options())
        store = ModelStore(self.record.path / "checkpoints")
        schedule = full_training(settings.final_epochs)
        cost = schedule.cost(len(individuals))
        with self._stage(
            "final", trainer, schedule, cost, settings.evaluate_every, _test(trainer, store)
        ) as stage:
            outcomes = stage.train(0, individuals)
        groups = defaultdict(list)
        for outcome in outcomes:
            groups[str(outcome.individual.name)].append(outcome)
        results = make_results(self.graph, settings.final_options(), contenders, groups, store)
        searched = self.record.recorded("candidate", "search")
        self.record.write_results(
            {
                "method": "autoblm",
                "dataset": self.graph.name,
                "searcher": "none" if settings.structure else settings.searcher,
                **results,
                "candidates_trained": len(searched),
                "seconds": round(self.record.seconds, 1),
                "device": device_name(),
            }
        )

    def _trainer(self, options: TrainingOptions) -> PopulationTrainer[AutoBLMProblem]:
        """Return the trainer for these options, with all that it has compiled already."""
        if options not in self._trainers:
            problem = AutoBLMProblem(self.graph, options)
            self._trainers[options] = PopulationTrainer(problem, self.settings.chunk_size)
        return self._trainers[options]

    @contextlib.contextmanager
    def _stage(
        self,
        name: str,
        trainer: PopulationTrainer[AutoBLMProblem],
        schedule: Schedule,
        cost: int,
        evaluate_every: int = 0,
        finish: Finish | None = None,
    ) -> Iterator[Stage]:
        """Open a recorded stage with its progress bar."""
        with Progress(name, cost, self.settings.log_progress) as progress:
            yield Stage(
                name,
                trainer,
                schedule,
                self.record,
                self.space.describe,
                progress,
                checkpoint_seconds=self.settings.checkpoint_seconds,
                evaluate_every=evaluate_every,
                finish=finish,
            )


def sample_hyperparameters(settings: AutoBLMSettings) -> list[dict[str, float]]:
    """Return the hyperparameters that tuning tries, those of the search first."""
    rng = np.random.default_rng([settings.seed, 1])
    base = settings.base_hyperparameters()
    samples = [base]
    while len(samples) < settings.tuning_samples:
        rate, regularisation, decay, dropout = rng.uniform(-1, 1, 4)
        samples.append(
            {
                "learning_rate": base["learning_rate"] * _LEARNING_RATE_FACTOR**rate,
                "regularisation": base["regularisation"] * _REGULARISATION_FACTOR**regularisation,
                "decay": 1.0 - (1.0 - _SLOWEST_DECAY) * (decay + 1) / 2,
                "dropout": max(base["dropout"], settings.tuning_dropout * (dropout + 1) / 2),
            }
        )
    return samples


def _test(trainer: PopulationTrainer[AutoBLMProblem], store: ModelStore) -> Finish:
    """Return the function that tests a chunk at its end and keeps its models."""
    problem = trainer.problem

    def test_ranks(state: Any, candidate: jax.Array, data: GraphData) -> jax.Array:
        return problem.ranks(state.parameters, candidate, data.test)[0]

    def finish(chunk: Chunk) -> list[dict[str, Any]]:
        ranks = trainer.apply(chunk, test_ranks)
        ordered = np.stack([in_query_order(problem.data.test, one) for one in ranks])
        store.save(chunk.individuals, trainer.fetch(chunk).parameters, ordered)
        metrics = [rank_metrics(jnp.asarray(one), jnp.ones(one.shape[1])) for one in ordered]
        return [{"test": {name: float(one[name]) for name in METRIC_NAMES}} for one in metrics]

    return finish
