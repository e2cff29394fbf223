"""The Python interface: run a method, load a finished run, ask its model."""

from __future__ import annotations

import contextlib
from collections.abc import Mapping, Sequence
from functools import cached_property
from pathlib import Path
from typing import Any

from kapl_jax.data.misspelling import quote_unknown
from kapl_jax.errors import UserError
from kapl_jax.explain import Explanation
from kapl_jax.methods import METHODS
from kapl_jax.methods.method import Method
from kapl_jax.methods.pipeline import run_method
from kapl_jax.methods.predictor import Prediction, Predictor
from kapl_jax.methods.trained import load_trained
from kapl_jax.methods.trained_on import DataSource
from kapl_jax.runs.compilation_cache import use_compilation_cache
from kapl_jax.runs.program import use_cpu_cores
from kapl_jax.runs.run_directory import Run, read_run
from kapl_jax.runs.settings import check_choices, make_settings


def run(
    method: str, dataset: str | None = None, workdir: str | None = None, **settings: Any
) -> TrainedRun:
    """Run a method, or continue its run, and return what it found.

    Args:
        method: A name of `METHODS`.
        dataset: A registered name or a path; by default data that come with the package.
        workdir: The run directory; continued if it exists.
        **settings: What else the method's program takes as flags, by name.

    Raises:
        UserError: There is no such method or setting, or the run cannot be done.
    """
    chosen = find_method(method)
    given = {"dataset": dataset, "workdir": workdir}
    given = {**{name: value for name, value in given.items() if value is not None}, **settings}
    made = make_settings(chosen.settings, given, chosen.suggested)
    check_choices(made)
    return run_with(chosen, made)


def run_with(method: Method, settings: Any) -> TrainedRun:
    """Run a method with settings of its kind; see `run`."""
    # Where somebody has used JAX before, its devices are what they are.
    with contextlib.suppress(RuntimeError):
        use_cpu_cores(settings.cpu_devices)
    use_compilation_cache(settings.compilation_cache)
    report = run_method(method, settings)
    return TrainedRun(read_run(settings.workdir), DataSource(), report)


def load(
    workdir: str | Path, dataset: str | None = None, data_dir: str | None = None
) -> TrainedRun:
    """Return a run; its model is read when it is asked.

    Args:
        workdir: The run directory.
        dataset: Where its data are now, a name or a path; by default where the run had them.
        data_dir: A folder of registered data.

    Raises:
        UserError: It holds no run, or one of a method that is not known.
    """
    return TrainedRun(read_run(str(workdir)), DataSource(dataset, data_dir))


class TrainedRun:
    """A run and its trained model.

    Attributes:
        run: What the run directory holds.
        method: Its method.
        report: Where its report was written just now; None where none was.
    """

    def __init__(self, run: Run, source: DataSource, report: Path | None = None) -> None:
        """Take a run whose data are where `source` says.

        Raises:
            UserError: Its method is not known.
        """
        self.run = run
        self.report = report
        self.method = find_method(str(run.config.get("method")), f"{run.path}: ")
        self._source = source

    @property
    def results(self) -> Mapping[str, Any]:
        """What results.json holds; nothing before the run has ended."""
        return self.run.results or {}

    def predict(self, **question: Any) -> Sequence[Prediction]:
        """Return the model's answers.

        Args:
            **question: What is asked, by the names of the flags of experiments.predict.

        Raises:
            UserError: The run has no model yet, or the question cannot be answered.
        """
        return self.ask(make_settings(self.method.predicts, question))

    def explain(self, **question: Any) -> Explanation:
        """Return why the model answers as it does.

        Args:
            **question: What is asked, by the names of the flags of experiments.explain.

        Raises:
            UserError: The run has no model yet, its method explains nothing, or the question
                cannot be answered.
        """
        return self.ask_why(make_settings(self.explains, question))

    @property
    def explains(self) -> type[Any]:
        """What the model can be asked to explain, a dataclass of settings.

        Raises:
            UserError: The method explains nothing.
        """
        if self.method.explains is None:
            known = ", ".join(name for name, one in METHODS.items() if one.explains is not None)
            raise UserError(
                f"{self.run.path}: no explanations from the method {self.method.name!r}, expected "
                f"{known}"
            )
        return self.method.explains

    def ask(self, question: Any) -> Sequence[Prediction]:
        """Return the answers to a question of the kind `method.predicts`; see `predict`."""
        return self._predictor.predict(question)

    def ask_why(self, question: Any) -> Explanation:
        """Return the explanation that a question of the kind `explains` asks for."""
        return self._predictor.explain(question)

    @cached_property
    def _predictor(self) -> Predictor:
        return self.method.predictor(load_trained(self.method, self.run, self._source))


def find_method(name: str, source: str = "") -> Method:
    """Return the method of a name.

    Raises:
        UserError: There is none; the message begins with `source`.
    """
    if name not in METHODS:
        raise UserError(
            f"{source}found method {quote_unknown(name, METHODS)}, expected one of "
            f"{', '.join(METHODS)}"
        )
    return METHODS[name]
