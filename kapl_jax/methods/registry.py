"""The methods by name, for the programs that serve all of them."""

from __future__ import annotations

from collections.abc import Callable

from kapl_jax.errors import UserError
from kapl_jax.methods.answers import Answerer
from kapl_jax.methods.autoblm.answers import AutoBLMAnswerer
from kapl_jax.methods.coldnas.recommender import ColdNASRecommender
from kapl_jax.methods.explanations import Explainer
from kapl_jax.methods.recommendations import Recommender
from kapl_jax.methods.red_gnn.answers import RedGNNAnswerer
from kapl_jax.methods.red_gnn.reasons import RedGNNExplainer
from kapl_jax.runs.run_directory import Run

ANSWERERS: dict[str, Callable[[Run, str | None], Answerer]] = {
    "autoblm": AutoBLMAnswerer.from_run,
    "red_gnn": RedGNNAnswerer.from_run,
}

EXPLAINERS: dict[str, Callable[[Run, str | None], Explainer]] = {
    "red_gnn": RedGNNExplainer.from_run,
}

RECOMMENDERS: dict[str, Callable[[Run, str | None], Recommender]] = {
    "coldnas": ColdNASRecommender.from_run,
}


def load_answerer(run: Run, data_dir: str | None) -> Answerer:
    """Return the trained model of a run, whatever its method.

    Raises:
        UserError: The method answers no queries, or the run has no model yet.
    """
    method = str(run.config.get("method"))
    if method not in ANSWERERS:
        known = ", ".join(ANSWERERS)
        hint = "; give --ratings for a recommendation" if method in RECOMMENDERS else ""
        raise UserError(
            f"{run.path}: no answers from the method {method!r}, expected {known}{hint}"
        )
    return ANSWERERS[method](run, data_dir)


def load_explainer(run: Run, data_dir: str | None) -> Explainer:
    """Return the trained model of a run that explains its answers, whatever its method.

    Raises:
        UserError: The method does not explain, or the run has no model yet.
    """
    method = str(run.config.get("method"))
    if method not in EXPLAINERS:
        known = ", ".join(EXPLAINERS)
        hint = "; give --ratings for a user's reasons" if method in RECOMMENDERS else ""
        raise UserError(
            f"{run.path}: no paths to answers from the method {method!r}, expected {known}{hint}"
        )
    return EXPLAINERS[method](run, data_dir)


def load_recommender(run: Run, data_dir: str | None) -> Recommender:
    """Return the trained model of a run that recommends items, whatever its method.

    Raises:
        UserError: The method recommends nothing, or the run has no model yet.
    """
    method = str(run.config.get("method"))
    if method not in RECOMMENDERS:
        known = ", ".join(RECOMMENDERS)
        hint = "; give --head or --tail and --relation" if method in ANSWERERS else ""
        raise UserError(
            f"{run.path}: no recommendations from the method {method!r}, expected {known}{hint}"
        )
    return RECOMMENDERS[method](run, data_dir)
