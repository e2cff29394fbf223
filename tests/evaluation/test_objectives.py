"""Directions of metrics beside the metrics themselves, of a good model and of a bad one."""

import subprocess
import sys

import numpy as np
import pytest

from kapl_jax.evaluation.objectives import LOWER_IS_BETTER, sign
from kapl_jax.evaluation.ranking import METRIC_NAMES as RANKING
from kapl_jax.evaluation.ranking import mean_rank_metrics
from kapl_jax.evaluation.recommendation import METRIC_NAMES as RECOMMENDATION
from kapl_jax.evaluation.recommendation import user_metrics


@pytest.mark.parametrize("metric", RANKING)
def test_a_model_that_ranks_right_answers_first_scores_higher(metric):
    good, bad = mean_rank_metrics(np.array([[1.0, 2.0], [11.0, 12.0]]))[metric]
    assert sign(metric) * good > sign(metric) * bad


@pytest.mark.parametrize("metric", RECOMMENDATION)
def test_a_model_that_predicts_the_ratings_scores_higher(metric):
    ratings = np.array([[5.0, 4.0, 3.0, 2.0, 1.0, 0.0]])
    mask = np.ones_like(ratings, bool)
    good, bad = (
        float(user_metrics(predicted, ratings, mask)[metric][0])
        for predicted in (ratings, ratings[:, ::-1])
    )
    assert sign(metric) * good > sign(metric) * bad


def test_every_name_is_that_of_a_metric():
    assert {*RANKING, *RECOMMENDATION} >= LOWER_IS_BETTER


def test_reports_need_no_jax_to_know_the_direction():
    code = "import sys, kapl_jax.evaluation.objectives; print('jax' in sys.modules)"
    done = subprocess.run([sys.executable, "-c", code], check=True, capture_output=True, text=True)
    assert done.stdout == "False\n"
