"""What all searching methods share, with a method that has nothing to do with either family."""

from __future__ import annotations

import dataclasses
import json
import shutil

import numpy as np
import pytest

from kapl_jax.data.registry import Kind
from kapl_jax.errors import UserError
from kapl_jax.methods.contenders import mean_score
from kapl_jax.methods.method import Method
from kapl_jax.methods.models import ModelStore
from kapl_jax.methods.settings import SearchSettings
from kapl_jax.methods.trained import load_trained
from kapl_jax.methods.trained_on import DataSource
from kapl_jax.runs.report.presentation import Presentation
from kapl_jax.runs.settings import Settings, setting
from kapl_jax.search.trainer import PopulationTrainer
from tests.methods.whole_runs import candidates, run_of
from tests.search.toy_problem import LineProblem

pytestmark = pytest.mark.usefixtures("compiled_plainly", "no_report")


def eighth(settings, value, at):
    """Whatever is drawn, an eighth of the rate is tried."""
    del settings, at
    return value / 8


@dataclasses.dataclass(frozen=True)
class LineSettings(SearchSettings):
    """Settings of the fit of a line."""

    dataset: str = setting("points", "Where to fit.")
    candidates: int = setting(6, "Starts.", low=1)
    round_size: int = setting(3, "Starts at a time.", low=1)
    epochs: int = setting(2, "Epochs.", low=1)
    tuning_samples: int = setting(2, "Rates.", low=1)
    final_epochs: int = setting(3, "Epochs.", low=1)
    finalists: int = setting(2, "Starts.", low=1)
    seeds: int = setting(2, "Seeds.", low=1)
    chunk_size: int = setting(3, "At once.", low=0)
    log_progress: bool = setting(False, "Bar.", identity=False)
    learning_rate: float = setting(0.1, "Rate.", tuned=eighth)


@dataclasses.dataclass(frozen=True)
class Line:
    """The data: those of the problem."""

    name: str = "points"
    warnings: tuple[str, ...] = ()

    def describe(self):
        return {"name": self.name, "digest": "line"}


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

    def presets(self):
        return {"zero": np.zeros(2, np.float32), "one": np.ones(2, np.float32)}

    def parse(self, text, source):
        try:
            return np.array(json.loads(text), np.float32)
        except ValueError:
            raise UserError(f"{source}: found {text!r}, expected [a, b]") from None

    def record(self, candidate):
        return {"structure": candidate.tolist(), "formula": self.describe(candidate)}

    def read(self, record):
        return np.array(record["structure"], np.float32)


def summary(finished):
    """Check what is tested, against the lines that were kept, and tell who was there."""
    x = np.linspace(-1, 1, 12)
    for outcomes in finished.outcomes.values():
        for one in outcomes:
            kept = finished.pipeline.store.load([one.individual.id])[0]
            a, b = kept["variables"]["params"]["w"]
            closeness = -np.mean((a * x + b - 3 * x) ** 2)
            assert one.record["test"]["closeness"] == pytest.approx(closeness, rel=1e-4)
    scores = {name: mean_score(found) for name, found in finished.outcomes.items()}
    (tested,) = finished.test_values()
    return {
        "scores": scores,
        "contenders": [one.name for one in finished.contenders],
        "tested": float(-tested["errors"].mean()),
    }


def no_more(pipeline, contenders):
    """Stand for what a method trains between search and tuning: nothing."""
    assert pipeline.settings.learning_rate
    return contenders


LINE = Method(
    name="line",
    settings=LineSettings,
    kind=Kind(noun="line", folder="lines", generated=("points",)),
    load=lambda settings, config: Line(),
    space=lambda settings: Points(),
    options=lambda settings, structure, final: "points",
    problem=lambda data, options: LineProblem(),
    summary=summary,
    predictor=lambda model: model,
    predicts=Settings,
    presentation=Presentation("Line", "Legendre, 1805"),
    embedded="points",
    objective=lambda settings: "closeness",
    stages=(no_more,),
)


def run(folder, method=LINE, **changes):
    return run_of(method, LineSettings(workdir=str(folder), **changes))


@pytest.fixture(scope="module")
def finished(tmp_path_factory, compiled_plainly):
    with pytest.MonkeyPatch.context() as patch:
        patch.setattr("kapl_jax.methods.pipeline.write_report", lambda runs, folder, _: folder)
        return run(tmp_path_factory.mktemp("line") / "run")


def test_the_best_go_on_with_the_presets(finished):
    searched = sorted(candidates(finished, "search"), key=lambda event: -event["score"])
    assert len(searched) == finished.results["candidates_trained"] == 6
    names = ["searched-1", "searched-2", "zero", "one"]
    assert finished.results["contenders"] == names
    tuned = {event["name"]: event["candidate"] for event in candidates(finished, "tuning")}
    assert list(tuned) == names
    assert [tuned["searched-1"], tuned["searched-2"]] == [one["candidate"] for one in searched[:2]]


def test_each_is_tuned_and_trained_with_all_seeds(finished):
    tuned = candidates(finished, "tuning")
    assert len(tuned) == 4 * 2
    for name in finished.results["contenders"]:
        of_name = [event for event in tuned if event["name"] == name]
        best = max(of_name, key=lambda event: event["score"])["hyperparameters"]
        finals = [event for event in candidates(finished, "final") if event["name"] == name]
        assert [event["hyperparameters"] for event in finals] == [best, best]
        assert [event["seed"] for event in finals] == [0, 1]
        assert all(np.isfinite(event["test"]["closeness"]) for event in finals)
        mean = np.mean([event["score"] for event in finals])
        assert finished.results["scores"][name] == pytest.approx(mean)


def test_what_every_method_writes(finished):
    results = finished.results
    assert (results["method"], results["dataset"]) == ("line", "points")
    assert results["searcher"] == "random"
    assert results["device"].endswith("cpu")
    assert results["seconds"] > 0


def test_the_best_is_kept_and_can_be_loaded(finished):
    results = finished.results
    best = max(results["scores"], key=results["scores"].get)
    assert results["best"]["name"] == best
    finals = [event for event in candidates(finished, "final") if event["name"] == best]
    assert results["tested"] == pytest.approx(results["test"]["closeness"]["mean"], rel=1e-5)
    assert results["parameters"] == 2
    model = load_trained(LINE, finished, DataSource("points"))
    assert model.structure.tolist() == finals[0]["candidate"] == results["best"]["structure"]
    assert model.record["formula"] == results["best"]["formula"]
    assert isinstance(model.problem, LineProblem)
    a, b = model.variables["params"]["w"]
    x = np.linspace(-1, 1, 12)
    closeness = -np.mean((a * x + b - (2 * x - 1)) ** 2)
    assert max(event["score"] for event in finals) == pytest.approx(closeness, rel=1e-4)


def test_structures_given_replace_the_search_and_the_preset_of_their_name(tmp_path):
    found = run(tmp_path / "run", structure="[2, -1]|one")
    assert candidates(found, "search") == []
    assert found.results["contenders"] == ["given-1", "one", "zero"]
    assert found.results["searcher"] == "none"
    assert found.results["candidates_trained"] == 0
    assert candidates(found, "final")[0]["candidate"] == [2.0, -1.0]
    assert list(found.results["baselines"]) == ["zero"]


@pytest.mark.parametrize(
    ("changes", "message"),
    [
        ({"structure": "[2, -1]|oops"}, "--structure: found 'oops'"),
        ({"presets": "zero,oops"}, "--presets: found 'oops', expected 'all', 'none' or some of"),
    ],
)
def test_what_names_no_structure_is_refused_before_anything_is_read(tmp_path, changes, message):
    method = dataclasses.replace(LINE, load=None)
    with pytest.raises(UserError, match=message):
        run(tmp_path / "run", method, **changes)
    assert not (tmp_path / "run").exists()


def test_one_sample_needs_no_tuning(tmp_path):
    found = run(tmp_path / "run", tuning_samples=1, structure="[2, -1]")
    assert candidates(found, "tuning") == []
    assert {e["hyperparameters"]["learning_rate"] for e in candidates(found, "final")} == {0.1}


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
    assert ModelStore(found.path / "checkpoints").load_best()[1]["name"] == "given-1"
    told = capsys.readouterr().err
    assert "checkpoints/model: there is no model; it is made again" in told
    assert told.count("\n") == 1


def test_the_directory_is_closed_when_a_stage_fails(tmp_path, monkeypatch):
    closed = []
    monkeypatch.setattr(
        "kapl_jax.methods.pipeline.RunDirectory.close", lambda self: closed.append(self.path)
    )
    method = dataclasses.replace(LINE, stages=(lambda pipeline, contenders: 1 / 0,))
    with pytest.raises(ZeroDivisionError):
        run(tmp_path / "run", method)
    assert closed == [tmp_path / "run"]


def test_a_stage_of_the_method_says_who_goes_on(tmp_path):
    method = dataclasses.replace(LINE, stages=(no_more, lambda pipeline, found: found[1:]))
    found = run(tmp_path / "run", method, structure="[2, -1]", tuning_samples=1)
    assert found.results["contenders"] == ["zero", "one"]


def test_contenders_are_told_apart_by_name_not_structure(tmp_path):
    """The same structure under two names is trained under each."""
    found = run(tmp_path / "run", structure="[0, 0]", tuning_samples=1)
    by_name = {e["name"]: e["candidate"] for e in candidates(found, "final")}
    assert by_name == {"given-1": [0.0, 0.0], "zero": [0.0, 0.0], "one": [1.0, 1.0]}


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
