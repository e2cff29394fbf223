"""The methods by name, for the programs that serve all of them."""

from __future__ import annotations

from collections.abc import Callable

from kapl_jax.errors import UserError
from kapl_jax.methods.answers import Answerer
from kapl_jax.methods.autoblm.answers import AutoBLMAnswerer
from kapl_jax.runs.run_directory import Run

ANSWERERS: dict[str, Callable[[Run, str | None], Answerer]] = {
    "autoblm": AutoBLMAnswerer.from_run,
}


def load_answerer(run: Run, data_dir: str | None) -> Answerer:
    """Return the trained model of a run, whatever its method.

    Raises:
        UserError: The method answers no queries, or the run has no model yet.
    """
    method = str(run.config.get("method"))
    if method not in ANSWERERS:
        known = ", ".join(ANSWERERS)
        raise UserError(f"{run.path}: no answers from the method {method!r}, expected {known}")
    return ANSWERERS[method](run, data_dir)
