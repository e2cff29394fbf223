import dataclasses
from pathlib import Path

import numpy as np
import pytest

from kapl_jax.runs.report.models import best_baseline, final_models, found_model, symbols
from kapl_jax.runs.run_directory import read_run
from tests.runs.report.fake_runs import write_fake_cold_run, write_fake_run


def test_final_models_are_ordered_by_validation(tmp_path: Path) -> None:
    models = final_models(read_run(write_fake_run(tmp_path / "a")))
    means = [model.valid["mrr"].mean for model in models]
    assert means == sorted(means, reverse=True)
    assert {model.name for model in models if model.searched} == {"searched-1", "searched-2"}
    assert {model.name for model in models if not model.searched} == {
        *("distmult", "complex", "analogy", "simple", "quate")
    }


def test_lower_is_first_where_it_is_better(tmp_path: Path) -> None:
    run = read_run(write_fake_cold_run(tmp_path / "a"))
    means = [model.valid["mse"].mean for model in final_models(run)]
    assert means == sorted(means)
    assert final_models(run)[0].name == "searched-1"
    baseline = best_baseline(run)
    assert baseline is not None
    assert baseline.name == "shift"


def test_symbols_are_whole_numbers_or_truth_values() -> None:
    assert np.array_equal(symbols([[True, False]]), [[True, False]])  # type: ignore[arg-type]
    assert np.array_equal(symbols([[1, -2]]), [[1, -2]])  # type: ignore[arg-type]
    assert symbols([[0.5, 1.0]]) is None
    assert symbols(None) is None
    assert symbols([]) is None


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
