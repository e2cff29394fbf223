"""ColdNAS from ratings to a run directory: search, tune, train at the end, explain, report."""

from __future__ import annotations

import dataclasses
from collections.abc import Sequence
from functools import partial
from pathlib import Path
from typing import Any

import jax
import numpy as np

from kapl_jax.data.cold_start import ColdStartData, describe_cold_start
from kapl_jax.data.registry import RATINGS
from kapl_jax.evaluation.objectives import sign
from kapl_jax.methods.coldnas.landscape import landscape_results, landscape_structures
from kapl_jax.methods.coldnas.network_space import NetworkSpace
from kapl_jax.methods.coldnas.problem import ColdNASOptions, ColdNASProblem
from kapl_jax.methods.coldnas.pruning import Pruning, prune
from kapl_jax.methods.coldnas.results import make_results, planted_results, pruning_results
from kapl_jax.methods.coldnas.settings import ColdNASSettings, load_data
from kapl_jax.methods.coldnas.space import ModulationSpace
from kapl_jax.methods.coldnas.supernet import SupernetProblem, discretisations, inherited_scores
from kapl_jax.methods.coldnas.tasks import TaskData
from kapl_jax.methods.contenders import Contender, Outcomes, best_contender, spread
from kapl_jax.methods.pipeline import SearchPipeline, run_pipeline
from kapl_jax.modulation.networks import network_modulate
from kapl_jax.modulation.operations import modulate
from kapl_jax.modulation.structures import OPERATIONS, preset
from kapl_jax.runs.run_directory import RunDirectory
from kapl_jax.search.individual import Individual
from kapl_jax.search.population import Chunk, PopulationTrainer
from kapl_jax.search.schedule import full_training
from kapl_jax.search.stage import Finish


def run_coldnas(settings: ColdNASSettings) -> Path | None:
    """Run ColdNAS, or continue its run, and return where the report is (or None).

    Raises:
        UserError: The data or the run directory cannot be used.
    """
    data = load_data(settings)
    return run_pipeline(
        "coldnas",
        settings,
        RATINGS,
        describe_cold_start(data),
        data.warnings,
        lambda record: ColdNASPipeline(settings, data, record),
    )


class ColdNASPipeline(SearchPipeline[ColdNASSettings]):
    """The stages of one ColdNAS run on cold-start data."""

    method = "coldnas"

    def __init__(
        self, settings: ColdNASSettings, data: ColdStartData, record: RunDirectory
    ) -> None:
        """Prepare a run on `data`."""
        self.symbolic = settings.search_space == "operations"
        self._networks = NetworkSpace(settings.positions, settings.network_units)
        space = ModulationSpace(settings.positions) if self.symbolic else self._networks
        super().__init__(settings, record, space, data.name)
        self.data = data
        self.sign = sign(settings.objective)
        self._pruning: Pruning | None = None

    def make_problem(self, options: ColdNASOptions) -> ColdNASProblem:
        """Return the problem of training on the data; see `SearchPipeline`."""
        return self._problem(self.data, options)

    def given_structures(self) -> dict[str, np.ndarray]:
        """Return the structures of --structure; see `SearchPipeline`."""
        return self.settings.given_structures()

    def preset_structures(self) -> dict[str, np.ndarray]:
        """Return the presets of --presets; see `SearchPipeline`."""
        known = {
            name: preset(name, self.settings.positions) for name in self.settings.preset_names()
        }
        if self.symbolic:
            return known
        networks = self._networks
        # A maximum or minimum has no equal among the networks.
        return {
            name: networks.of_operations(one) for name, one in known.items() if not one[:, :2].any()
        }

    def first_structures(self, rng: np.random.Generator, count: int) -> np.ndarray:
        """Return what evolution starts from.

        With --warm_start the presets, then what the space counts as simple, then samples.
        """
        first = [self.space.sample(rng, count)]
        if self.symbolic:
            first.insert(0, ModulationSpace(self.settings.positions).seeds(rng, count))
        known = list(self.preset_structures().values())
        if self.settings.warm_start and known:
            first.insert(0, np.stack(known))
        return np.concatenate(first)[:count]

    def relaxation(self) -> np.ndarray:
        """Return the structures that supernets suggest, those of most operations first."""
        events = self._supernets()
        return discretisations(np.array([event["alpha"] for event in events]))[::-1]

    def prepare(self, contenders: list[Contender]) -> list[Contender]:
        """Add the pruned structure; train the landscape, where one is asked for."""
        if self.settings.landscape:
            self._train_landscape()
        found = [one for one in contenders if one.searched]
        if not (self.settings.keep_gain and self.symbolic and found and found[0].structure.any()):
            return contenders
        self._pruning = self._prune(found[0].structure)
        pruned = self._pruning.structure
        if any(np.array_equal(one.structure, pruned) for one in contenders):
            return contenders
        return [*found, Contender("pruned", pruned, True), *contenders[len(found) :]]

    def finish(self, trainer: PopulationTrainer[ColdNASProblem]) -> Finish:
        """Return the test of a chunk on the test users; see `SearchPipeline`."""
        problem = trainer.problem

        def test(state: Any, candidate: jax.Array, data: TaskData) -> dict[str, jax.Array]:
            return problem.metrics(state.parameters, candidate, data, data.test)

        def finish(chunk: Chunk) -> list[dict[str, Any]]:
            metrics = trainer.apply(chunk, test)
            self.store.save(chunk.individuals, trainer.fetch(chunk).parameters)
            return [
                {"test": {name: float(values[place]) for name, values in metrics.items()}}
                for place in range(len(chunk.individuals))
            ]

        return finish

    def results(self, contenders: Sequence[Contender], outcomes: Outcomes) -> dict[str, Any]:
        """Return what ColdNAS reports; see `SearchPipeline`."""
        problem = self.trainer(self.settings.final_options()).problem
        results = make_results(
            self.settings, self.data, problem, self.space, contenders, outcomes, self.store
        )
        if self._pruning is not None:
            results["pruning"] = pruning_results(self.settings.objective, self._pruning)
        if self.data.planted is not None and self.symbolic:
            found = best_contender(contenders, outcomes).structure
            smallest = found if self._pruning is None else self._pruning.structure
            results["planted"] = planted_results(self.data.planted, smallest)
        if self.settings.landscape:
            results["landscape"] = landscape_results(
                self.settings.objective,
                self.record.recorded("candidate", "landscape"),
                self._supernets(),
            )
        if self.settings.published_protocol:
            best = best_contender(contenders, outcomes)
            results["published"] = self._published_protocol(contenders, outcomes, best)
        return results

    def _problem(self, data: ColdStartData, options: ColdNASOptions) -> ColdNASProblem:
        if self.symbolic:
            return ColdNASProblem(data, options, modulate)
        networks = partial(network_modulate, hidden=self.settings.network_units)
        return ColdNASProblem(data, options, networks)

    def _prune(self, structure: np.ndarray) -> Pruning:
        settings = self.settings
        trainer = self.trainer(settings.search_options())
        numbers, seeds = settings.base_hyperparameters(), settings.pruning_seeds
        schedule = full_training(settings.epochs)
        # Two passes over all operations; how many more there are depends on what is found.
        cost = schedule.cost(2 * seeds * (int(structure.sum()) + 1))
        with self.stage(
            "pruning", trainer, schedule, cost, settings.evaluate_search_every
        ) as stage:

            def train(number: int, structures: Sequence[np.ndarray]) -> np.ndarray:
                individuals = [
                    # Other seeds than the search's, in which the structure was lucky to be best.
                    Individual(one, numbers, settings.seed + 1 + seed)
                    for one in structures
                    for seed in range(seeds)
                ]
                scores = [one.score for one in stage.train(number, individuals)]
                # Training may end at a bad place; the best seed tells what a structure can do.
                best: np.ndarray = np.max(np.reshape(scores, (-1, seeds)), axis=1)
                return best

            return prune(structure, train, settings.keep_gain)

    def _train_landscape(self) -> None:
        settings = self.settings
        self._supernets()
        trainer = self.trainer(settings.search_options())
        numbers = settings.base_hyperparameters()
        individuals = [
            Individual(one, numbers, settings.seed) for one in self._landscape_structures()
        ]
        schedule = full_training(settings.epochs)
        cost, every = schedule.cost(len(individuals)), settings.evaluate_search_every
        with self.stage("landscape", trainer, schedule, cost, every) as stage:
            stage.train(0, individuals)

    def _landscape_structures(self) -> np.ndarray:
        return landscape_structures(
            ModulationSpace(self.settings.positions), self.settings.landscape, self.settings.seed
        )

    def _supernets(self) -> list[dict[str, Any]]:
        """Return the recorded events of the trained supernets; train them where they are not."""
        settings = self.settings
        problem = SupernetProblem(self.data, settings.search_options())
        trainer = self.make_trainer(problem)
        everything = np.ones((settings.positions, len(OPERATIONS)), bool)
        numbers = settings.base_hyperparameters()
        individuals = [
            Individual(everything, numbers, settings.seed + number)
            for number in range(settings.supernets)
        ]
        schedule = full_training(settings.one_shot_epochs)
        cost, every = schedule.cost(len(individuals)), settings.evaluate_search_every
        finish = self._finish_supernet(trainer)
        with self.stage("supernet", trainer, schedule, cost, every, finish) as stage:
            stage.train(0, individuals)
        return self.record.recorded("candidate", "supernet")

    def _finish_supernet(self, trainer: PopulationTrainer[SupernetProblem]) -> Finish:
        pool = self._landscape_structures() if self.settings.landscape else None

        def finish(chunk: Chunk) -> list[dict[str, Any]]:
            alpha = trainer.fetch(chunk).parameters["alpha"]
            found = [{"alpha": one} for one in alpha]
            if pool is not None:
                scores = trainer.apply(chunk, inherited_scores(trainer.problem, pool))
                found = [{**one, "inherited": s} for one, s in zip(found, scores, strict=True)]
            return found

        return finish

    def _published_protocol(
        self, contenders: Sequence[Contender], outcomes: Outcomes, best: Contender
    ) -> dict[str, Any]:
        """Train the best and the presets again, their epochs selected on the test users."""
        settings = self.settings
        chosen = [one for one in contenders if not one.searched or one.name == best.name]
        individuals = [
            Individual(
                one.structure,
                outcomes[one.name][0].individual.hyperparameters,
                settings.seed + number,
                one.name,
            )
            for one in chosen
            for number in range(settings.seeds)
        ]
        leaking = dataclasses.replace(self.data, valid=self.data.test)
        problem = self._problem(leaking, settings.final_options())
        trainer = self.make_trainer(problem)
        schedule = full_training(settings.final_epochs)
        cost = schedule.cost(len(individuals))
        with self.stage(
            "selected_on_test", trainer, schedule, cost, settings.evaluate_every
        ) as stage:
            trained = stage.train(0, individuals)

        def of(name: str) -> list[dict[str, Any]]:
            return [one.record["valid"] for one in trained if one.individual.name == name]

        def honest(name: str) -> list[dict[str, Any]]:
            return [one.record["test"] for one in outcomes[name]]

        return {
            "protocols": {
                "validation": {one.name: spread(honest(one.name)) for one in chosen},
                "test": {one.name: spread(of(one.name)) for one in chosen},
            }
        }
