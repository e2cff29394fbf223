"""The performance predictor: from features of tried candidates to scores of untried ones.

AutoBLM (Zhang, Yao, Kwok, TPAMI 2022) trains a small neural network on symmetry-related features to
choose among many candidates the few worth training. Here it is ridge regression with the penalty
chosen by its leave-one-out error, in closed form: no randomness, nothing compiled, well under a
millisecond for thousands of observations.
"""

from __future__ import annotations

import dataclasses
from typing import NamedTuple, Protocol

import numpy as np


class Prediction(NamedTuple):
    """Predicted scores.

    Attributes:
        mean: `float64[m]`.
        spread: `float64[m]`, one standard deviation of what is not known about the mean.
    """

    mean: np.ndarray
    spread: np.ndarray


class Predictor(Protocol):
    """Learns from all observations anew each time it is asked."""

    def predict(self, features: np.ndarray, scores: np.ndarray, queries: np.ndarray) -> Prediction:
        """Predict the scores of `queries`.

        Args:
            features: `float[n, F]` of the candidates tried, n >= 1.
            scores: `float[n]`, -inf for what diverged.
            queries: `float[m, F]` of the candidates in question.

        Returns:
            The prediction for each query.
        """
        ...


@dataclasses.dataclass(frozen=True)
class RidgePredictor:
    """Linear in the standardised features, with a penalty on the weights.

    Attributes:
        penalties: The penalties to choose from by the leave-one-out error.
    """

    penalties: tuple[float, ...] = tuple(np.logspace(-2, 4, 25).tolist())

    def predict(self, features: np.ndarray, scores: np.ndarray, queries: np.ndarray) -> Prediction:
        """See `Predictor.predict`; what diverged counts as scoring like the worst that did not."""
        observed, asked = _standardise(features.astype(np.float64), queries.astype(np.float64))
        scores = _without_infinities(scores.astype(np.float64))
        offset = scores.mean()
        # In the basis of the singular vectors, every penalty costs a few products only.
        left, singular, right = np.linalg.svd(observed, full_matrices=False)
        errors = [
            _leave_one_out_error(left, singular, scores - offset, penalty)
            for penalty in self.penalties
        ]
        penalty = self.penalties[int(np.argmin(errors))]

        directions = asked @ right.T
        shrunk = directions / (singular**2 + penalty)
        mean = offset + (shrunk * singular) @ (left.T @ (scores - offset))
        # Variance of the offset and of the weights, those of unseen directions as in the prior.
        unseen = np.maximum((asked**2).sum(axis=1) - (directions**2).sum(axis=1), 0.0) / penalty
        variance = min(errors) * (1.0 / len(scores) + (shrunk * directions).sum(axis=1) + unseen)
        return Prediction(mean, np.sqrt(variance))


def _leave_one_out_error(
    left: np.ndarray, singular: np.ndarray, centred: np.ndarray, penalty: float
) -> float:
    """Return the mean squared error of predicting each observation from all others.

    Args:
        left: `float64[n, k]`, left singular vectors of the features.
        singular: `float64[k]`, their singular values.
        centred: `float64[n]`, scores less their mean.
        penalty: Of the ridge.
    """
    kept = singular**2 / (singular**2 + penalty)
    residuals = centred - left @ (kept * (left.T @ centred))
    # The offset, which is fitted too, takes 1 / n.
    leverage = left**2 @ kept + 1.0 / len(centred)
    return float(np.mean((residuals / np.maximum(1.0 - leverage, 1e-9)) ** 2))


def _standardise(features: np.ndarray, queries: np.ndarray) -> tuple[np.ndarray, np.ndarray]:
    """Standardise both by mean and standard deviation of `features`; constant columns become 0."""
    centre, scale = features.mean(axis=0), features.std(axis=0)
    varies = scale > 1e-9
    inverse = np.where(varies, 1.0 / np.where(varies, scale, 1.0), 0.0)
    return (features - centre) * inverse, (queries - centre) * inverse


def _without_infinities(scores: np.ndarray) -> np.ndarray:
    finite = np.isfinite(scores)
    worst = scores[finite].min() if finite.any() else 0.0
    return np.where(finite, scores, worst)
