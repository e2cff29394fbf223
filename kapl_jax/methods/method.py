"""What a method is: one value that programs, report, Python API and tests go through."""

from __future__ import annotations

import math
from collections.abc import Callable, Hashable, Mapping, Sequence
from dataclasses import dataclass, field
from typing import TYPE_CHECKING, Any, Protocol

import jax
import numpy as np

from kapl_jax.data.registry import Kind
from kapl_jax.methods.predictor import Predictor
from kapl_jax.methods.settings import SearchSettings
from kapl_jax.runs.report.presentation import Presentation
from kapl_jax.runs.settings import Settings
from kapl_jax.search.problem import Problem
from kapl_jax.search.space import StructureSpace

if TYPE_CHECKING:
    from kapl_jax.methods.contenders import Contender
    from kapl_jax.methods.pipeline import SearchPipeline
    from kapl_jax.methods.results import Finished
    from kapl_jax.methods.trained import TrainedModel


class Data(Protocol):
    """What a method trains on, read and checked.

    Attributes:
        name: Of the data set.
        warnings: What was odd in the files, a line each.
    """

    @property
    def name(self) -> str:
        """Of the data set."""
        ...

    @property
    def warnings(self) -> Sequence[str]:
        """What was odd in the files, a line each; by default nothing."""
        return ()

    def describe(self) -> dict[str, Any]:
        """Return `name`, counts and a `digest` of the content, in JSON's types.

        The digest tells data apart that have the same counts.
        """
        ...


ExtraStage = Callable[["SearchPipeline", list["Contender"]], list["Contender"]]
"""Trains in recorded stages of its own between search and tuning; returns who goes on."""


def _count_all(data: Any, structure: Any, variables: Mapping[str, Any]) -> int:
    del data, structure
    return sum(math.prod(np.shape(leaf)) for leaf in jax.tree.leaves(variables["params"]))


@dataclass(frozen=True)
class Method:
    """A published method.

    Attributes:
        name: In commands and records.
        settings: Its settings; each field is a flag.
        kind: Of the data sets that it takes.
        load: Reads and checks the data, given the settings and what the run recorded already
            (config.json; empty for a run that is to begin).
        space: Makes the space that is searched.
        problem: Makes the problem of training on the data with such options.
        summary: Returns what results.json holds of a finished run beside what all methods write.
        predictor: Makes what answers and explains of a trained model.
        predicts: What a model can be asked: flags of experiments.predict.
        presentation: How its runs are shown.
        embedded: The data that its program runs on when given no flags.
        options: Returns what is fixed for the program of a structure, in the search or (True) in
            tuning and the final stage; structures of equal options train together, by default all.
        explains: What a model can be asked to explain: flags of experiments.explain; None where it
            explains nothing.
        describe: Returns lines for the terminal about what results.json holds, beside the scores.
        suggested: By the name of a data set, settings that fit it better than the defaults.
        objective: Returns the metric that is searched for.
        stages: What is trained between search and tuning.
        relaxation: Trains a relaxed structure and returns its discretisations, best guess first,
            for the differentiable searcher; None where there is none.
        count: Returns the number of parameters of a model, given the data, the structure as
            results.json holds it and the variables' shapes, of a population of one.
    """

    name: str
    settings: type[SearchSettings]
    kind: Kind
    load: Callable[[Any, Mapping[str, Any]], Data]
    space: Callable[[Any], StructureSpace]
    problem: Callable[[Any, Any], Problem]
    summary: Callable[[Finished], dict[str, Any]]
    predictor: Callable[[TrainedModel], Predictor]
    predicts: type[Settings]
    presentation: Presentation
    embedded: str
    options: Callable[[Any, np.ndarray, bool], Hashable] = lambda settings, structure, final: ()
    explains: type[Settings] | None = None
    describe: Callable[[Mapping[str, Any]], Sequence[str]] = lambda results: ()
    suggested: Mapping[str, Mapping[str, Any]] = field(default_factory=dict)
    objective: Callable[[Any], str] = lambda settings: "mrr"
    stages: Sequence[ExtraStage] = ()
    relaxation: Callable[[SearchPipeline], np.ndarray] | None = None
    count: Callable[[Any, Any, Mapping[str, Any]], int] = _count_all
