import dataclasses
from pathlib import Path

import pytest

from kapl_jax.runs.report.models import (
    Spread,
    best_baseline,
    final_models,
    found_model,
    mean_of,
    read_metrics,
)
from kapl_jax.runs.run_directory import read_run
from tests.runs.report.fake_run import write_fake_run


def test_metrics_are_read_with_and_without_deviation() -> None:
    given = {"mrr": {"mean": 0.5, "std": 0.1}, "auc": 0.7, "hits_at_1": None, "pattern": "N-N"}
    assert read_metrics(given) == {"mrr": Spread(0.5, 0.1), "auc": Spread(0.7)}
    assert read_metrics(None) == {}


def test_final_models_are_ordered_by_validation(tmp_path: Path) -> None:
    models = final_models(read_run(write_fake_run(tmp_path / "a")))
    means = [mean_of(model.valid, "mrr") for model in models]
    assert means == sorted(means, reverse=True)
    assert {model.name for model in models if model.searched} == {"searched-1", "searched-2"}
    assert {model.name for model in models if not model.searched} == {
        *("distmult", "complex", "analogy", "simple", "quate")
    }


@pytest.mark.parametrize(("best", "searched"), [("searched-1", True), ("complex", False)])
def test_found_model_is_what_the_results_say(tmp_path: Path, best: str, searched: bool) -> None:
    run = read_run(write_fake_run(tmp_path / "a", best=best))
    found, baseline = found_model(run), best_baseline(run)
    assert found is not None
    assert baseline is not None
    assert run.results is not None
    assert (found.name, found.searched) == (best, searched)
    assert found.test["mrr"].mean == run.results["test"]["mrr"]["mean"]
    assert baseline.name == "complex"


def test_a_method_without_searched_entries_still_has_its_found_model(tmp_path: Path) -> None:
    run = read_run(write_fake_run(tmp_path / "a"))
    results = {key: entry for key, entry in (run.results or {}).items() if key != "searched"}
    run = dataclasses.replace(run, results=results)
    assert final_models(run)[0].name == "found"
    assert final_models(run)[0].searched


def test_an_unfinished_run_has_no_models(tmp_path: Path) -> None:
    run = read_run(write_fake_run(tmp_path / "a", finished=False))
    assert final_models(run) == []
    assert found_model(run) is None
    assert best_baseline(run) is None
