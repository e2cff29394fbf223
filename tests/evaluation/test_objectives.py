import subprocess
import sys

import pytest

from kapl_jax.evaluation.objectives import LOWER_IS_BETTER, sign
from kapl_jax.evaluation.ranking import METRIC_NAMES as RANKING
from kapl_jax.evaluation.recommendation import METRIC_NAMES as RECOMMENDATION


@pytest.mark.parametrize("metric", ["mse", "mae", "mean_rank"])
def test_errors_and_ranks_are_better_when_lower(metric):
    assert sign(metric) == -1.0


@pytest.mark.parametrize("metric", ["mrr", "hits_at_10", "ndcg_at_3", "ndcg_at_5", "auc"])
def test_all_others_are_better_when_higher(metric):
    assert sign(metric) == 1.0


def test_every_name_is_that_of_a_metric():
    assert {*RANKING, *RECOMMENDATION} >= LOWER_IS_BETTER


def test_reports_need_no_jax_to_know_the_direction():
    code = "import sys, kapl_jax.evaluation.objectives; print('jax' in sys.modules)"
    done = subprocess.run([sys.executable, "-c", code], check=True, capture_output=True, text=True)
    assert done.stdout == "False\n"
