"""What ColdNAS trains beside search, tuning and final stage: supernets, pruning, the landscape."""

from __future__ import annotations

import dataclasses
from collections.abc import Sequence
from typing import Any, cast

import jax
import numpy as np

from kapl_jax.methods.coldnas.landscape import landscape_structures
from kapl_jax.methods.coldnas.problem import ColdNASProblem
from kapl_jax.methods.coldnas.pruning import Pruning, prune
from kapl_jax.methods.coldnas.settings import ColdNASSettings, training_options
from kapl_jax.methods.coldnas.space import ModulationSpace
from kapl_jax.methods.coldnas.supernet import SupernetProblem, discretisations
from kapl_jax.methods.contenders import Contender, spread
from kapl_jax.methods.pipeline import SearchPipeline
from kapl_jax.methods.results import Finished
from kapl_jax.modulation.structures import OPERATIONS
from kapl_jax.search.individual import Individual
from kapl_jax.search.population import Chunk
from kapl_jax.search.schedule import full_training
from kapl_jax.search.shared_weights import SharedWeights
from kapl_jax.search.stage import Finish
from kapl_jax.search.trainer import PopulationTrainer


def relaxation(pipeline: SearchPipeline) -> np.ndarray:
    """Return the structures that supernets suggest, those of most operations first."""
    alpha = np.array([event["alpha"] for event in supernets(pipeline)])
    return discretisations(alpha)[::-1]


def train_landscape(pipeline: SearchPipeline, contenders: list[Contender]) -> list[Contender]:
    """Train structures alone to see how well supernets rank them, where that is asked for."""
    settings = _settings(pipeline)
    if settings.landscape:
        supernets(pipeline)
        structures = _landscape(settings)
        hyperparameters = settings.hyperparameters()
        pipeline.train(
            "landscape",
            pipeline.trainer(structures[0]),
            [Individual(one, hyperparameters, settings.seed) for one in structures],
            settings.epochs,
            settings.evaluate_search_every,
        )
    return contenders


def add_pruned(pipeline: SearchPipeline, contenders: list[Contender]) -> list[Contender]:
    """Add the smallest part of the best structure found that keeps its gain."""
    pruning = pruned(pipeline, contenders)
    if pruning is None:
        return contenders
    if any(np.array_equal(one.structure, pruning.structure) for one in contenders):
        return contenders
    found = [one for one in contenders if one.searched]
    return [*found, Contender("pruned", pruning.structure, True), *contenders[len(found) :]]


def pruned(pipeline: SearchPipeline, contenders: Sequence[Contender]) -> Pruning | None:
    """Return how the best structure found was pruned; None where it is not to be.

    One that is given is pruned, too; of several that are given none, since which is the best is not
    known yet. What is recorded is not trained again.
    """
    settings = _settings(pipeline)
    found = [one for one in contenders if one.searched]
    if not (settings.keep_gain and settings.is_symbolic and found and found[0].structure.any()):
        return None
    if settings.structure and len(found) > 1:
        return None
    return _prune(pipeline, found[0].structure)


def supernets(pipeline: SearchPipeline) -> list[dict[str, Any]]:
    """Return the recorded events of the trained supernets; train them where they are not."""
    settings = _settings(pipeline)
    everything = np.ones((settings.positions, len(OPERATIONS)), bool)
    options = training_options(settings, everything, final=False)
    trainer = pipeline.trainer_of(SupernetProblem(cast(Any, pipeline.data), options))
    hyperparameters = settings.hyperparameters()
    pipeline.train(
        "supernet",
        trainer,
        [
            Individual(everything, hyperparameters, settings.seed + number)
            for number in range(settings.supernets)
        ],
        settings.one_shot_epochs,
        settings.evaluate_search_every,
        _finish_supernet(settings, trainer),
    )
    return pipeline.record.recorded("candidate", "supernet")


def published_protocol(finished: Finished) -> dict[str, Any]:
    """Train the best and the presets again, their epochs selected on the test users."""
    pipeline = finished.pipeline
    settings, data = _settings(pipeline), cast(Any, pipeline.data)
    chosen = [
        one for one in finished.contenders if not one.searched or one.name == finished.best.name
    ]
    individuals = [
        Individual(
            one.structure,
            finished.outcomes[one.name][0].individual.hyperparameters,
            settings.seed + number,
            one.name,
        )
        for one in chosen
        for number in range(settings.seeds)
    ]
    leaking = dataclasses.replace(data, valid=data.test)
    options = training_options(settings, finished.best.structure, final=True)
    trainer = pipeline.trainer_of(ColdNASProblem(leaking, options))
    trained = pipeline.train(
        "selected_on_test", trainer, individuals, settings.final_epochs, settings.evaluate_every
    )

    def selected_on_test(name: str) -> list[dict[str, Any]]:
        return [one.record["valid"] for one in trained if one.individual.name == name]

    def honest(name: str) -> list[dict[str, Any]]:
        return [one.record["test"] for one in finished.outcomes[name]]

    return {
        "protocols": {
            "validation": {one.name: spread(honest(one.name)) for one in chosen},
            "test": {one.name: spread(selected_on_test(one.name)) for one in chosen},
        }
    }


def _settings(pipeline: SearchPipeline) -> ColdNASSettings:
    return cast(ColdNASSettings, pipeline.settings)


def _prune(pipeline: SearchPipeline, structure: np.ndarray) -> Pruning:
    settings = _settings(pipeline)
    trainer = pipeline.trainer(structure)
    hyperparameters, seeds = settings.hyperparameters(), settings.pruning_seeds
    schedule = full_training(settings.epochs)
    # Two passes over all operations; how many more there are depends on what is found.
    cost = schedule.cost(2 * seeds * (int(structure.sum()) + 1))
    every = settings.evaluate_search_every
    with pipeline.stage("pruning", trainer, schedule, cost, every) as stage:

        def train(number: int, structures: Sequence[np.ndarray]) -> np.ndarray:
            individuals = [
                # Other seeds than the search's, in which the structure was lucky to be best.
                Individual(one, hyperparameters, settings.seed + 1 + seed)
                for one in structures
                for seed in range(seeds)
            ]
            scores = [one.score for one in stage.train(number, individuals)]
            # Training may end badly; the best seed tells what a structure can do.
            best: np.ndarray = np.max(np.reshape(scores, (-1, seeds)), axis=1)
            return best

        return prune(structure, train, settings.keep_gain)


def _landscape(settings: ColdNASSettings) -> np.ndarray:
    space = ModulationSpace(settings.positions)
    return landscape_structures(space, settings.landscape, settings.seed)


def _finish_supernet(
    settings: ColdNASSettings, trainer: PopulationTrainer[SupernetProblem]
) -> Finish:
    """Return the function that records α, and what the weights say of the landscape."""
    problem = trainer.problem
    discrete = ColdNASProblem(problem.cold_start, problem.options)
    pool = _landscape(settings) if settings.landscape else None

    def finish(chunk: Chunk) -> list[dict[str, Any]]:
        variables = trainer.fetch_arrays(chunk, chunk.population.state.variables)
        each = [
            jax.tree.map(lambda leaf, at=index: leaf[at], variables)
            for index in range(len(chunk.individuals))
        ]
        found = [{"alpha": one["params"]["alpha"]} for one in each]
        if pool is not None:
            weights = SharedWeights(discrete, each[0])
            for event, one in zip(found, each, strict=True):
                event["inherited"] = weights.with_variables(one).scores(pool)
        return found

    return finish
