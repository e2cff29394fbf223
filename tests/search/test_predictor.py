"""The ridge predictor against its definition."""

from __future__ import annotations

import logging

import numpy as np
import pytest
from scipy.stats import spearmanr

from kapl_jax.search.predictor import RidgePredictor


def problem(rng, count, noise=0.1, num_features=6):
    features = rng.integers(0, 2, (count, num_features)).astype(np.float32)
    weights = np.array([0.3, -0.2, 0.1, 0.0, 0.0, 0.05])[:num_features]
    return features, features @ weights + noise * rng.standard_normal(count)


def slow_ridge(features, scores, queries, penalty):
    """Normal equations on standardised features with an offset."""
    centre, scale = features.mean(0), features.std(0)
    scale[scale == 0] = np.inf
    observed, asked = (features - centre) / scale, (queries - centre) / scale
    gram = observed.T @ observed + penalty * np.eye(features.shape[1])
    weights = np.linalg.solve(gram, observed.T @ (scores - scores.mean()))
    spread = np.einsum("ij,jk,ik->i", asked, np.linalg.inv(gram), asked)
    return scores.mean() + asked @ weights, spread + 1 / len(scores)


def slow_leave_one_out(features, scores, penalty):
    """Mean squared error of refitting offset and weights without each observation in turn."""
    scale = features.std(0)
    scale[scale == 0] = np.inf
    design = np.c_[np.ones(len(scores)), (features - features.mean(0)) / scale]
    ridge = np.diag([0.0] + [penalty] * features.shape[1])
    errors = []
    for left_out in range(len(scores)):
        rest = np.delete(design, left_out, axis=0)
        others = np.delete(scores, left_out)
        weights = np.linalg.solve(rest.T @ rest + ridge, rest.T @ others)
        errors.append(scores[left_out] - design[left_out] @ weights)
    return np.mean(np.square(errors))


@pytest.mark.parametrize("count", [3, 5, 40])  # fewer and more observations than features
@pytest.mark.parametrize("penalty", [0.1, 10.0])
def test_equals_the_normal_equations(count, penalty):
    rng = np.random.default_rng(count)
    features, scores = problem(rng, count)
    features[:, 3] = 1.0  # a constant feature says nothing, even where a query differs in it
    queries, _ = problem(rng, 9)
    predicted = RidgePredictor((penalty,)).predict(features, scores, queries)
    features, queries = features.astype(float), queries.astype(float)
    mean, variance = slow_ridge(features, scores, queries, penalty)
    noise = slow_leave_one_out(features, scores, penalty)
    np.testing.assert_allclose(predicted.mean, mean, rtol=1e-8)
    np.testing.assert_allclose(predicted.spread**2, noise * variance, rtol=1e-6)


def test_chooses_the_penalty_with_the_smallest_leave_one_out_error():
    features, scores = problem(np.random.default_rng(3), 12, noise=0.3)
    penalties = (0.01, 1.0, 10.0, 100.0, 1000.0)
    best = min(penalties, key=lambda p: slow_leave_one_out(features.astype(float), scores, p))
    both = [RidgePredictor(p).predict(features, scores, features) for p in (penalties, (best,))]
    np.testing.assert_allclose(both[0].mean, both[1].mean)
    assert penalties[0] < best < penalties[-1]


def test_ranks_what_it_has_not_seen_and_knows_more_from_more():
    rng = np.random.default_rng(0)
    features, scores = problem(rng, 64)
    queries, truth = problem(rng, 300, noise=0.0)
    many = RidgePredictor().predict(features, scores, queries)
    few = RidgePredictor().predict(features[:8], scores[:8], queries)
    assert spearmanr(many.mean, truth).statistic > 0.9
    assert many.spread.mean() < few.spread.mean()


@pytest.mark.parametrize("scores", [[0.5], [0.2, 0.2], [-np.inf, 0.3], [-np.inf, -np.inf]])
def test_is_finite_whatever_little_it_is_given(scores):
    features = np.eye(len(scores), 3, dtype=np.float32)
    predicted = RidgePredictor().predict(features, np.array(scores), np.eye(3, dtype=np.float32))
    assert np.isfinite(predicted.mean).all()
    assert np.isfinite(predicted.spread).all()


def test_what_diverged_counts_as_the_worst():
    rng = np.random.default_rng(1)
    features, scores = problem(rng, 30)
    diverged, worst = scores.copy(), scores.copy()
    diverged[4], worst[4] = -np.inf, np.delete(scores, 4).min()
    predicted = [RidgePredictor().predict(features, s, features).mean for s in (diverged, worst)]
    np.testing.assert_array_equal(*predicted)


def test_compiles_nothing_however_many_observations(caplog):
    import jax

    jax.config.update("jax_log_compiles", True)
    try:
        with caplog.at_level(logging.DEBUG, logger="jax"):
            for count in (8, 16, 33):
                features, scores = problem(np.random.default_rng(count), count)
                RidgePredictor().predict(features, scores, features)
    finally:
        jax.config.update("jax_log_compiles", False)
    assert not [record for record in caplog.records if "ompil" in record.message]
