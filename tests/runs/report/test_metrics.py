import math

import pytest

from kapl_jax.runs.report.metrics import (
    Spread,
    axis_label,
    better,
    direction_note,
    merit,
    metric_label,
    read_metrics,
)


def test_metrics_are_read_with_and_without_deviation() -> None:
    given = {"mrr": {"mean": 0.5, "std": 0.1}, "auc": 0.7, "hits_at_1": None, "pattern": "N-N"}
    assert read_metrics(given) == {"mrr": Spread(0.5, 0.1), "auc": Spread(0.7)}
    assert read_metrics(None) == {}


@pytest.mark.parametrize(
    ("name", "label"),
    [
        ("mrr", "MRR"),
        ("hits_at_10", "Hits@10"),
        ("mse", "MSE"),
        ("mae", "MAE"),
        ("ndcg_at_3", "nDCG@3"),
        ("ndcg_at_5", "nDCG@5"),
        ("mean_rank", "Mean rank"),
        ("roc_auc_of_tasks", "roc auc of tasks"),
    ],
)
def test_metric_labels(name: str, label: str) -> None:
    assert metric_label(name) == label


def test_merit_is_higher_for_what_is_better() -> None:
    values = {"mse": Spread(0.2), "mrr": Spread(0.5)}
    assert merit(values, "mse") == -0.2
    assert merit(values, "mrr") == 0.5
    assert merit(values, "auc") == -math.inf
    assert merit({}, "mse") == -math.inf


def test_axes_and_notes_say_where_lower_is_better() -> None:
    assert axis_label("mse", "validation") == "validation MSE (lower is better)"
    assert axis_label("mrr", "test") == "test MRR"
    assert axis_label("mrr") == "MRR"
    assert direction_note(["mrr", "ndcg_at_3"]) == ""
    assert direction_note(["mse", "mrr", "mse"]) == "Lower is better for MSE."
    assert direction_note(["mse", "mae", "mean_rank"]) == (
        "Lower is better for MSE, MAE and Mean rank."
    )
    assert (better(1.0), better(-1.0)) == ("higher is better", "lower is better")
