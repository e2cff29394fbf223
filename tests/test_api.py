"""The Python interface, and the flags of programs that ask models, with a method that is no method.

That every real method works through them is tested in `tests/contract`.
"""

from __future__ import annotations

import dataclasses
import json
import subprocess
import sys

import pytest

import kapl_jax
from kapl_jax.api import TrainedRun, find_method
from kapl_jax.errors import UserError
from kapl_jax.methods import METHODS
from kapl_jax.methods.autoblm.method import AUTOBLM
from kapl_jax.methods.trained_on import AskSettings, DataSource
from kapl_jax.programs import ask_by_flags, define_asking_flags
from kapl_jax.runs.run_directory import Run
from kapl_jax.runs.settings import Settings, from_flags, setting


@dataclasses.dataclass(frozen=True)
class Asked(Settings):
    """What the toy method can be asked."""

    word: str = setting("", "A word.")
    top: int = setting(7, "How many.", low=1)


class Echo:
    """Answers with what it was asked, and where the data were said to be."""

    def __init__(self, model) -> None:
        self.model = model

    def predict(self, question):
        return [(self.model, question)]

    def explain(self, question):
        return {"question": question}


TOY = dataclasses.replace(AUTOBLM, name="toy", predicts=Asked, explains=Asked, predictor=Echo)
MUTE = dataclasses.replace(TOY, name="mute", explains=None)


@pytest.fixture(autouse=True)
def methods(monkeypatch):
    """Two methods beside the real ones, whose models need not be trained."""
    for method in (TOY, MUTE):
        monkeypatch.setitem(METHODS, method.name, method)
    # They would change the devices and the cache of all tests.
    for name in ("kapl_jax.api.use_cpu_cores", "kapl_jax.api.use_compilation_cache"):
        monkeypatch.setattr(name, lambda value: None)
    monkeypatch.setattr("kapl_jax.programs.use_compilation_cache", lambda value: None)
    monkeypatch.setattr(
        "kapl_jax.api.load_trained", lambda method, run, source: (method.name, run.path, source)
    )


def write_run(folder, method="toy", **config):
    (folder / "config.json").write_text(json.dumps({"method": method, **config}))
    return folder


def test_importing_the_package_imports_no_method():
    """Nor JAX, for which whoever wants a path or an error would have to wait."""
    code = "import sys, kapl_jax; assert 'jax' not in sys.modules; print(sorted(kapl_jax.METHODS))"
    done = subprocess.run([sys.executable, "-c", code], capture_output=True, text=True, check=True)
    assert done.stdout == "['autoblm', 'coldnas', 'red_gnn']\n"
    with pytest.raises(AttributeError, match="no attribute 'runn'"):
        _ = kapl_jax.runn


def test_a_model_is_asked_by_name(tmp_path):
    source = DataSource("here", "there")
    loaded = kapl_jax.load(write_run(tmp_path), "here", "there")
    assert loaded.results == {}
    ((model, question),) = loaded.predict(word="x")
    assert model == ("toy", tmp_path, source)
    assert question == Asked("x", 7)
    assert loaded.explain(top=2) == {"question": Asked("", 2)}


def test_a_model_is_read_once_and_when_it_is_asked(tmp_path, monkeypatch):
    read = []
    monkeypatch.setattr("kapl_jax.api.load_trained", lambda *given: read.append(given))
    loaded = kapl_jax.load(write_run(tmp_path))
    assert read == []
    loaded.predict()
    loaded.predict(word="again")
    loaded.explain()
    assert len(read) == 1


@pytest.mark.parametrize(
    ("ask", "message"),
    [
        (lambda run: run.predict(wort="x"), "'wort' (did you mean 'word'?): there is no such"),
        (lambda run: run.predict(top=0), "--top=0: out of range, expected at least 1"),
        (lambda run: run.explain(top="2"), "top: found text, expected a whole number"),
    ],
)
def test_what_cannot_be_asked(tmp_path, ask, message):
    with pytest.raises(UserError) as caught:
        ask(kapl_jax.load(write_run(tmp_path)))
    assert str(caught.value).startswith(message)


def test_a_method_that_explains_nothing_says_who_does(tmp_path):
    loaded = kapl_jax.load(write_run(tmp_path, "mute"))
    expected = f"{tmp_path}: no explanations from the method 'mute', expected coldnas, red_gnn, toy"
    with pytest.raises(UserError) as caught:
        loaded.explain()
    assert str(caught.value) == expected


@pytest.mark.parametrize("method", ["other", None])
def test_runs_of_other_methods_are_refused(tmp_path, method):
    folder = write_run(tmp_path, method)
    with pytest.raises(UserError, match=f"{folder}: found method '{method}', expected one of auto"):
        kapl_jax.load(folder)


def test_a_folder_that_is_no_run_is_refused(tmp_path):
    with pytest.raises(UserError, match="not a run directory"):
        kapl_jax.load(tmp_path)


@pytest.mark.parametrize(
    ("method", "settings", "message"),
    [
        ("autoblmm", {}, "found method 'autoblmm' (did you mean 'autoblm'?), expected one of auto"),
        ("autoblm", {"epoch": 3}, "'epoch' (did you mean 'epochs'?): there is no such setting"),
        ("autoblm", {"epochs": "3"}, "epochs: found text, expected a whole number"),
        ("autoblm", {"epochs": 0}, "--epochs=0: out of range"),
        ("autoblm", {"optimizer": "sgd"}, "--optimizer=sgd: expected one of adagrad, adam"),
        ("coldnas", {"structure": "oops"}, "--structure"),
    ],
)
def test_what_cannot_be_run(tmp_path, method, settings, message):
    with pytest.raises(UserError) as caught:
        kapl_jax.run(method, workdir=str(tmp_path / "run"), **settings)
    assert str(caught.value).startswith(message)
    assert not (tmp_path / "run").exists()


def test_a_run_gets_the_settings_by_name_and_those_that_suit_its_data(tmp_path, monkeypatch):
    given = []

    def run_method(method, settings):
        given.append((method, settings))
        write_run(tmp_path, method.name)
        return tmp_path / "report"

    monkeypatch.setattr("kapl_jax.api.run_method", run_method)
    suggested = {"small": {"epochs": 4, "seeds": 5}}
    monkeypatch.setitem(METHODS, "toy", dataclasses.replace(TOY, suggested=suggested))
    done = kapl_jax.run("toy", "small", str(tmp_path), epochs=2)
    ((method, settings),) = given
    assert method is METHODS["toy"]
    expected = method.settings(dataset="small", workdir=str(tmp_path), epochs=2, seeds=5)
    assert settings == expected
    assert done.report == tmp_path / "report"
    assert done.predict(word="x")[0][0] == ("toy", tmp_path, DataSource())


def test_the_place_of_an_unknown_method_is_told():
    assert find_method("toy") is TOY
    with pytest.raises(UserError, match=r"a/config\.json: found method 'toi' "):
        find_method("toi", "a/config.json: ")


@dataclasses.dataclass(frozen=True)
class ProgramSettings(AskSettings):
    """Flags of a program that asks models."""

    loud: bool = setting(False, "Say so.")


def ask(flag_values, questions, *arguments):
    define_asking_flags(ProgramSettings, questions)
    flag_values(["program", *arguments])
    return ask_by_flags(from_flags(ProgramSettings), questions)


def predicts(method):
    return method.predicts


def explains(method):
    return method.explains


def test_flags_are_those_of_all_methods_with_the_defaults_of_the_one_that_is_asked(
    flag_values, tmp_path
):
    flags = (f"--workdir={write_run(tmp_path)}", "--word=x", "--data_dir=there", "--loud")
    asked, question = ask(flag_values, predicts, *flags)
    assert question == Asked("x", 7)
    assert isinstance(asked, TrainedRun)
    ((model, _),) = asked.ask(question)
    assert model == ("toy", tmp_path, DataSource(None, "there"))
    kinds = [method.predicts for method in METHODS.values()]
    names = {field.name for kind in kinds for field in dataclasses.fields(kind)}
    assert {"head", "relation", "tail", "queries", "ratings", "word", "top", "loud"} <= names | set(
        flag_values
    )
    assert names <= set(flag_values)


def test_flags_of_other_methods_are_refused_with_those_of_its_own(flag_values, tmp_path):
    flags = (f"--workdir={write_run(tmp_path)}", "--word=x", "--ratings=r.csv")
    with pytest.raises(UserError) as caught:
        ask(flag_values, predicts, *flags)
    assert str(caught.value) == (
        f"--ratings: given for {tmp_path}, a run of toy; expected --word, --top"
    )


def test_what_explains_nothing_cannot_be_asked_why(flag_values, tmp_path):
    flags = (f"--workdir={write_run(tmp_path, 'mute')}", "--word=x")
    with pytest.raises(UserError, match="no explanations from the method 'mute', expected"):
        ask(flag_values, explains, *flags)


def test_who_is_asked_must_be_told(flag_values):
    with pytest.raises(UserError, match="--workdir: missing, expected the run directory"):
        ask(flag_values, predicts, "--word=x")


def test_a_run_is_what_its_directory_holds(tmp_path):
    run = Run(tmp_path, {"method": "toy"}, [], {"best": {"name": "x"}})
    assert TrainedRun(run, DataSource()).results == {"best": {"name": "x"}}
