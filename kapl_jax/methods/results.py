"""The contents of results.json that all methods share: what was found, and what it is worth."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from functools import cached_property
from typing import TYPE_CHECKING, Any

import jax
import numpy as np

from kapl_jax.evaluation.objectives import sign
from kapl_jax.methods.contenders import (
    Contender,
    Outcomes,
    best_contender,
    best_lines,
    best_seed,
    metrics_of_seeds,
    result_rows,
    score_lines,
)
from kapl_jax.methods.trained import TrainedModel
from kapl_jax.runs.report.metrics import metric_label
from kapl_jax.search.problem import Problem, PyTree

if TYPE_CHECKING:
    from kapl_jax.methods.method import Method
    from kapl_jax.methods.pipeline import SearchPipeline


@dataclass(frozen=True)
class Finished:
    """A run whose final stage has ended.

    The best contender is the one with the highest mean validation score over seeds; the model kept
    is its best seed by validation. Test figures are reported, never compared.

    Attributes:
        pipeline: Of the run.
        contenders: The contenders.
        outcomes: The outcomes of each contender's seeds, by name.
    """

    pipeline: SearchPipeline
    contenders: Sequence[Contender]
    outcomes: Outcomes

    @cached_property
    def best(self) -> Contender:
        """The best contender."""
        return best_contender(self.contenders, self.outcomes)

    @cached_property
    def problem(self) -> Problem:
        """The problem that the best contender was trained on."""
        problem: Problem = self.pipeline.trainer(self.best.structure, final=True).problem
        return problem

    @cached_property
    def model(self) -> TrainedModel:
        """The best model."""
        pipeline = self.pipeline
        seeds = self.outcomes[self.best.name]
        chosen, tests = best_seed(seeds), [one.record["test"] for one in seeds]
        return TrainedModel(
            pipeline.method,
            pipeline.settings,
            pipeline.data,
            self.best.structure,
            pipeline.store.load([chosen.individual.id])[0]["variables"],
            {name: float(np.mean([one[name] for one in tests])) for name in tests[0]},
        )

    def test_values(self) -> list[PyTree]:
        """Return what evaluation gave for each block of the test, the best's seeds first."""
        ids = [one.individual.id for one in self.outcomes[self.best.name]]
        kept = [one["test"] for one in self.pipeline.store.load(ids)]
        return [
            jax.tree.map(lambda *leaves: np.stack(leaves), *(one[block] for one in kept))
            for block in sorted(kept[0])
        ]


def make_results(finished: Finished) -> dict[str, Any]:
    """Summarise the final stage and keep its best model.

    Returns:
        `best`, `valid`, `test`, `baselines`, `searched`, `seeds`, `parameters`, and what the
        method adds.
    """
    pipeline, best = finished.pipeline, finished.best
    rows = {one.name: _row(finished, one) for one in finished.contenders}
    described = pipeline.space.record(best.structure)
    hyperparameters = rows[best.name]["hyperparameters"]
    description = {"name": best.name, **described, "hyperparameters": hyperparameters}
    pipeline.store.keep_best(finished.model.variables, description)
    added = pipeline.method.summary(finished)
    return {
        **added,
        "best": {**description, **added.get("best", {})},
        **result_rows(finished.contenders, finished.outcomes, rows),
        "parameters": rows[best.name]["parameters"],
    }


def describe_results(method: Method, settings: Any, results: Mapping[str, Any]) -> str:
    """Return a few lines for the terminal: what was found, and how it stands to the presets."""
    objective = method.objective(settings)
    scores = score_lines(results, objective, metric_label(objective), sign(objective))
    return "\n".join([*best_lines(results), *scores, *method.describe(results)])


def _row(finished: Finished, one: Contender) -> Mapping[str, Any]:
    pipeline, outcomes = finished.pipeline, finished.outcomes[one.name]
    recorded = pipeline.space.record(one.structure)
    # Shapes tell as much as the models, which would have to be read.
    trainer = pipeline.trainer(one.structure, final=True)
    variables = trainer.population_shape([outcomes[0].individual]).state.variables
    return {
        **recorded,
        **metrics_of_seeds(outcomes),
        "parameters": pipeline.method.count(pipeline.data, recorded["structure"], variables),
    }
