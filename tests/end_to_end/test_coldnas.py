"""ColdNAS from the search to recommendations, as a user runs it, on a few ratings in CSV."""

from __future__ import annotations

import dataclasses
import json
from pathlib import Path

import pytest

from kapl_jax.methods.coldnas.settings import ColdNASSettings
from tests.data.graph_folders import write
from tests.end_to_end.programs import assert_one_line_error, run_program
from tests.methods.coldnas.runs import ITEMS, PROTOCOL, SIZES, SMALL, as_flags, write_tiny_ratings

pytestmark = pytest.mark.slow
SMALL_FLAGS = as_flags({**SMALL, "presets": "film", "candidates": 4, "seeds": 2, "finalists": 1})
COMMAND = ("--dataset=ratings", "--workdir=run", "--cpu_devices=2", *SMALL_FLAGS)
PNG = b"\x89PNG\r\n\x1a\n"


@pytest.fixture(scope="module")
def finished(tmp_path_factory, compiled) -> Path:
    """A folder with ratings and a finished run."""
    folder = tmp_path_factory.mktemp("user")
    write_tiny_ratings(folder / "ratings")
    done = run_program(folder, "coldnas", *COMMAND)
    assert (done.returncode, done.stderr) == (0, "")
    (folder / "said.txt").write_text(done.stdout)
    write(folder / "user.csv", ["item,rating", "i2,5", "Title 3,1"])
    return folder


def predict(folder, *arguments, ratings="user.csv"):
    return run_program(folder, "predict", "--workdir=run", f"--ratings={ratings}", *arguments)


def explain(folder, *arguments, ratings="user.csv"):
    return run_program(folder, "explain", "--workdir=run", f"--ratings={ratings}", *arguments)


def test_the_program_says_what_it_found_and_where(finished):
    said = (finished / "said.txt").read_text().splitlines()
    results = json.loads((finished / "run" / "results.json").read_text())
    best = results["best"]
    assert said[0].startswith(f"best on validation   {best['name']}")
    assert said[0].endswith(best["formula"])
    assert [line.strip() for line in said[1:3]] == best["expressions"]
    value = results["test"]["mse"]
    assert f"test MSE             {value['mean']:.4f} ± {value['std']:.4f}" in said
    assert said[-1] == "report: run/report/index.html"
    assert (finished / "run" / "report" / "index.html").is_file()
    assert list((finished / "run" / "tensorboard").glob("events.out.tfevents.*"))


def test_the_same_command_again_ends_with_the_same(finished):
    before = {
        name: (finished / "run" / name).read_bytes() for name in ("results.json", "metrics.jsonl")
    }
    ways = ("--checkpoint_seconds=5", "--log_progress", "--cpu_devices=1")
    done = run_program(finished, "coldnas", *COMMAND, *ways)
    assert done.returncode == 0, done.stderr
    assert done.stdout == (finished / "said.txt").read_text()
    for name, content in before.items():
        assert (finished / "run" / name).read_bytes() == content


def test_help_shows_every_flag(tmp_path, compiled):
    done = run_program(tmp_path, "coldnas", "--help")
    for field in dataclasses.fields(ColdNASSettings):
        name = f"[no]{field.name}" if isinstance(field.default, bool) else f"{field.name}="
        assert f"--{name}" in done.stdout
    assert "Traceback" not in done.stderr


def test_items_are_ranked_for_a_new_user(finished):
    done = predict(finished, "--top=5")
    assert (done.returncode, done.stderr) == (0, "")
    header, *lines = done.stdout.splitlines()
    assert header.split() == ["rank", "item", "predicted", "rating", "in", "training"]
    assert [line.split()[0] for line in lines] == ["1", "2", "3", "4", "5"]
    assert len({len(line.rsplit("  ", 1)[0]) for line in lines}) == 1
    ratings = [float(line.split()[3]) for line in lines]
    assert ratings == sorted(ratings, reverse=True)


def test_items_are_ranked_as_json(finished):
    found = json.loads(predict(finished, "--json", "--top=100").stdout)
    assert {one["item"] for one in found} == {f"i{n}" for n in range(ITEMS)} - {"i2", "i3"}
    assert {one["title"] for one in found} == {f"Title {one['item'][1:]}" for one in found}
    ratings = [one["rating"] for one in found]
    assert ratings == sorted(ratings, reverse=True)
    assert all(1 <= rating <= 5 for rating in ratings)
    other = json.loads(predict(finished, "--json", "--top=100", "--user_features=job=b").stdout)
    assert other != found


def test_what_is_odd_about_a_user_is_said(finished):
    write(finished / "odd.csv", ["item,rating", "i2,5", "i2,5"])
    done = predict(finished, "--user_features=job=pilot", ratings="odd.csv")
    assert done.returncode == 0
    first, second = done.stderr.splitlines()
    assert first.startswith("warning: odd.csv:3: 1 rating stands there already, dropped")
    assert second.startswith("warning: --user_features: job 'pilot' does not occur in training")


def test_predictions_are_explained(finished):
    done = explain(finished)
    assert (done.returncode, done.stderr) == (0, "")
    said = done.stdout.splitlines()
    assert said[0] == "how the model is modulated"
    assert said[-1] == "pictures, and as JSON: run/explain"
    (best,) = json.loads(predict(finished, "--json", "--top=1").stdout)
    told = f"what the ratings do to {best['title']}, predicted {best['rating']:.3f}"
    assert told in said
    explained = json.loads((finished / "run" / "explain" / "explanation.json").read_text())
    effects = {one["item"]: one["effect"] for one in explained["users"][0]["influence"]["items"]}
    # An effect is the prediction with the rating less the one without it.
    for left_out, kept in (("Title 2", "i3,1"), ("Title 3", "i2,5")):
        write(finished / "less.csv", ["item,rating", kept])
        others = json.loads(predict(finished, "--json", "--top=100", ratings="less.csv").stdout)
        without = next(one["rating"] for one in others if one["item"] == best["item"])
        assert effects[left_out] == pytest.approx(best["rating"] - without, abs=1e-5)
    assert (finished / "run" / "explain" / "influence.png").read_bytes().startswith(PNG)


def test_an_item_is_explained_in_a_folder_of_choice(finished):
    done = explain(finished, "--item=Title 7", "--out=why")
    assert done.returncode == 0, done.stderr
    assert "what the ratings do to Title 7, predicted" in done.stdout
    assert {"explanation.json", "influence.png"} <= {
        one.name for one in (finished / "why").iterdir()
    }


def test_report_and_comparison_know_the_method(finished):
    (finished / "run" / "report" / "index.html").unlink()
    done = run_program(finished, "report", "--workdir=run")
    assert (done.returncode, done.stderr) == (0, "")
    assert done.stdout == "report: run/report/index.html\n"
    page = (finished / "run" / "report" / "index.html").read_text()
    assert "ColdNAS on ratings" in page
    done = run_program(finished, "compare", "--json", "run")
    (row,) = json.loads(done.stdout)
    results = json.loads((finished / "run" / "results.json").read_text())
    assert str(results["test"]["mse"]["mean"]) in json.dumps(row)
    assert "Test nDCG@3" in run_program(finished, "compare", "run").stdout


@pytest.mark.parametrize(
    ("lines", "words"),
    [
        (["item,rating"], (":1: found nothing after the header", "expected a line of item,rating")),
        ([], (":1: found an empty file",)),
        (["item,rating", "i2,6"], (":2: found the rating '6', expected 1 to 5",)),
        (["item,rating", "i2,good"], (":2: found the rating 'good', expected 1 to 5",)),
        (["item,rating", "Titel 4,2"], (":2: found unknown item 'Titel 4'", "'Title 4'")),
        (["item,colour", "i2,1"], (":1: found the header 'item,colour' without rating",)),
        (
            ["item,rating", *[f"i{n},2" for n in range(ITEMS)]],
            ("found all 9 items", "expected some"),
        ),
    ],
    ids=[
        "no support",
        "empty",
        "range",
        "no number",
        "item",
        "header",
        "all rated",
    ],
)
def test_ratings_that_cannot_be_used(finished, lines, words):
    write(finished / "bad.csv", lines)
    assert_one_line_error(predict(finished, ratings="bad.csv"), *words)
    assert_one_line_error(explain(finished, ratings="bad.csv"), *words)


@pytest.mark.parametrize(
    ("program", "arguments", "words"),
    [
        ("predict", ("--user_features=jab=a",), ("--user_features: ", "'jab'", "mean 'job'")),
        ("predict", ("--user_features=job",), ("--user_features: found 'job'", "field=value")),
        (
            "predict",
            ("--head=i2",),
            ("--head: given for run, a run of coldnas", "expected --ratings"),
        ),
        (
            "predict",
            ("--queries=user.csv",),
            ("--queries: given for run, a run of coldnas", "expected --ratings"),
        ),
        ("predict", ("--ratings=none.csv",), ("none.csv",)),
        ("predict", ("--workdir=ratings",), ("ratings: not a run directory",)),
        ("predict", ("--top=0",), ("--top=0",)),
        ("explain", ("--item=Titel 4",), ("--item: found unknown item 'Titel 4'", "'Title 4'")),
        ("explain", ("--ratings=",), ("--ratings: missing",)),
        ("explain", ("--workdir=",), ("--workdir: missing",)),
    ],
    ids=lambda value: value[0] if isinstance(value, tuple) else value,
)
def test_questions_that_cannot_be_answered(finished, program, arguments, words):
    ask = predict if program == "predict" else explain
    assert_one_line_error(ask(finished, *arguments), *words)


def test_a_run_of_the_other_kind(finished, tmp_path):
    asked = ("--head=i2", "--relation=likes")
    done = run_program(finished, "predict", "--workdir=run", *asked)
    assert_one_line_error(done, "--head: given for run, a run of coldnas; expected --ratings")
    config = json.loads((finished / "run" / "config.json").read_text())
    (tmp_path / "graph_run").mkdir()
    (tmp_path / "graph_run" / "config.json").write_text(json.dumps({**config, "method": "autoblm"}))
    other = ("--workdir=graph_run", f"--ratings={finished / 'user.csv'}")
    done = run_program(tmp_path, "predict", *other)
    told = "--ratings: given for graph_run, a run of autoblm; expected --head, --relation, --tail"
    assert_one_line_error(done, told)
    done = run_program(tmp_path, "explain", "--workdir=graph_run", "--head=a", "--relation=b")
    told = "graph_run: no explanations from the method 'autoblm', expected coldnas, red_gnn"
    assert_one_line_error(done, told)


def test_lastfm(tmp_path, compiled, shared_data):
    """The real tasks, one structure, one epoch; then a user whose artists training knows or not."""
    flags = {
        **{name: value for name, value in SMALL.items() if name not in PROTOCOL},
        **SIZES,
        "batch_size": 64,
        "structure": "shift; -",
        "final_epochs": 1,
    }
    data = ("--dataset=lastfm", f"--data_dir={shared_data}")
    done = run_program(tmp_path, "coldnas", *data, "--workdir=run", *as_flags(flags))
    assert (done.returncode, done.stderr) == (0, "")
    results = json.loads((tmp_path / "run" / "results.json").read_text())
    assert 0 < results["test"]["mse"]["mean"] < 0.5
    assert 0 < results["unseen_items"]["test"] < results["unseen_items"]["test_items"]
    never = "not in training      {test} of {test_items} test items"
    assert never.format(**results["unseen_items"]) in done.stdout
    seen = json.loads((tmp_path / "run" / "results.json").read_text())["reasons"]["users"][0]
    item = seen["influence"]["items"][0]["item"].removeprefix("item ")
    write(tmp_path / "user.csv", ["item,rating", f"{item},1"])
    asked = (data[1], "--workdir=run", "--ratings=user.csv")
    done = run_program(tmp_path, "predict", *asked, "--json", "--top=3")
    assert done.returncode == 0, done.stderr
    found = json.loads(done.stdout)
    assert len(found) == 3
    assert item not in {one["item"] for one in found}
    assert all(0 <= one["rating"] <= 1 for one in found)
    assert run_program(tmp_path, "explain", *asked).returncode == 0
