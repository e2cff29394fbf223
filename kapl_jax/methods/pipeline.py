"""From settings to a finished run: search, tune, train at the end, test, report."""

from __future__ import annotations

import contextlib
from collections import defaultdict
from collections.abc import Hashable, Iterator, Mapping, Sequence
from functools import cached_property
from pathlib import Path
from typing import Any

import jax
import numpy as np

from kapl_jax.data.locate import path_of
from kapl_jax.errors import UserError, one_line
from kapl_jax.evaluation.objectives import sign
from kapl_jax.methods.contenders import Contender, Outcomes
from kapl_jax.methods.method import Data, Method
from kapl_jax.methods.models import ModelStore
from kapl_jax.methods.results import Finished, make_results
from kapl_jax.methods.settings import SearchSettings
from kapl_jax.methods.structures import first_structures, given_structures, preset_structures
from kapl_jax.runs.config import config_of
from kapl_jax.runs.environment import environment
from kapl_jax.runs.program import device_name, print_warnings
from kapl_jax.runs.progress import Progress
from kapl_jax.runs.report import write_report
from kapl_jax.runs.run_directory import RunDirectory, read_run
from kapl_jax.runs.settings import defaults, identity
from kapl_jax.search.grouped_stage import GroupedStage
from kapl_jax.search.individual import Individual
from kapl_jax.search.loop import run_search
from kapl_jax.search.population import Chunk
from kapl_jax.search.problem import Problem
from kapl_jax.search.schedule import Schedule, full_training
from kapl_jax.search.searchers import REGISTRY, SearchContext
from kapl_jax.search.shared_weights import RecordedProxy, SharedWeights, Supernet
from kapl_jax.search.stage import Finish, Outcome, Stage
from kapl_jax.search.trainer import PopulationTrainer


class SearchPipeline:
    """The stages of one run of a method, each recorded, each a population.

    Attributes:
        method: The method.
        settings: The settings of the run.
        data: What it trains on.
        record: The run directory.
        space: The space that is searched.
        store: Trained models.
    """

    def __init__(
        self, method: Method, settings: SearchSettings, data: Data, record: RunDirectory
    ) -> None:
        """Prepare the stages of a run on `data`."""
        self.method = method
        self.settings = settings
        self.data = data
        self.record = record
        self.space = method.space(settings)
        self.store = ModelStore(record.path / "checkpoints")
        # Of scores people see the metric itself.
        self._sign = sign(method.objective(settings))
        self._trainers: dict[Hashable, PopulationTrainer[Any]] = {}

    def run(self) -> None:
        """Run all stages and write results.json."""
        contenders = self._searched() + self._presets()
        for stage in self.method.stages:
            contenders = stage(self, contenders)
        outcomes = self._final(contenders, self._tune(contenders))
        finished = Finished(self, tuple(contenders), outcomes)
        searched = self.record.recorded("candidate", "search")
        self.record.write_results(
            {
                "method": self.method.name,
                "dataset": self.record.config.get("dataset", {}).get("name", self.data.name),
                "searcher": "none" if self.settings.structure else self.settings.searcher,
                **make_results(finished),
                "candidates_trained": len(searched),
                "seconds": round(self.record.seconds, 1),
                "device": device_name(),
            }
        )

    def trainer(self, structure: np.ndarray, final: bool = False) -> PopulationTrainer[Any]:
        """Return the trainer for a structure, with all that it has compiled already.

        Args:
            structure: The structure.
            final: Whether it is for tuning or the final stage, not for the search.
        """
        return self._trainer(self.method.options(self.settings, structure, final))

    def trainer_of(self, problem: Problem) -> PopulationTrainer[Any]:
        """Return a trainer of a problem of its own."""
        settings = self.settings
        return PopulationTrainer(problem, settings.chunk_size, precision=settings.precision)

    @contextlib.contextmanager
    def stage(
        self,
        name: str,
        trainer: PopulationTrainer[Any],
        schedule: Schedule,
        cost: int,
        evaluate_every: int = 0,
        finish: Finish | None = None,
    ) -> Iterator[Stage]:
        """Open a recorded stage with its progress bar of `cost` candidate-epochs."""
        with Progress(name, cost, self.settings.log_progress, self._sign) as progress:
            yield self._open(name, trainer, schedule, progress, evaluate_every, finish)

    def train(
        self,
        name: str,
        trainer: PopulationTrainer[Any],
        individuals: Sequence[Individual],
        epochs: int,
        evaluate_every: int,
        finish: Finish | None = None,
    ) -> list[Outcome]:
        """Train individuals to the end in a recorded stage; return what became of each."""
        schedule = full_training(epochs)
        cost = schedule.cost(len(individuals))
        with self.stage(name, trainer, schedule, cost, evaluate_every, finish) as stage:
            return stage.train(0, individuals)

    def _trainer(self, options: Hashable) -> PopulationTrainer[Any]:
        if options not in self._trainers:
            self._trainers[options] = self.trainer_of(self.method.problem(self.data, options))
        return self._trainers[options]

    @contextlib.contextmanager
    def _stage_of_all(
        self, name: str, schedule: Schedule, cost: int, evaluate_every: int, final: bool
    ) -> Iterator[GroupedStage]:
        """Open a recorded stage for structures of all options; at the end they are tested."""

        def options_of(one: Individual) -> Hashable:
            return self.method.options(self.settings, one.candidate, final)

        def open_group(options: Hashable, label: str) -> Stage:
            trainer = self._trainer(options)
            finish = self._test(trainer) if name == "final" else None
            return self._open(name, trainer, schedule, progress, evaluate_every, finish, label)

        with Progress(name, cost, self.settings.log_progress, self._sign) as progress:
            yield GroupedStage(options_of, open_group)

    def _open(
        self,
        name: str,
        trainer: PopulationTrainer[Any],
        schedule: Schedule,
        progress: Progress,
        evaluate_every: int,
        finish: Finish | None,
        group: str = "",
    ) -> Stage:
        return Stage(
            name,
            trainer,
            schedule,
            self.record,
            self.space.describe,
            progress,
            checkpoint_seconds=self.settings.checkpoint_seconds,
            evaluate_every=evaluate_every,
            finish=finish,
            group=group,
        )

    def _test(self, trainer: PopulationTrainer[Any]) -> Finish:
        """Return the function that tests a chunk of the final stage and keeps its models."""

        def finish(chunk: Chunk) -> list[dict[str, Any]]:
            values = trainer.evaluate(chunk, "test")
            metrics = trainer.problem.metrics("test", values)
            variables = trainer.fetch_arrays(chunk, chunk.population.state.variables)
            by_block = {f"block_{number:06d}": value for number, value in enumerate(values)}
            self.store.save(chunk.individuals, variables, test=by_block)
            return [
                {"test": {name: float(value[index]) for name, value in metrics.items()}}
                for index in range(len(chunk.individuals))
            ]

        return finish

    def _searched(self) -> list[Contender]:
        """Return the structures found, best first, or those given instead of a search."""
        given = given_structures(self.settings, self.space)
        if given:
            return [Contender(name, structure, True) for name, structure in given.items()]
        outcomes = self._search()
        complete = [one for one in outcomes if one.complete and np.isfinite(one.score)]
        if not complete:
            tried = " ".join(
                f"--{name}={value:g}" for name, value in self.settings.hyperparameters().items()
            )
            raise UserError(
                f"{tried}: all {len(outcomes)} structures diverged; expected a smaller learning "
                "rate, or weaker penalties"
            )
        best = sorted(complete, key=lambda one: -one.score)[: self.settings.finalists]
        return [
            Contender(f"searched-{number}", one.individual.candidate, True)
            for number, one in enumerate(best, start=1)
        ]

    def _presets(self) -> list[Contender]:
        given = given_structures(self.settings, self.space)
        return [
            Contender(name, structure, False)
            for name, structure in preset_structures(self.settings, self.space).items()
            if name not in given
        ]

    def _search(self) -> list[Outcome]:
        settings, outcomes = self.settings, list[Outcome]()
        hyperparameters = settings.hyperparameters()
        rounds = -(-settings.candidates // settings.round_size)
        schedule = settings.search_schedule()
        searcher = REGISTRY[settings.searcher](self._context())
        cost = rounds * schedule.cost(settings.round_size)
        every = settings.evaluate_search_every
        with self._stage_of_all("search", schedule, cost, every, final=False) as stage:

            def train_round(number: int, structures: np.ndarray) -> np.ndarray:
                individuals = [
                    Individual(one, hyperparameters, settings.seed) for one in structures
                ]
                trained = stage.train(number, individuals)
                outcomes.extend(trained)
                return np.array([one.score for one in trained])

            run_search(
                searcher, train_round, settings.candidates, settings.round_size, settings.seed
            )
        return outcomes

    def _context(self) -> SearchContext:
        return SearchContext(
            self.space,
            self.settings.seed,
            proxy=RecordedProxy(self._shared_scores, self.record),
            relaxation=self._relaxation,
            start=lambda rng, count: first_structures(self.settings, self.space, rng, count),
            pool_size=self.settings.one_shot_pool,
        )

    def _shared_scores(self, structures: np.ndarray) -> np.ndarray:
        return self._shared_weights.scores(structures)

    def _relaxation(self) -> np.ndarray:
        if self.method.relaxation is None:
            raise NotImplementedError(f"{self.method.name} has no differentiable search")
        return self.method.relaxation(self)

    @cached_property
    def _shared_weights(self) -> SharedWeights:
        """The weights that structures of a random pool share, trained in a recorded stage."""
        settings = self.settings
        pool = self.space.sample(np.random.default_rng(settings.seed), settings.one_shot_pool)
        problem = self.trainer(pool[0]).problem
        trainer = self.trainer_of(Supernet(problem, pool))
        weights = Individual(pool[0], settings.hyperparameters(), settings.seed)
        schedule = full_training(settings.one_shot_epochs)

        def finish(chunk: Chunk) -> list[dict[str, Any]]:
            variables = chunk.population.state.variables
            self.store.save_shared(trainer.fetch_arrays(chunk, variables))
            return [{}]

        like = trainer.population_shape([weights]).state.variables
        again = set[str]()
        if weights.id in self._recorded_ids("shared_weights") and self.store.shared_is_lost(like):
            again.add(weights.id)
        with self.stage("shared_weights", trainer, schedule, schedule.cost(1), 0, finish) as stage:
            stage.train(0, [weights], again)
        variables = self.store.load_shared(like)
        return SharedWeights(problem, jax.tree.map(lambda leaf: leaf[0], variables))

    def _tune(self, contenders: Sequence[Contender]) -> dict[str, dict[str, float]]:
        """Return the best hyperparameters of each contender by validation, all tried alike."""
        settings = self.settings
        samples = settings.sampled_hyperparameters()
        if len(samples) == 1:
            return {one.name: samples[0] for one in contenders}
        individuals = [
            Individual(one.structure, hyperparameters, settings.seed, one.name)
            for one in contenders
            for hyperparameters in samples
        ]
        schedule = full_training(settings.epochs)
        cost, every = schedule.cost(len(individuals)), settings.evaluate_search_every
        with self._stage_of_all("tuning", schedule, cost, every, final=True) as stage:
            outcomes = stage.train(0, individuals)
        best: dict[str, Outcome] = {}
        for outcome in outcomes:
            name = str(outcome.individual.name)
            if name not in best or outcome.score > best[name].score:
                best[name] = outcome
        return {name: dict(one.individual.hyperparameters) for name, one in best.items()}

    def _final(
        self, contenders: Sequence[Contender], tuned: Mapping[str, dict[str, float]]
    ) -> Outcomes:
        """Train all contenders at the final size with all seeds, and test them."""
        settings = self.settings
        individuals = [
            Individual(one.structure, tuned[one.name], settings.seed + number, one.name)
            for one in contenders
            for number in range(settings.seeds)
        ]
        schedule = full_training(settings.final_epochs)
        cost, every = schedule.cost(len(individuals)), settings.evaluate_every
        recorded = self._recorded_ids("final")
        lost = self.store.lost([one.id for one in individuals if one.id in recorded])
        with self._stage_of_all("final", schedule, cost, every, final=True) as stage:
            outcomes = stage.train(0, individuals, lost)
        groups = defaultdict(list)
        for outcome in outcomes:
            groups[str(outcome.individual.name)].append(outcome)
        return groups

    def _recorded_ids(self, stage: str) -> set[str]:
        return {event["id"] for event in self.record.recorded("candidate", stage)}


def run_method(method: Method, settings: SearchSettings) -> Path | None:
    """Run a method, or continue its run, and return where the report is, None if there is none.

    Args:
        method: The method.
        settings: The settings of the run.

    Raises:
        UserError: The settings, the data or the run directory cannot be used.
    """
    space = method.space(settings)
    # What is wrong with them is said before anything is read.
    given_structures(settings, space), preset_structures(settings, space)
    data = method.load(settings, config_of(settings.workdir))
    print_warnings(data.warnings)
    path = path_of(settings.dataset, settings.data_dir or None, method.kind)
    config = {
        "method": method.name,
        "settings": identity(settings),
        "dataset": data.describe(),
        "dataset_path": None if path is None else str(path),
        **environment(),
    }
    run = RunDirectory.open(settings.workdir, config, defaults(settings))
    try:
        store = ModelStore(run.path / "checkpoints")
        if not run.is_finished or store.best_is_lost():
            SearchPipeline(method, settings, data, run).run()
        store.drop_others()
    finally:
        run.close()
    return _write_report(run.path, method)


def _write_report(path: Path, method: Method) -> Path | None:
    """Write the report of a run; it only accompanies the run: failing is a warning."""
    try:
        presentations = {method.name: method.presentation}
        return write_report([read_run(path)], path / "report", presentations)
    except Exception as error:
        kind = "" if isinstance(error, UserError) else f"{type(error).__name__}: "
        reason = one_line(error)
        again = f"python -m experiments.report --workdir={path}"
        print_warnings([f"no report: {kind}{reason}; all else is done, `{again}` writes it"])
        return None
