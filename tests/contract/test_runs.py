"""Whole runs of each method: searched, tuned, tested, reported, asked and explained."""

from __future__ import annotations

import html
import json
from collections import Counter

import jax
import numpy as np
import pytest

import kapl_jax
from kapl_jax.errors import UserError
from kapl_jax.methods import METHODS
from kapl_jax.methods.trained import load_trained
from kapl_jax.methods.trained_on import DataSource
from kapl_jax.search.trainer import PopulationTrainer
from tests.contract.cases import ALL, BAD, CASES
from tests.contract.conftest import write_files
from tests.contract.toy import POWERS, TOY
from tests.end_to_end.browser import BROWSER, open_page, with_probe
from tests.end_to_end.programs import assert_one_line_error, run_program

EXPLAINING = [name for name, case in CASES.items() if case.why is not None]
PROGRAM = "tests.contract.programs:{}"


def methods_without_a_case() -> set[str]:
    return set(METHODS) - set(CASES)


def test_every_method_has_a_case(monkeypatch):
    assert methods_without_a_case() == set()
    assert {name for name in CASES if METHODS[name].explains is not None} == set(EXPLAINING)
    monkeypatch.setitem(METHODS, "new", TOY)
    assert methods_without_a_case() == {"new"}


def candidates(done, stage):
    events = [event for event in done.trained.run.events if event["event"] == "candidate"]
    return [event for event in events if event["stage"] == stage]


@pytest.mark.parametrize("name", ALL)
def test_a_search_compiles_in_its_first_round_only(run_of, name):
    by_round = run_of(name).by_round
    assert by_round == [by_round[0]] * 3
    assert by_round[0] > 0


@pytest.mark.parametrize("name", ALL)
def test_all_stages_are_there(run_of, name):
    done, case = run_of(name), CASES[name]
    searched, results = candidates(done, "search"), done.trained.results
    assert len({event["id"] for event in searched}) == len(searched) == 6
    assert results["candidates_trained"] == 6
    tried = Counter(event["name"] for event in candidates(done, "tuning"))
    assert set(tried.values()) == {case.settings["tuning_samples"]}
    assert {"searched-1", *results["baselines"]} <= set(tried)
    finals = candidates(done, "final")
    assert Counter(event["name"] for event in finals) == dict.fromkeys(
        tried, case.settings["seeds"]
    )
    scores = {name: np.mean([e["score"] for e in finals if e["name"] == name]) for name in tried}
    assert results["best"]["name"] == max(scores, key=scores.__getitem__)
    tested = [e["test"] for e in finals if e["name"] == results["best"]["name"]]
    for metric, spread in results["test"].items():
        assert spread["mean"] == pytest.approx(np.mean([one[metric] for one in tested]))
    assert [entry.name for entry in (done.folder / "run" / "checkpoints").iterdir()] == ["model"]


@pytest.mark.parametrize("name", ALL)
def test_the_model_kept_gives_the_recorded_figures(run_of, name):
    done = run_of(name)
    model = load_trained(METHODS[name], done.trained.run, DataSource())
    evaluate = jax.jit(jax.vmap(model.problem.evaluate_block, in_axes=(0, 0, None, None)))
    variables = jax.tree.map(lambda leaf: leaf[None], dict(model.variables))
    of_best = [
        e for e in candidates(done, "final") if e["name"] == done.trained.results["best"]["name"]
    ]
    kept = max(of_best, key=lambda event: event["score"])
    for split in ("valid", "test"):
        data, blocks = model.problem.data[split], model.problem.blocks(split)
        values = [evaluate(variables, model.structure[None], data, block) for block in blocks]
        found = model.problem.metrics(split, jax.tree.map(np.asarray, values))
        assert {metric: value.item() for metric, value in found.items()} == pytest.approx(
            kept[split], rel=2e-3
        )


@pytest.mark.parametrize("name", ALL)
def test_the_same_again_ends_at_once_and_another_run_is_refused(run_of, name, monkeypatch):
    done, case = run_of(name), CASES[name]
    monkeypatch.setattr(PopulationTrainer, "start", None)
    monkeypatch.setattr("kapl_jax.methods.pipeline.write_report", lambda runs, folder, _: folder)
    given = (name, METHODS[name].embedded, str(done.folder / "run"))
    assert kapl_jax.run(*given, **case.settings).results == done.trained.results
    with pytest.raises(UserError, match=r"holds another run \(--seed=0, not 1\)"):
        kapl_jax.run(*given, **{**case.settings, "seed": 1})


@pytest.mark.parametrize("name", ALL)
def test_a_model_predicts(run_of, name, monkeypatch):
    done, case = run_of(name), CASES[name]
    monkeypatch.chdir(done.folder)
    (answer,) = kapl_jax.load(done.folder / "run").predict(**case.question)
    assert (answer.error, list(answer.warnings)) == (None, [])
    assert answer.text()
    (again,) = done.trained.predict(**case.question)
    assert json.dumps(answer.to_json()) == json.dumps(again.to_json())
    with pytest.raises(UserError, match="'oracle': there is no such setting"):
        done.trained.predict(oracle="x")


@pytest.mark.parametrize("name", ALL)
def test_a_model_explains_or_says_who_does(run_of, name, monkeypatch):
    done, case = run_of(name), CASES[name]
    monkeypatch.chdir(done.folder)
    if case.why is None:
        with pytest.raises(
            UserError, match=r"no explanations from .*, expected coldnas, red_gnn, t"
        ):
            done.trained.explain()
        return
    explanation = done.trained.explain(**case.why)
    assert explanation.text()
    assert json.loads(json.dumps(explanation.to_json(), allow_nan=False))
    assert all(picture for picture in explanation.pictures().values())


@pytest.mark.parametrize("name", ALL)
def test_the_report_is_there(run_of, name):
    done = run_of(name)
    page = done.trained.report.read_text(encoding="utf-8")
    shown = METHODS[name].presentation
    assert f"{shown.title} on {done.trained.results['dataset']}" in page
    assert html.escape(shown.paper) in page
    for section in shown.sections:
        made = section({"": done.trained.run})
        assert made is None or f'id="{made.anchor}"' in page


@pytest.mark.skipif(BROWSER is None, reason="no Chromium on this machine")
@pytest.mark.parametrize("name", ALL)
def test_the_report_in_a_browser(run_of, name, tmp_path):
    page = tmp_path / "index.html"
    page.write_bytes(run_of(name).trained.report.read_bytes())
    document, complaints = open_page(with_probe(page), tmp_path / "profile")
    assert complaints == []
    assert document.count("<section") == page.read_text(encoding="utf-8").count("<section") > 3


@pytest.mark.parametrize("name", ALL)
def test_bad_flags_and_files_are_one_line(tmp_path, compiled, name):
    write_files(tmp_path, name)
    for flag, said in {**BAD, **CASES[name].bad}.items():
        done = run_program(tmp_path, PROGRAM.format(name), "--workdir=run", flag)
        assert_one_line_error(done, said)
        assert not (tmp_path / "run").exists()


@pytest.mark.parametrize("name", ALL)
def test_bad_questions_are_one_line(run_of, compiled, name):
    for flags, said in CASES[name].bad_questions.items():
        arguments = ("--workdir=run", *flags.split())
        done = run_program(run_of(name).folder, PROGRAM.format("predict"), *arguments)
        assert_one_line_error(done, said)


def test_programs_ask_a_method_that_is_one_value(run_of, compiled):
    """All that the programs need to know of the toy is `TOY`."""
    folder, results = run_of(TOY.name).folder, run_of(TOY.name).trained.results
    asked = ("--workdir=run", "--at=2")
    done = run_program(folder, PROGRAM.format("predict"), *asked, "--json")
    assert (done.returncode, done.stderr) == (0, "")
    powers = {power: 5 - index for index, power in enumerate(POWERS)}
    expected = sum(weight * 2.0 ** powers[p] for p, weight in results["terms"].items())
    assert json.loads(done.stdout)["value"] == pytest.approx(expected)
    done = run_program(folder, PROGRAM.format("explain"), *asked)
    assert (done.returncode, done.stderr) == (0, "")
    assert done.stdout.endswith("as JSON: run/explain/explanation.json\n")
    explanation = json.loads((folder / "run" / "explain" / "explanation.json").read_text())
    assert sum(explanation["terms"].values()) == pytest.approx(expected)
    done = run_program(folder, PROGRAM.format("toy"), "--help")
    assert "--learning_rate=NUMBER" in done.stdout
