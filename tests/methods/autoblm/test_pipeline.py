"""Whole runs of AutoBLM on a tiny graph: their bookkeeping, their results, what they compile."""

from __future__ import annotations

import dataclasses
import json
from pathlib import Path

import jax
import numpy as np
import pytest

from kapl_jax.bilinear.algebra import canonical_form
from kapl_jax.bilinear.presets import preset
from kapl_jax.data.knowledge_graph import load_knowledge_graph
from kapl_jax.errors import UserError
from kapl_jax.methods.autoblm.method import AUTOBLM
from kapl_jax.methods.autoblm.settings import AutoBLMSettings
from kapl_jax.methods.models import ModelStore
from kapl_jax.methods.pipeline import run_method
from kapl_jax.runs.run_directory import Run
from kapl_jax.search.trainer import PopulationTrainer
from tests.compilations import counted_compilations
from tests.evaluation.slow import assert_metrics_within
from tests.methods.autoblm.tiny import (
    slow_metrics,
    slow_rank_bounds,
    tiny_graph,
    write_tiny_graph,
)
from tests.methods.whole_runs import candidates, run_killed, run_of, without_seconds
from tests.runs.damage import cut, largest_file

pytestmark = [pytest.mark.slow, pytest.mark.usefixtures("compiled_plainly")]
# All stages train four at a time at one dimension, with one program for all of them.
SMALL = {
    "candidates": 12,
    "round_size": 4,
    "chunk_size": 4,
    "epochs": 2,
    "embedding_dim": 8,
    "final_embedding_dim": 8,
    "batch_size": 16,
    "one_shot_pool": 20,
    "one_shot_epochs": 2,
    "presets": "none",
    "tuning_samples": 1,
    "seeds": 1,
    "finalists": 4,
    "final_epochs": 2,
    "log_progress": False,
}
GIVEN = "distmult|complex|1 0 0 0;0 2 0 0;0 0 3 4;0 0 -4 3|simple"


def small_settings(folder: Path, **changes) -> AutoBLMSettings:
    graph = folder / "graph"
    if not graph.is_dir():
        write_tiny_graph(graph)
    return AutoBLMSettings(dataset=str(graph), workdir=str(folder / "run"), **{**SMALL, **changes})


def run(settings: AutoBLMSettings) -> Run:
    return run_of(AUTOBLM, settings)


@pytest.fixture
def compilations():
    with counted_compilations() as counter:
        yield counter


def test_the_counter_counts(compilations):
    factor = np.random.default_rng().random()
    multiply = jax.jit(lambda x: factor * x)
    multiply(np.ones(3))
    once = compilations.count
    assert once > 0
    multiply(np.ones(3))
    assert compilations.count == once
    multiply(np.ones(4))
    assert compilations.count > once


@pytest.mark.parametrize(
    "changes",
    [
        {"searcher": "random"},
        {"searcher": "evolutionary"},
        {"searcher": "progressive"},
        {"searcher": "one_shot"},
        {"searcher": "evolutionary", "halving_rungs": 2, "halving_factor": 2},
    ],
    ids=lambda changes: "-".join(map(str, changes.values())),
)
def test_a_search_compiles_in_its_first_round_only(tmp_path, compilations, no_report, changes):
    found = run(small_settings(tmp_path, **changes))
    by_round = [compilations.by_round[number] for number in range(3)]
    assert by_round[0] > 0
    assert by_round == [by_round[0]] * 3
    check_search(found, changes)


def check_search(found: Run, changes) -> None:
    searched = candidates(found, "search")
    assert len(searched) == found.results["candidates_trained"] == 12
    assert len({event["id"] for event in searched}) == 12
    structures = np.array([event["candidate"] for event in searched], np.int8)
    assert len(np.unique(canonical_form(structures), axis=0)) == 12
    halved = "halving_rungs" in changes
    assert [event["complete"] for event in searched].count(True) == (6 if halved else 12)
    # The best that were trained to the end go on.
    complete = [event for event in searched if event["complete"]]
    best = sorted(complete, key=lambda event: -event["score"])[:4]
    finalists = [one["structure"] for one in found.results["searched"]]
    assert sorted(finalists) == sorted(event["candidate"] for event in best)
    assert found.results["searcher"] == changes["searcher"]


@pytest.fixture(scope="module")
def full_run(tmp_path_factory, compiled_plainly) -> Run:
    """A run with every stage: presets, tuning, seeds."""
    folder = tmp_path_factory.mktemp("full")
    changes = {
        "candidates": 4,
        "presets": "complex,distmult",
        "tuning_samples": 3,
        "seeds": 2,
        "finalists": 1,
        "final_epochs": 4,
        "evaluate_every": 1,
    }
    return run(small_settings(folder, **changes))


def test_every_contender_is_tuned_alike(full_run):
    tuned = candidates(full_run, "tuning")
    assert len(tuned) == 3 * 3
    by_name = {}
    for event in tuned:
        by_name.setdefault(event["name"], []).append(event)
    assert set(by_name) == {"searched-1", "complex", "distmult"}
    tried = [[event["hyperparameters"] for event in events] for events in by_name.values()]
    assert tried[0] == tried[1] == tried[2]
    finals = candidates(full_run, "final")
    for name, events in by_name.items():
        best = max(events, key=lambda event: event["score"])["hyperparameters"]
        chosen = [event["hyperparameters"] for event in finals if event["name"] == name]
        assert chosen == [best, best]


def test_results_are_means_over_seeds(full_run):
    finals = candidates(full_run, "final")
    results = full_run.results
    rows = {**results["baselines"], "searched-1": results["searched"][0]}
    assert set(rows) == {"complex", "distmult", "searched-1"}
    for name, row in rows.items():
        of_seeds = [event for event in finals if event["name"] == name]
        assert sorted(event["seed"] for event in of_seeds) == [0, 1]
        for split in ("valid", "test"):
            for metric, figures in row[split].items():
                values = [event[split][metric] for event in of_seeds]
                assert figures["mean"] == pytest.approx(np.mean(values))
                assert figures["std"] == pytest.approx(np.std(values, ddof=1))
    np.testing.assert_array_equal(rows["complex"]["structure"], preset("complex", 4))


def test_the_best_is_chosen_on_validation(full_run):
    results = full_run.results
    rows = {**results["baselines"], "searched-1": results["searched"][0]}
    best = max(rows, key=lambda name: rows[name]["valid"]["mrr"]["mean"])
    assert results["best"]["name"] == best
    for key in ("valid", "test", "parameters"):
        assert results[key] == rows[best][key]
    assert results["parameters"] == 8 * (12 + 3)
    assert results["seeds"] == 2


def test_the_best_epoch_is_kept(full_run):
    for event in candidates(full_run, "final"):
        assert 1 <= event["epochs"] <= 4
        assert event["score"] == event["valid"]["mrr"]


def test_the_model_kept_gives_the_recorded_figures(full_run):
    variables, description = ModelStore(full_run.path / "checkpoints").load_best()
    best = full_run.results["best"]
    of_seeds = [one for one in candidates(full_run, "final") if one["name"] == best["name"]]
    chosen = max(of_seeds, key=lambda event: event["score"])
    assert description["structure"] == best["structure"]
    graph = load_knowledge_graph(full_run.config["settings"]["dataset"])
    known = np.concatenate([graph.train, graph.valid, graph.test])
    structure = np.array(best["structure"], np.int8)
    for split, ranked in (("valid", graph.valid), ("test", graph.test)):
        bounds = slow_rank_bounds(structure, variables["params"], ranked, known)
        assert_metrics_within(chosen[split], slow_metrics, bounds)


def test_groups_hold_every_test_triple(full_run):
    results, total = full_run.results, len(tiny_graph().test)
    by_relation = results["by_relation"].values()
    assert sum(one["count"] for one in by_relation) == total
    mean = sum(one["count"] * one["mrr"] for one in by_relation) / total
    assert mean == pytest.approx(results["test"]["mrr"]["mean"], rel=1e-5)


def test_only_the_best_model_is_left(full_run):
    assert [entry.name for entry in (full_run.path / "checkpoints").iterdir()] == ["model"]
    assert (full_run.path / "report" / "index.html").is_file()


def test_the_same_command_again_ends_at_once(full_run, monkeypatch):
    settings = AutoBLMSettings(**full_run.config["settings"], workdir=str(full_run.path))
    before = (full_run.path / "results.json").read_bytes()
    (full_run.path / "report" / "index.html").unlink()

    def refuse(*_):
        raise AssertionError("trained again")

    monkeypatch.setattr(PopulationTrainer, "start", refuse)
    run_method(AUTOBLM, settings)
    assert (full_run.path / "results.json").read_bytes() == before
    assert (full_run.path / "report" / "index.html").is_file()


def test_structures_given_instead_of_a_search(given_run):
    results = given_run.results
    names = {"distmult", "complex", "given-3", "simple"}
    assert {one["name"] for one in results["searched"]} == names
    assert results["baselines"] == {}
    assert results["searcher"] == "none"
    assert results["candidates_trained"] == 0


@pytest.fixture(scope="module")
def given_run(tmp_path_factory, compiled_plainly) -> Run:
    """A run without a search."""
    return run(small_settings(tmp_path_factory.mktemp("given"), structure=GIVEN, presets="complex"))


def test_killed_at_every_moment_of_the_end(tmp_path, monkeypatch, given_run, no_report):
    """Models are given up only when nothing needs them any more."""
    settings = small_settings(tmp_path, structure=GIVEN, presets="complex")
    run_killed(AUTOBLM, settings, monkeypatch, "search.chunk_training.ChunkTraining.forget")
    run_killed(AUTOBLM, settings, monkeypatch, "methods.models.ModelStore.keep_best")
    run_killed(AUTOBLM, settings, monkeypatch, "runs.run_directory.RunDirectory.write_results")
    run_killed(AUTOBLM, settings, monkeypatch, "methods.models.ModelStore.drop_others")
    run_killed(AUTOBLM, settings, monkeypatch, "methods.pipeline.write_report")
    monkeypatch.setattr(PopulationTrainer, "train", None)
    found = run(settings)
    assert without_seconds(found.results) == without_seconds(given_run.results)
    ids = [event["id"] for event in candidates(found, "final")]
    assert len(ids) == len(set(ids)) == 4
    assert [entry.name for entry in (found.path / "checkpoints").iterdir()] == ["model"]


def test_a_killed_one_shot_search_goes_on_with_its_weights(tmp_path, monkeypatch, no_report):
    changes = {"searcher": "one_shot", "checkpoint_seconds": 0.0, "one_shot_epochs": 8}
    (tmp_path / "a").mkdir()
    undisturbed = run(small_settings(tmp_path / "a", **changes))
    (tmp_path / "b").mkdir()
    settings = small_settings(tmp_path / "b", **changes)
    # Within the training of the weights, before they are recorded, and before they score.
    run_killed(AUTOBLM, settings, monkeypatch, "search.trainer.PopulationTrainer.evaluate")
    run_killed(AUTOBLM, settings, monkeypatch, "methods.models.ModelStore.save_shared")
    run_killed(AUTOBLM, settings, monkeypatch, "search.shared_weights.SharedWeights.scores")
    found = run(settings)
    (weights,) = candidates(found, "shared_weights")
    assert weights["epochs"] == 8
    for stage in ("shared_weights", "search", "final"):
        scores = [
            [event["score"] for event in candidates(one, stage)] for one in (undisturbed, found)
        ]
        assert scores[0] == scores[1]
    assert [entry.name for entry in (found.path / "checkpoints").iterdir()] == ["model"]


def test_damaged_models_are_trained_again(tmp_path, monkeypatch, capsys, given_run, no_report):
    settings = small_settings(tmp_path, structure=GIVEN, presets="complex")
    run_killed(AUTOBLM, settings, monkeypatch, "methods.models.ModelStore.keep_best")
    checkpoints = Path(settings.workdir) / "checkpoints"
    cut(largest_file(checkpoints / "finalists"))
    found = run(settings)
    assert without_seconds(found.results) == without_seconds(given_run.results)
    cut(largest_file(checkpoints / "model"))
    assert run(settings).results["best"] == found.results["best"]
    variables, _ = ModelStore(checkpoints).load_best()
    expected, _ = ModelStore(given_run.path / "checkpoints").load_best()
    for name, array in expected["params"].items():
        np.testing.assert_allclose(variables["params"][name], array, rtol=1e-4, atol=1e-6)
    (Path(settings.workdir) / "results.json").write_text("{")
    assert without_seconds(run(settings).results) == without_seconds(given_run.results)
    ids = [event["id"] for event in candidates(found, "final")]
    assert len(ids) == len(set(ids)) == 4
    told = capsys.readouterr().err.splitlines()
    assert ["finalists" in told[0], "model" in told[1], "results.json" in told[2]] == [True] * 3


def test_another_run_is_refused(full_run):
    settings = AutoBLMSettings(**full_run.config["settings"], workdir=str(full_run.path))
    with pytest.raises(UserError, match=r"holds another run .*--seed=0, not 1"):
        run_method(AUTOBLM, dataclasses.replace(settings, seed=1))


def test_a_changed_graph_is_another_run(tmp_path, monkeypatch):
    settings = small_settings(tmp_path, structure="distmult")
    run_killed(AUTOBLM, settings, monkeypatch, "search.trainer.PopulationTrainer.start")
    train = tmp_path / "graph" / "train.txt"
    lines = train.read_text().splitlines()
    train.write_text("\n".join([*lines[1:], lines[0]]) + "\n")
    with pytest.raises(UserError, match=r"holds another run .*dataset of the same counts, but"):
        run_method(AUTOBLM, settings)


def test_all_diverged_is_one_line(tmp_path, monkeypatch):
    settings = small_settings(tmp_path, candidates=4, learning_rate=100)
    # Larger than the flag allows.
    changed = {**settings.hyperparameters(), "regularisation": 1e38}
    monkeypatch.setattr(AutoBLMSettings, "hyperparameters", lambda self: changed)
    with pytest.raises(UserError, match=r"--learning_rate=100 .*: all 4 structures diverged"):
        run_method(AUTOBLM, settings)


def test_samples_stay_near_the_given_numbers():
    settings = AutoBLMSettings(tuning_samples=200, tuning_dropout=0.3, seed=4)
    samples = settings.sampled_hyperparameters()
    assert samples[0] == settings.hyperparameters()
    assert samples == settings.sampled_hyperparameters()
    assert samples != dataclasses.replace(settings, seed=5).sampled_hyperparameters()
    assert len({json.dumps(one) for one in samples}) == 200
    rates = np.array([one["learning_rate"] for one in samples]) / settings.learning_rate
    assert rates.min() >= 1 / 3
    assert rates.max() <= 3
    assert rates.min() < 0.5
    assert rates.max() > 2
    penalties = np.array([one["regularisation"] for one in samples]) / settings.regularisation
    assert penalties.min() >= 0.1
    assert penalties.max() <= 10
    assert all(0.98 <= one["decay"] <= 1 for one in samples)
    assert all(0 <= one["dropout"] <= 0.3 for one in samples)
