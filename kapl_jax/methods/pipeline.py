"""Search, tuning and final stage: what every searching method does with its space and problem."""

from __future__ import annotations

import abc
import contextlib
from collections import defaultdict
from collections.abc import Callable, Iterator, Mapping, Sequence
from functools import cached_property
from pathlib import Path
from typing import Any, Generic, TypeVar

import jax
import numpy as np

from kapl_jax.data.locate import path_of
from kapl_jax.data.registry import Kind
from kapl_jax.errors import UserError, one_line
from kapl_jax.methods.contenders import Contender, Outcomes
from kapl_jax.methods.models import ModelStore
from kapl_jax.methods.presentations import PRESENTATIONS
from kapl_jax.methods.settings import SearchSettings
from kapl_jax.runs.environment import environment
from kapl_jax.runs.program import device_name, print_warnings
from kapl_jax.runs.progress import Progress
from kapl_jax.runs.report import write_report
from kapl_jax.runs.run_directory import RunDirectory, read_run
from kapl_jax.runs.settings import defaults, identity
from kapl_jax.search.grouped_stage import GroupedStage
from kapl_jax.search.individual import Individual
from kapl_jax.search.loop import run_search
from kapl_jax.search.population import Chunk, PopulationTrainer
from kapl_jax.search.schedule import Schedule, full_training
from kapl_jax.search.searchers import REGISTRY, SearchContext
from kapl_jax.search.shared_weights import RecordedProxy, SharedWeights, Supernet
from kapl_jax.search.space import Space
from kapl_jax.search.stage import Finish, Outcome, Stage

S = TypeVar("S", bound=SearchSettings)


class SearchPipeline(abc.ABC, Generic[S]):
    """The stages of one run, each recorded, each a population.

    A method says what its problem is, which structures it compares with, what a finished chunk is
    tested for and what the results hold. All else is here.

    Attributes:
        method: Name of the method.
        settings: The settings of the run.
        record: The run directory.
        space: The space that is searched.
        store: Trained models.
        sign: -1.0 where scores are the negative of the metric searched for, for people to read.
    """

    method: str
    sign: float = 1.0

    def __init__(self, settings: S, record: RunDirectory, space: Space, data_name: str) -> None:
        """Prepare the stages of a run on the data set called `data_name`."""
        self.settings = settings
        self.data_name = data_name
        self.record = record
        self.space = space
        self.store = ModelStore(record.path / "checkpoints")
        self._trainers: dict[Any, PopulationTrainer[Any]] = {}

    @abc.abstractmethod
    def make_problem(self, options: Any) -> Any:
        """Return the problem for the settings' search_options or final_options."""

    @abc.abstractmethod
    def given_structures(self) -> dict[str, np.ndarray]:
        """Return the structures of --structure by name, empty for a search."""

    @abc.abstractmethod
    def preset_structures(self) -> dict[str, np.ndarray]:
        """Return the structures to compare with, by name."""

    @abc.abstractmethod
    def first_structures(self, rng: np.random.Generator, count: int) -> np.ndarray:
        """Return up to `count` structures that evolution starts from."""

    @abc.abstractmethod
    def finish(self, trainer: PopulationTrainer[Any]) -> Finish:
        """Return the function that tests a chunk of the final stage and keeps its models."""

    @abc.abstractmethod
    def results(self, contenders: Sequence[Contender], outcomes: Outcomes) -> dict[str, Any]:
        """Return what results.json holds beside what all methods write; keep the best model."""

    def options_of(self, structure: np.ndarray, final: bool) -> Any:
        """Return the options of a structure's problem, in the search or at the end; hashable.

        Structures of equal options train together.
        """
        del structure
        return self.settings.final_options() if final else self.settings.search_options()

    def make_trainer(self, problem: Any) -> PopulationTrainer[Any]:
        """Return the trainer of a problem."""
        settings = self.settings
        return PopulationTrainer(problem, settings.chunk_size, precision=settings.precision)

    def relaxation(self) -> np.ndarray:
        """Return the discretisations of a trained relaxed candidate, best guess first."""
        raise NotImplementedError(f"{self.method} has no differentiable search")

    def prepare(self, contenders: list[Contender]) -> list[Contender]:
        """Return who goes on to tuning and the final stage, of what was searched and the presets.

        A method may train more between search and tuning, in recorded stages of its own.
        """
        return contenders

    def run(self) -> None:
        """Run all stages and write results.json."""
        contenders = self.prepare(self._searched() + self._presets())
        tuned = self._tune(contenders)
        outcomes = self._final(contenders, tuned)
        searched = self.record.recorded("candidate", "search")
        self.record.write_results(
            {
                "method": self.method,
                "dataset": self.record.config.get("dataset", {}).get("name", self.data_name),
                "searcher": "none" if self.settings.structure else self.settings.searcher,
                **self.results(contenders, outcomes),
                "candidates_trained": len(searched),
                "seconds": round(self.record.seconds, 1),
                "device": device_name(),
            }
        )

    def trainer(self, options: Any) -> PopulationTrainer[Any]:
        """Return the trainer for these options, with all that it has compiled already."""
        if options not in self._trainers:
            problem = self.make_problem(options)
            self._trainers[options] = self.make_trainer(problem)
        return self._trainers[options]

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
        with Progress(name, cost, self.settings.log_progress, self.sign) as progress:
            yield self._open(name, trainer, schedule, progress, evaluate_every, finish)

    @contextlib.contextmanager
    def stage_of_all(
        self, name: str, schedule: Schedule, cost: int, evaluate_every: int, final: bool
    ) -> Iterator[GroupedStage]:
        """Open a recorded stage for structures of all options; at the end they are tested."""

        def open_group(options: Any, label: str) -> Stage:
            trainer = self.trainer(options)
            finish = self.finish(trainer) if name == "final" else None
            return self._open(name, trainer, schedule, progress, evaluate_every, finish, label)

        with Progress(name, cost, self.settings.log_progress, self.sign) as progress:
            yield GroupedStage(lambda one: self.options_of(one.candidate, final), open_group)

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

    def _searched(self) -> list[Contender]:
        """Return the structures found, best first, or those given instead of a search."""
        given = self.given_structures()
        if given:
            return [Contender(name, structure, True) for name, structure in given.items()]
        outcomes = self._search()
        complete = [one for one in outcomes if one.complete and np.isfinite(one.score)]
        if not complete:
            tried = " ".join(
                f"--{name}={value:g}"
                for name, value in self.settings.base_hyperparameters().items()
            )
            raise UserError(
                f"{tried}: all {len(outcomes)} structures diverged; expected a smaller learning "
                "rate, or weaker penalties"
            )
        best = sorted(complete, key=lambda one: -one.score)[: self.settings.finalists]
        return [
            Contender(f"searched-{place}", one.individual.candidate, True)
            for place, one in enumerate(best, start=1)
        ]

    def _presets(self) -> list[Contender]:
        given = self.given_structures()
        return [
            Contender(name, structure, False)
            for name, structure in self.preset_structures().items()
            if name not in given
        ]

    def _search(self) -> list[Outcome]:
        settings, outcomes = self.settings, list[Outcome]()
        numbers = settings.base_hyperparameters()
        rounds = -(-settings.candidates // settings.round_size)
        schedule = settings.search_schedule()
        searcher = REGISTRY[settings.searcher](self._context())
        cost = rounds * schedule.cost(settings.round_size)
        every = settings.evaluate_search_every
        with self.stage_of_all("search", schedule, cost, every, final=False) as stage:

            def train_round(number: int, structures: np.ndarray) -> np.ndarray:
                individuals = [Individual(one, numbers, settings.seed) for one in structures]
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
            relaxation=self.relaxation,
            start=self.first_structures,
            pool_size=self.settings.one_shot_pool,
        )

    def _shared_scores(self, structures: np.ndarray) -> np.ndarray:
        return self._shared_weights.scores(structures)

    @cached_property
    def _shared_weights(self) -> SharedWeights:
        """The weights that structures of a random pool share, trained in a recorded stage."""
        settings = self.settings
        problem = self.trainer(settings.search_options()).problem
        pool = self.space.sample(np.random.default_rng(settings.seed), settings.one_shot_pool)
        trainer = self.make_trainer(Supernet(problem, pool))
        weights = Individual(pool[0], settings.base_hyperparameters(), settings.seed)
        schedule = full_training(settings.one_shot_epochs)

        def finish(chunk: Chunk) -> list[dict[str, Any]]:
            self.store.save_shared(trainer.fetch(chunk))
            return [{}]

        like, again = trainer.state_shape([weights]), set[str]()
        if weights.id in self._recorded_ids("shared_weights") and self.store.shared_is_lost(like):
            again.add(weights.id)
        with self.stage("shared_weights", trainer, schedule, schedule.cost(1), 0, finish) as stage:
            stage.train(0, [weights], again)
        state = self.store.load_shared(like)
        return SharedWeights(problem, jax.tree.map(lambda leaf: leaf[0], state))

    def _tune(self, contenders: Sequence[Contender]) -> dict[str, dict[str, float]]:
        """Return the best hyperparameters of each contender by validation, all tried alike."""
        settings = self.settings
        samples = settings.sampled_hyperparameters()
        if len(samples) == 1:
            return {one.name: samples[0] for one in contenders}
        individuals = [
            Individual(one.structure, numbers, settings.seed, one.name)
            for one in contenders
            for numbers in samples
        ]
        schedule = full_training(settings.epochs)
        cost, every = schedule.cost(len(individuals)), settings.evaluate_search_every
        with self.stage_of_all("tuning", schedule, cost, every, final=True) as stage:
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
        with self.stage_of_all("final", schedule, cost, every, final=True) as stage:
            outcomes = stage.train(0, individuals, lost)
        groups = defaultdict(list)
        for outcome in outcomes:
            groups[str(outcome.individual.name)].append(outcome)
        return groups

    def _recorded_ids(self, stage: str) -> set[str]:
        return {event["id"] for event in self.record.recorded("candidate", stage)}


def run_pipeline(
    method: str,
    settings: SearchSettings,
    kind: Kind | None,
    dataset: Mapping[str, Any],
    warnings: Sequence[str],
    make: Callable[[RunDirectory], SearchPipeline[Any]],
) -> Path | None:
    """Run a method, or continue its run, and return where the report is, None if there is none.

    Args:
        method: Name of the method.
        settings: The settings of the run.
        kind: The kind of its data; None for data that lie nowhere.
        dataset: What identifies the data: `name`, counts, a digest.
        warnings: What loading them found odd, to be printed.
        make: Makes the pipeline in the run's directory.

    Raises:
        UserError: The run directory cannot be used.
    """
    print_warnings(warnings)
    path = None if kind is None else path_of(settings.dataset, settings.data_dir or None, kind)
    config = {
        "method": method,
        "settings": identity(settings),
        "dataset": dict(dataset),
        "dataset_path": None if path is None else str(path),
        **environment(),
    }
    run = RunDirectory.open(settings.workdir, config, defaults(settings))
    try:
        store = ModelStore(run.path / "checkpoints")
        if not run.is_finished or store.best_is_lost():
            make(run).run()
        store.drop_others()
    finally:
        run.close()
    return _write_report(run.path)


def _write_report(path: Path) -> Path | None:
    """Write the report of a run; it only accompanies the run: failing is a warning."""
    try:
        return write_report([read_run(path)], path / "report", PRESENTATIONS)
    except Exception as error:
        kind = "" if isinstance(error, UserError) else f"{type(error).__name__}: "
        reason = one_line(error)
        again = f"python -m experiments.report --workdir={path}"
        print_warnings([f"no report: {kind}{reason}; all else is done, `{again}` writes it"])
        return None
