"""How well one-shot scores rank structures: hundreds trained alone, beside what supernets say."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import Any

import numpy as np
from scipy.stats import kendalltau

from kapl_jax.evaluation.objectives import sign
from kapl_jax.methods.coldnas.space import ModulationSpace
from kapl_jax.search.archive import Archive


def landscape_structures(space: ModulationSpace, count: int, seed: int) -> np.ndarray:
    """Draw up to `count` distinct structures bool[n, C, 4]."""
    rng = np.random.default_rng([seed, 2])
    return Archive(space).gather(lambda wanted: space.sample(rng, wanted), count)


def landscape_results(
    objective: str, trained: Sequence[Mapping[str, Any]], supernets: Sequence[Mapping[str, Any]]
) -> dict[str, Any]:
    """Return the landscape as results.json holds it.

    Two one-shot scores are compared with the truth, which is a structure trained alone:
    `inherited_weights`, its validation score with the supernet's weights; and `alpha`, the log
    probability of the structure if each operation were present with probability σ(α). Both are
    means over supernets.

    Args:
        objective: The metric.
        trained: Events of the structures trained alone, in the order of `landscape_structures`.
        supernets: Events of the supernets, with `alpha` and the `inherited` scores in that order.

    Returns:
        `metric`, `points` (structure, truth, proxies, number of operations) and for each proxy its
        Kendall τ with the truth. All values are of the metric itself, but alpha's.
    """
    factor = sign(objective)
    structures = np.array([event["candidate"] for event in trained], bool)
    truth = np.array([_number(event["score"]) for event in trained])
    inherited = np.mean([[_number(s) for s in one["inherited"]] for one in supernets], axis=0)
    likelihood = np.mean([_log_probability(structures, one["alpha"]) for one in supernets], axis=0)
    proxies = {"inherited_weights": inherited, "alpha": likelihood}
    shown = {"inherited_weights": factor * inherited, "alpha": likelihood}
    points = [
        {
            "structure": structure.tolist(),
            "truth": factor * truth[index],
            "proxies": {name: values[index] for name, values in shown.items()},
            "operations": int(structure.sum()),
        }
        for index, structure in enumerate(structures)
    ]
    agreement = {name: _agreement(values, truth) for name, values in proxies.items()}
    return {"metric": objective, "points": points, "agreement": agreement}


def _agreement(proxy: np.ndarray, truth: np.ndarray) -> dict[str, float]:
    sound = np.isfinite(proxy) & np.isfinite(truth)
    found = kendalltau(proxy[sound], truth[sound])
    return {"kendall_tau": float(found.statistic), "p_value": float(found.pvalue)}


def _log_probability(structures: np.ndarray, alpha: Any) -> np.ndarray:
    gates = 1 / (1 + np.exp(-np.asarray(alpha, float)))
    return np.log(np.where(structures, gates, 1 - gates)).sum(axis=(1, 2))


def _number(value: Any) -> float:
    return float("nan") if value is None else float(value)
