"""What all searching methods share, with a method that has nothing to do with either family."""

from __future__ import annotations

import dataclasses
import json
import shutil

import numpy as np
import pytest

from kapl_jax.errors import UserError
from kapl_jax.methods.contenders import best_contender, mean_score
from kapl_jax.methods.models import ModelStore
from kapl_jax.methods.pipeline import SearchPipeline, run_pipeline
from kapl_jax.methods.settings import SearchSettings
from kapl_jax.runs.run_directory import read_run
from kapl_jax.runs.settings import setting
from kapl_jax.search.population import PopulationTrainer
from tests.search.toy_problem import LineProblem

pytestmark = pytest.mark.usefixtures("compiled_plainly", "no_report")


@dataclasses.dataclass(frozen=True)
class LineSettings(SearchSettings):
    """Settings of the fit of a line."""

    candidates: int = setting(6, "Starts.", low=1)
    round_size: int = setting(3, "Starts at a time.", low=1)
    epochs: int = setting(2, "Epochs.", low=1)
    tuning_samples: int = setting(2, "Rates.", low=1)
    final_epochs: int = setting(3, "Epochs.", low=1)
    finalists: int = setting(2, "Starts.", low=1)
    seeds: int = setting(2, "Seeds.", low=1)
    chunk_size: int = setting(3, "At once.", low=0)
    log_progress: bool = setting(False, "Bar.", identity=False)
    learning_rate: float = setting(0.1, "Rate.")

    def base_hyperparameters(self):
        return {"learning_rate": self.learning_rate}

    def sampled_hyperparameters(self):
        return [{"learning_rate": self.learning_rate / n} for n in (1, 8)][: self.tuning_samples]

    def search_options(self):
        return "points"

    def final_options(self):
        return "points"


class Points:
    """Where the line starts: two numbers."""

    def sample(self, rng, count):
        return rng.normal(size=(count, 2)).astype(np.float32)

    def canonical(self, candidates):
        return candidates

    def is_valid(self, candidates):
        return np.ones(len(candidates), bool)

    def describe(self, candidate):
        return str(candidate.tolist())


class LinePipeline(SearchPipeline[LineSettings]):
    method = "line"
    prepared: list[str]

    def __init__(self, settings, record):
        super().__init__(settings, record, Points(), "points")
        self.prepared = []

    def make_problem(self, options):
        assert options == "points"
        return LineProblem()

    def given_structures(self):
        if not self.settings.structure:
            return {}
        return {"given": np.array(json.loads(self.settings.structure), np.float32)}

    def preset_structures(self):
        return {"zero": np.zeros(2, np.float32), "given": np.ones(2, np.float32)}

    def first_structures(self, rng, count):
        return self.space.sample(rng, count)

    def prepare(self, contenders):
        self.prepared = [one.name for one in contenders]
        return contenders

    def finish(self, trainer):
        return lambda chunk: [{"test": {"seed": one.seed}} for one in chunk.individuals]

    def results(self, contenders, outcomes):
        self.final = contenders
        scores = {name: mean_score(found) for name, found in outcomes.items()}
        assert all(one.record["test"] for found in outcomes.values() for one in found)
        best = best_contender(contenders, outcomes).name
        self.store.keep_best({"line": np.zeros(2, np.float32)}, {"name": best})
        return {"best": {"name": best}, "scores": scores, "prepared": self.prepared}


def run(folder, **changes):
    settings = LineSettings(dataset="points", workdir=str(folder), **changes)
    dataset = {"name": "points"}
    run_pipeline("line", settings, None, dataset, (), lambda record: LinePipeline(settings, record))
    return read_run(folder)


def events(found, stage):
    return [e for e in found.events if (e["event"], e["stage"]) == ("candidate", stage)]


@pytest.fixture(scope="module")
def finished(tmp_path_factory, compiled_plainly):
    with pytest.MonkeyPatch.context() as patch:
        patch.setattr("kapl_jax.methods.pipeline.write_report", lambda runs, folder, _: folder)
        return run(tmp_path_factory.mktemp("line") / "run")


def test_the_best_go_on_with_the_presets(finished):
    searched = sorted(events(finished, "search"), key=lambda event: -event["score"])
    assert len(searched) == finished.results["candidates_trained"] == 6
    names = ["searched-1", "searched-2", "zero", "given"]
    assert finished.results["prepared"] == names
    tuned = {event["name"]: event["candidate"] for event in events(finished, "tuning")}
    assert list(tuned) == names
    assert [tuned["searched-1"], tuned["searched-2"]] == [one["candidate"] for one in searched[:2]]


def test_each_is_tuned_and_trained_with_all_seeds(finished):
    tuned = events(finished, "tuning")
    assert len(tuned) == 4 * 2
    for name in finished.results["prepared"]:
        of_name = [event for event in tuned if event["name"] == name]
        best = max(of_name, key=lambda event: event["score"])["hyperparameters"]
        finals = [event for event in events(finished, "final") if event["name"] == name]
        assert [event["hyperparameters"] for event in finals] == [best, best]
        assert [event["seed"] for event in finals] == [0, 1]
        assert [event["test"]["seed"] for event in finals] == [0, 1]
        mean = np.mean([event["score"] for event in finals])
        assert finished.results["scores"][name] == pytest.approx(mean)


def test_what_every_method_writes(finished):
    results = finished.results
    assert (results["method"], results["dataset"]) == ("line", "points")
    assert results["searcher"] == "random"
    assert results["device"].endswith("cpu")
    assert results["seconds"] > 0


def test_structures_given_replace_the_search_and_the_preset_of_their_name(tmp_path):
    found = run(tmp_path / "run", structure="[2, -1]")
    assert events(found, "search") == []
    assert found.results["prepared"] == ["given", "zero"]
    assert found.results["searcher"] == "none"
    assert found.results["candidates_trained"] == 0
    assert events(found, "final")[0]["candidate"] == [2.0, -1.0]


def test_one_sample_needs_no_tuning(tmp_path):
    found = run(tmp_path / "run", tuning_samples=1, structure="[2, -1]")
    assert events(found, "tuning") == []
    assert {e["hyperparameters"]["learning_rate"] for e in events(found, "final")} == {0.1}


def test_all_diverged_is_one_line(tmp_path):
    with pytest.raises(UserError, match=r"--learning_rate=1e\+38: all 6 structures diverged"):
        run(tmp_path / "run", learning_rate=1e38)


def test_a_finished_run_is_not_run_again(finished, monkeypatch):
    monkeypatch.setattr(PopulationTrainer, "start", None)
    again = run(finished.path)
    assert again.results == finished.results
    assert again.events == finished.events


def test_the_model_of_a_finished_run_that_was_removed_is_made_again(tmp_path, capsys):
    found = run(tmp_path / "run", structure="[2, -1]", tuning_samples=1)
    shutil.rmtree(found.path / "checkpoints")
    again = run(found.path, structure="[2, -1]", tuning_samples=1)
    assert again.results["scores"] == found.results["scores"]
    assert ModelStore(found.path / "checkpoints").load_best()[1]["name"] == "given"
    told = capsys.readouterr().err
    assert "checkpoints/model: there is no model; it is made again" in told
    assert told.count("\n") == 1


def test_the_directory_is_closed_when_a_stage_fails(tmp_path, monkeypatch):
    closed = []
    monkeypatch.setattr(
        "kapl_jax.methods.pipeline.RunDirectory.close", lambda self: closed.append(self.path)
    )
    monkeypatch.setattr(LinePipeline, "prepare", lambda self, contenders: 1 / 0)
    with pytest.raises(ZeroDivisionError):
        run(tmp_path / "run")
    assert closed == [tmp_path / "run"]


def test_contenders_are_told_apart_by_name_not_structure(tmp_path):
    """The same structure under two names is trained under each."""
    found = run(tmp_path / "run", structure="[0, 0]", tuning_samples=1)
    by_name = {e["name"]: e["candidate"] for e in events(found, "final")}
    assert by_name == {"given": [0.0, 0.0], "zero": [0.0, 0.0]}


@pytest.mark.parametrize(
    ("fault", "said"),
    [
        (UserError("x: cannot be written: no"), "x: cannot be written: no"),
        (KeyError("a"), "KeyErr"),
    ],
)
def test_a_report_that_cannot_be_written_is_a_warning(tmp_path, monkeypatch, capsys, fault, said):
    def refuse(*_):
        raise fault

    monkeypatch.setattr("kapl_jax.methods.pipeline.write_report", refuse)
    found = run(tmp_path / "run", structure="[2, -1]", tuning_samples=1)
    assert found.results is not None
    printed = capsys.readouterr().err
    assert printed.startswith(f"warning: no report: {said}")
    assert printed.count("\n") == 1
