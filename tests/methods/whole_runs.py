"""Whole runs of any method in this process, that may be killed anywhere, and what they recorded."""

from __future__ import annotations

from typing import Any

import pytest

from kapl_jax.methods.method import Method
from kapl_jax.methods.pipeline import run_method
from kapl_jax.methods.settings import SearchSettings
from kapl_jax.runs.run_directory import Run, read_run


class Killed(BaseException):
    """Stands for a kill at any moment."""


def run_of(method: Method, settings: SearchSettings) -> Run:
    """Run a method to its end and return what its directory holds."""
    run_method(method, settings)
    return read_run(settings.workdir)


def run_killed(
    method: Method, settings: SearchSettings, monkeypatch: pytest.MonkeyPatch, place: str
) -> None:
    """Run a method until the function of `kapl_jax` at `place` is called."""

    def crash(*_: Any, **__: Any) -> None:
        raise Killed

    with monkeypatch.context() as patch:
        patch.setattr(f"kapl_jax.{place}", crash)
        with pytest.raises(Killed):
            run_method(method, settings)


def candidates(found: Run, stage: str) -> list[dict[str, Any]]:
    """Return the results that a stage recorded."""
    events = [event for event in found.events if event["event"] == "candidate"]
    return [event for event in events if event["stage"] == stage]


def without_seconds(results: dict[str, Any]) -> dict[str, Any]:
    """Return what two runs that do the same work hold alike."""
    return {name: value for name, value in results.items() if name != "seconds"}
