"""A trained model: from a run directory to something that can be asked."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, field
from functools import cached_property
from pathlib import Path
from typing import TYPE_CHECKING, Any

import numpy as np

from kapl_jax.methods.models import ModelStore
from kapl_jax.methods.trained_on import DataSource, check_trained_on, settings_of
from kapl_jax.runs.report.metrics import read_metrics
from kapl_jax.runs.run_directory import Run
from kapl_jax.search.problem import Problem

if TYPE_CHECKING:
    from kapl_jax.methods.method import Method


@dataclass(frozen=True)
class TrainedModel:
    """The best model of a run.

    Attributes:
        method: Its method.
        settings: Of the run.
        data: What it was trained on.
        structure: Its array.
        variables: Of the model.
        test: Its metrics in test, mean over seeds, as far as they are known.
    """

    method: Method
    settings: Any
    data: Any
    structure: np.ndarray
    variables: Mapping[str, Any]
    test: Mapping[str, float] = field(default_factory=dict)

    @cached_property
    def problem(self) -> Problem:
        """The problem that it was trained on."""
        options = self.method.options(self.settings, self.structure, True)
        return self.method.problem(self.data, options)

    @cached_property
    def record(self) -> dict[str, Any]:
        """What results.json says of its structure."""
        return self.method.space(self.settings).record(self.structure)


def load_trained(method: Method, run: Run, source: DataSource) -> TrainedModel:
    """Load the best model of a run and the data that it was trained on.

    Args:
        method: Of the run.
        run: The run.
        source: Where the data are said to be.

    Raises:
        UserError: The run is not finished, its model is of another version, or the data are not
            those it was trained on.
    """
    store = ModelStore(Path(run.path) / "checkpoints")
    variables, description = store.load_best()
    settings = settings_of(run, method.settings, method.kind, source)
    data = method.load(settings, run.config)
    check_trained_on(run, data.describe(), f"another {method.kind.noun}")
    with store.understanding_best():
        structure = method.space(settings).read(description)
    known = read_metrics((run.results or {}).get("test"))
    test = {name: one.mean for name, one in known.items()}
    return TrainedModel(method, settings, data, structure, variables, test)
