"""The methods by name, for the programs that serve all of them."""

from __future__ import annotations

from collections.abc import Callable, Container, Mapping
from typing import TypeVar

from kapl_jax.errors import UserError
from kapl_jax.methods.answers import Answerer
from kapl_jax.methods.autoblm.answers import AutoBLMAnswerer
from kapl_jax.methods.coldnas.recommender import ColdNASRecommender
from kapl_jax.methods.explanations import Explainer
from kapl_jax.methods.recommendations import Recommender
from kapl_jax.methods.red_gnn.answers import RedGNNAnswerer
from kapl_jax.methods.red_gnn.reasons import RedGNNExplainer
from kapl_jax.methods.trained_on import DataSource
from kapl_jax.runs.run_directory import Run

T = TypeVar("T")

ANSWERERS: dict[str, Callable[[Run, DataSource], Answerer]] = {
    "autoblm": AutoBLMAnswerer.from_run,
    "red_gnn": RedGNNAnswerer.from_run,
}

EXPLAINERS: dict[str, Callable[[Run, DataSource], Explainer]] = {
    "red_gnn": RedGNNExplainer.from_run,
}

RECOMMENDERS: dict[str, Callable[[Run, DataSource], Recommender]] = {
    "coldnas": ColdNASRecommender.from_run,
}


def load_answerer(run: Run, source: DataSource) -> Answerer:
    """Return the trained model of a run, whatever its method.

    Raises:
        UserError: The method answers no queries, or the run has no model yet.
    """
    hint = "; give --ratings for a recommendation"
    return _load(ANSWERERS, "answers", RECOMMENDERS, hint, run, source)


def load_explainer(run: Run, source: DataSource) -> Explainer:
    """Return the trained model of a run that explains its answers, whatever its method.

    Raises:
        UserError: The method does not explain, or the run has no model yet.
    """
    hint = "; give --ratings for a user's reasons"
    return _load(EXPLAINERS, "paths to answers", RECOMMENDERS, hint, run, source)


def load_recommender(run: Run, source: DataSource) -> Recommender:
    """Return the trained model of a run that recommends items, whatever its method.

    Raises:
        UserError: The method recommends nothing, or the run has no model yet.
    """
    hint = "; give --head or --tail and --relation"
    return _load(RECOMMENDERS, "recommendations", ANSWERERS, hint, run, source)


def _load(
    loaders: Mapping[str, Callable[[Run, DataSource], T]],
    what: str,
    others: Container[str],
    hint: str,
    run: Run,
    source: DataSource,
) -> T:
    """Load what a run's method offers; `hint` is for runs of the `others`."""
    method = str(run.config.get("method"))
    if method not in loaders:
        raise UserError(
            f"{run.path}: no {what} from the method {method!r}, expected {', '.join(loaders)}"
            f"{hint if method in others else ''}"
        )
    return loaders[method](run, source)
