"""What the programs share: a method's program, and flags of those that ask a trained model."""

from __future__ import annotations

import dataclasses
from collections.abc import Callable
from typing import Any

from absl import flags

from kapl_jax.api import TrainedRun, find_method, run_with
from kapl_jax.errors import UserError
from kapl_jax.methods import METHODS
from kapl_jax.methods.method import Method
from kapl_jax.methods.results import describe_results
from kapl_jax.methods.trained_on import AskSettings
from kapl_jax.runs.compilation_cache import use_compilation_cache
from kapl_jax.runs.program import refuse_arguments, run_program
from kapl_jax.runs.settings import Settings, define_flags, from_flags

Questions = Callable[[Method], type[Settings] | None]
"""Returns what a method's models can be asked by a program: `Method.predicts` or `explains`."""


def method_program(name: str) -> None:
    """Run the program of a method: its flags, the run, and what it found."""
    method = find_method(name)

    def main(argv: list[str]) -> None:
        refuse_arguments(argv)
        settings = from_flags(method.settings, method.suggested)
        done = run_with(method, settings)
        if done.results:
            print(describe_results(method, settings, done.results))
        if done.report is not None:
            print(f"report: {done.report}")

    define_flags(method.settings)
    run_program(main)


def define_asking_flags(settings: type[AskSettings], questions: Questions) -> None:
    """Define the flags of a program that asks models: its own, and what they can be asked."""
    define_flags(settings)
    known = {field.name for field in dataclasses.fields(settings)}
    for kind in _kinds(questions):
        define_flags(kind, besides=known)
        known |= {field.name for field in dataclasses.fields(kind)}


def ask_by_flags(settings: AskSettings, questions: Questions) -> tuple[TrainedRun, Any]:
    """Return the run that is asked, and the question of the flags.

    Raises:
        UserError: The run cannot be read, or flags are given that its method does not take.
    """
    asked = TrainedRun(settings.read_run(), settings.source)
    use_compilation_cache(settings.compilation_cache)
    kind = questions(asked.method) or asked.explains
    own = [field.name for field in dataclasses.fields(kind)]
    for other in _kinds(questions):
        for field in dataclasses.fields(other):
            if field.name not in own and flags.FLAGS[field.name].present:
                raise UserError(
                    f"--{field.name}: given for {asked.run.path}, a run of {asked.method.name}; "
                    f"expected {', '.join(f'--{name}' for name in own)}"
                )
    return asked, from_flags(kind)


def _kinds(questions: Questions) -> list[type[Settings]]:
    kinds = [questions(method) for method in METHODS.values()]
    return list(dict.fromkeys(kind for kind in kinds if kind is not None))
