"""Whole runs of ColdNAS on a few ratings: their bookkeeping, what they compile, how they resume."""

from __future__ import annotations

import dataclasses
import html
import itertools
import json
import re
from collections import Counter
from collections.abc import Iterator
from contextlib import contextmanager

import numpy as np
import pytest

from kapl_jax.errors import UserError
from kapl_jax.evaluation.objectives import sign
from kapl_jax.methods.coldnas.method import COLDNAS
from kapl_jax.methods.coldnas.settings import METRICS, ColdNASSettings
from kapl_jax.methods.coldnas.supernet import discretisations
from kapl_jax.methods.models import ModelStore
from kapl_jax.methods.pipeline import SearchPipeline, run_method
from kapl_jax.runs.run_directory import Run
from kapl_jax.search.chunk_training import ChunkTraining
from kapl_jax.search.searchers import REGISTRY
from kapl_jax.search.trainer import PopulationTrainer
from tests.compilations import counted_compilations
from tests.methods.coldnas.by_hand import slow_metrics
from tests.methods.coldnas.runs import (
    data_of,
    run,
    small_settings,
)
from tests.methods.whole_runs import Killed, candidates, run_killed, without_seconds

pytestmark = [pytest.mark.slow, pytest.mark.usefixtures("compiled_plainly")]

# Every stage that there is; populations of several seeds make two chunks.
EVERYTHING = {
    "searcher": "differentiable",
    "candidates": 9,
    "landscape": 6,
    "keep_gain": 0.9,
    "pruning_seeds": 2,
    "tuning_samples": 2,
    "presets": "film,none",
    "seeds": 2,
    "finalists": 1,
    "published_protocol": True,
    "checkpoint_seconds": 0.0,
}
STAGES = ("supernet", "search", "landscape", "pruning", "tuning", "final", "selected_on_test")
ROUNDS = {"candidates": 12, "round_size": 4}
SEARCHES = [
    {"searcher": "random", "objective": "mse"},
    {"searcher": "evolutionary", "objective": "mae"},
    {"searcher": "progressive", "objective": "ndcg_at_3"},
    {"searcher": "one_shot", "objective": "ndcg_at_5"},
    {"searcher": "decoupled", "objective": "ndcg_at_3"},
    # Twice four at a time, of which four stay.
    {"searcher": "evolutionary", "halving_rungs": 2, "round_size": 8, "candidates": 24},
    {"search_space": "networks", "searcher": "decoupled", "objective": "mae"},
]


@pytest.fixture
def compilations():
    with counted_compilations() as counter:
        yield counter


def test_searches_cover_every_searcher_space_and_objective():
    assert {one["searcher"] for one in (*SEARCHES, EVERYTHING)} == set(REGISTRY)
    assert {one.get("objective", "mse") for one in SEARCHES} == set(METRICS)
    assert {one.get("search_space") for one in SEARCHES} == {None, "networks"}


@pytest.mark.parametrize(
    "changes", SEARCHES, ids=lambda changes: "-".join(map(str, changes.values()))
)
def test_a_search_compiles_in_its_first_round_only(tmp_path, compilations, no_report, changes):
    found = run(small_settings(tmp_path, **{**ROUNDS, "halving_factor": 2, **changes}))
    assert compilations.by_round[0] > 0
    assert compilations.by_round == [compilations.by_round[0]] * 3
    check_search(found, changes)


def check_search(found: Run, changes) -> None:
    searched, count = candidates(found, "search"), changes.get("candidates", 12)
    assert len(searched) == found.results["candidates_trained"] == count
    assert len({json.dumps(event["candidate"]) for event in searched}) == count
    objective = changes.get("objective", "mse")
    for event in searched:
        assert set(event["valid"]) == set(METRICS)
        assert event["score"] == sign(objective) * event["valid"][objective]
    # Of those trained to the end the best go on: lower errors and higher nDCG are better.
    complete = [event for event in searched if event["complete"]]
    assert len(complete) == (count // 2 if "halving_rungs" in changes else count)
    factor = 1 if objective in ("mse", "mae") else -1
    best = sorted(complete, key=lambda event: factor * event["valid"][objective])[:4]
    finalists = [one["structure"] for one in found.results["searched"]]
    assert sorted(finalists) == sorted(event["candidate"] for event in best)
    assert found.results["searcher"] == changes["searcher"]
    assert found.results["objective"] == objective
    shape = np.array(finalists).shape
    assert shape == ((4, 2, 4) if "search_space" not in changes else (4, 2, shape[2]))


@pytest.fixture(scope="module")
def trainers():
    """Trainers of runs that share what they compile, by problem."""
    return {}


@contextmanager
def sharing(trainers) -> Iterator[None]:
    """Let runs of one problem, however often they are continued, share what they compile."""
    trainer_of = SearchPipeline.trainer_of

    def shared(pipeline, problem):
        key = type(problem), problem.options, problem.cold_start.describe()["digest"]
        if key not in trainers:
            trainers[key] = trainer_of(pipeline, problem)
        return trainers[key]

    with pytest.MonkeyPatch.context() as patch:
        patch.setattr(SearchPipeline, "trainer_of", shared)
        yield


@pytest.fixture(scope="module")
def full_run(tmp_path_factory, compiled_plainly, trainers) -> Run:
    """A run with every stage, whose search compiles in its first round only."""
    with counted_compilations() as counter, sharing(trainers):
        found = run(small_settings(tmp_path_factory.mktemp("full"), **EVERYTHING))
    assert counter.by_round[0] > 0
    assert counter.by_round == [counter.by_round[0]] * 3
    return found


def test_the_run_has_every_stage(full_run):
    recorded = [event["stage"] for event in full_run.events if event["event"] == "candidate"]
    assert tuple(dict.fromkeys(recorded)) == STAGES
    assert Counter(recorded)["landscape"] == 6
    assert Counter(recorded)["final"] == 2 * len({e["name"] for e in candidates(full_run, "final")})
    assert [entry.name for entry in (full_run.path / "checkpoints").iterdir()] == ["model"]


def test_the_differentiable_search_trains_what_its_supernets_suggest(full_run):
    alpha = np.array([event["alpha"] for event in candidates(full_run, "supernet")])
    assert alpha.shape == (2, 2, 4)
    assert np.abs(alpha).min() > 0
    suggested = discretisations(alpha)[::-1]
    searched = np.array([event["candidate"] for event in candidates(full_run, "search")])
    # When all were trained, others are sampled.
    np.testing.assert_array_equal(searched[: len(suggested)], suggested)
    assert len(searched) == 12


def test_every_contender_is_tuned_alike(full_run):
    tuned = candidates(full_run, "tuning")
    by_name = {}
    for event in tuned:
        by_name.setdefault(event["name"], []).append(event)
    assert {"searched-1", "film", "none"} <= set(by_name)
    tried = [[event["hyperparameters"] for event in events] for events in by_name.values()]
    assert all(len(one) == 2 and one == tried[0] for one in tried)
    for name, events in by_name.items():
        best = max(events, key=lambda event: event["score"])["hyperparameters"]
        finals = [one for one in candidates(full_run, "final") if one["name"] == name]
        assert [one["hyperparameters"] for one in finals] == [best, best]


def test_the_model_kept_gives_the_recorded_figures(full_run):
    """Predictions, errors and order once more by hand, user by user."""
    variables, description = ModelStore(full_run.path / "checkpoints").load_best()
    best = full_run.results["best"]
    of_seeds = [one for one in candidates(full_run, "final") if one["name"] == best["name"]]
    chosen = max(of_seeds, key=lambda event: event["score"])
    assert description["structure"] == best["structure"]
    settings = ColdNASSettings(**full_run.config["settings"], workdir="")
    data = data_of(settings)
    structure = np.array(best["structure"], bool)
    for split, tasks in (("valid", data.valid), ("test", data.test)):
        expected = slow_metrics(variables["params"]["model"], structure, data, tasks)
        for metric, (lowest, highest) in expected.items():
            assert lowest * (1 - 1e-4) <= chosen[split][metric] <= highest * (1 + 1e-4), metric


def test_pruning_uses_other_seeds_than_the_search(full_run):
    assert {event["seed"] for event in candidates(full_run, "search")} == {0}
    assert {event["seed"] for event in candidates(full_run, "pruning")} == {1, 2}


def test_the_published_protocol_selects_on_test_users_and_stands_apart(full_run):
    leaking = candidates(full_run, "selected_on_test")
    chosen = {"film", "none", full_run.results["best"]["name"]}
    assert {event["name"] for event in leaking} == chosen
    protocols = full_run.results["published"]["protocols"]
    for name in chosen:
        of_seeds = [event for event in leaking if event["name"] == name]
        finals = [event for event in candidates(full_run, "final") if event["name"] == name]
        for metric in METRICS:
            leaked = np.mean([event["valid"][metric] for event in of_seeds])
            assert protocols["test"][name][metric]["mean"] == pytest.approx(leaked)
            tested = np.mean([event["test"][metric] for event in finals])
            assert protocols["validation"][name][metric]["mean"] == pytest.approx(tested)
        # The same training: where both keep the same epoch, figures agree.
        for one, other in zip(of_seeds, finals, strict=True):
            assert one["seed"] == other["seed"]
            assert one["valid"]["mse"] <= other["test"]["mse"] * (1 + 1e-5)
            if one["epochs"] == other["epochs"]:
                assert one["valid"]["mse"] == pytest.approx(other["test"]["mse"], rel=1e-5)


def test_all_other_figures_are_of_training_selected_on_validation(full_run):
    results = full_run.results
    rows = {**results["baselines"], **{one["name"]: one for one in results["searched"]}}
    finals = {name: [] for name in rows}
    for event in candidates(full_run, "final"):
        finals[event["name"]].append(event)
    for name, row in rows.items():
        for split, metric in itertools.product(("valid", "test"), METRICS):
            values = [event[split][metric] for event in finals[name]]
            assert row[split][metric]["mean"] == pytest.approx(np.mean(values), rel=1e-12)
            assert row[split][metric]["std"] == pytest.approx(np.std(values, ddof=1), rel=1e-9)
    best = max(finals, key=lambda name: np.mean([event["score"] for event in finals[name]]))
    assert results["best"]["name"] == best
    assert (results["valid"], results["test"]) == (rows[best]["valid"], rows[best]["test"])
    # What is selected on test users differs, so that figures of it would be seen.
    for event in candidates(full_run, "selected_on_test"):
        honest = [one["valid"]["mse"] for one in finals[event["name"]]]
        assert np.abs(np.subtract(honest, event["valid"]["mse"])).min() > 1e-6


def test_the_same_command_again_ends_at_once(full_run, monkeypatch):
    settings = ColdNASSettings(**full_run.config["settings"], workdir=str(full_run.path))
    before = (full_run.path / "results.json").read_bytes()

    def refuse(*_):
        raise AssertionError("trained again")

    monkeypatch.setattr(PopulationTrainer, "start", refuse)
    run_method(COLDNAS, settings)
    assert (full_run.path / "results.json").read_bytes() == before


def kill_in(stage: str, moment: str, patch: pytest.MonkeyPatch) -> None:
    """Make a run end in the middle of a training, or when some results of a stage are recorded."""
    run_chunk, train = ChunkTraining.run, PopulationTrainer.train
    inside = []

    def run_marked(self, tag, *rest, **keywords):
        inside[:] = [tag["stage"]]
        return run_chunk(self, tag, *rest, **keywords)

    def train_half(self, chunk, epochs, after_part=None):
        if moment == "training" and inside == [stage] and chunk.epoch == 1:
            raise Killed
        return train(self, chunk, epochs, after_part)

    def forget(self, recorded):
        if moment == "recorded" and inside == [stage]:
            raise Killed

    patch.setattr(ChunkTraining, "run", run_marked)
    patch.setattr(PopulationTrainer, "train", train_half)
    if moment == "recorded":
        patch.setattr(ChunkTraining, "forget", forget)


@pytest.fixture
def trained_once(monkeypatch):
    """Check that nothing is trained whose result is recorded; return the stages that trained."""
    run_chunk, stages = ChunkTraining.run, []

    def checked(self, tag, members, *rest, **keywords):
        lines = (self.folder.parents[1] / "metrics.jsonl").read_text().splitlines()
        events = map(json.loads, lines)
        done = {e["id"] for e in events if (e["event"], e["stage"]) == ("candidate", tag["stage"])}
        assert not done & {one.id for one in members}
        stages.append(tag["stage"])
        return run_chunk(self, tag, members, *rest, **keywords)

    monkeypatch.setattr(ChunkTraining, "run", checked)
    return stages


def test_killed_in_every_stage(tmp_path, monkeypatch, full_run, trainers, no_report, trained_once):
    settings = small_settings(tmp_path, **EVERYTHING)
    for stage, moment in zip(STAGES, itertools.cycle(("training", "recorded"))):
        with monkeypatch.context() as patch, sharing(trainers):
            kill_in(stage, moment, patch)
            with pytest.raises(Killed):
                run_method(COLDNAS, settings)
        assert trained_once[-1] == stage
    with sharing(trainers):
        found = run(settings)
    assert without_seconds(found.results) == without_seconds(full_run.results)
    recorded = [(e["stage"], e["id"]) for e in found.events if e["event"] == "candidate"]
    assert len(recorded) == len(set(recorded))
    expected = [(e["stage"], e["id"]) for e in full_run.events if e["event"] == "candidate"]
    assert recorded == expected


def test_killed_at_every_moment_of_the_end(tmp_path, monkeypatch, no_report):
    """Models are given up only when nothing needs them any more."""
    settings = small_settings(tmp_path, structure="film|shift; max|scale; -|min; -", presets="none")
    places = (
        "methods.models.ModelStore.keep_best",
        "runs.run_directory.RunDirectory.write_results",
        "methods.models.ModelStore.drop_others",
        "methods.pipeline.write_report",
    )
    for place in places:
        run_killed(COLDNAS, settings, monkeypatch, place)
    monkeypatch.setattr(PopulationTrainer, "train", None)
    found = run(settings)
    assert [one["name"] for one in candidates(found, "final")] == [
        "film",
        "given-2",
        "given-3",
        "given-4",
    ]
    assert len(found.results["searched"]) == 4
    assert found.results["searcher"] == "none"
    assert found.results["candidates_trained"] == 0
    assert [entry.name for entry in (found.path / "checkpoints").iterdir()] == ["model"]


def test_another_run_is_refused(full_run):
    settings = ColdNASSettings(**full_run.config["settings"], workdir=str(full_run.path))
    with pytest.raises(UserError, match=r"holds another run .*--landscape=6, not 7"):
        run_method(COLDNAS, dataclasses.replace(settings, landscape=7))


def test_changed_ratings_are_another_run(tmp_path, monkeypatch):
    settings = small_settings(tmp_path, structure="film")
    run_killed(COLDNAS, settings, monkeypatch, "search.trainer.PopulationTrainer.start")
    ratings = tmp_path / "ratings" / "ratings.csv"
    header, first, *rest = ratings.read_text().splitlines()
    changed = first[:-1] + ("5" if first[-1] != "5" else "4")
    ratings.write_text("\n".join([header, changed, *rest]) + "\n")
    with pytest.raises(UserError, match=r"holds another run .*dataset of the same counts, but"):
        run_method(COLDNAS, settings)


def test_all_diverged_is_one_line(tmp_path, no_report):
    settings = small_settings(tmp_path, learning_rate=10, weight_decay=1e4, epochs=9, candidates=4)
    with pytest.raises(UserError, match=r"--learning_rate=10 .*: all 4 structures diverged"):
        run_method(COLDNAS, settings)


def test_what_is_odd_in_the_ratings_is_said(tmp_path, monkeypatch, capsys):
    settings = small_settings(tmp_path, structure="film")
    ratings = tmp_path / "ratings" / "ratings.csv"
    ratings.write_text(ratings.read_text() + "u99,i0,3\n")
    run_killed(COLDNAS, settings, monkeypatch, "search.trainer.PopulationTrainer.start")
    first, second = capsys.readouterr().err.splitlines()
    assert first.startswith("warning: ")
    assert first.endswith("1 of 13 rated users are missing, taken as unseen; the first is 'u99'")
    assert second.endswith("ratings.csv: 1 user left out: 1 with fewer than 6 ratings")


def test_the_report_has_its_sections(full_run):
    page = (full_run.path / "report" / "index.html").read_text()
    titles = re.findall(r"<h2[^>]*>([^<]*)</h2>", page)
    assert titles == [
        "What was found",
        "Search trajectory",
        "The structures in pictures",
        "Against the presets",
        "Which operations matter",
        "Selected on validation and on test users",
        "Landscape of structures",
        "Explanations",
        "Parameters against quality",
        "Best hyperparameters",
        "Settings, versions and device",
    ]
    for line in full_run.results["best"]["expressions"]:
        assert html.escape(line) in page
