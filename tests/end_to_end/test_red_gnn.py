"""RED-GNN from a folder to explanations, as users run it, on an inductive pair of a few people."""

from __future__ import annotations

import dataclasses
import json
import shutil
from pathlib import Path

import pytest

from kapl_jax.methods.red_gnn.settings import RedGNNSettings
from tests.data.graph_folders import write
from tests.end_to_end.programs import assert_one_line_error, run_program
from tests.methods.red_gnn.family import write_family

pytestmark = pytest.mark.slow
SMALL_FLAGS = (
    "--num_layers=2",
    "--hidden_dim=8",
    "--learning_rate=0.02",
    "--final_epochs=4",
    "--evaluate_every=2",
    "--seeds=2",
    "--explained_answers=20",
    "--example_answers=1",
    "--nolog_progress",
    "--cpu_devices=2",
)
COMMAND = ("--dataset=people", "--workdir=run", *SMALL_FLAGS)


@pytest.fixture(scope="module")
def finished(tmp_path_factory, compiled) -> Path:
    """A folder with a pair and a finished run."""
    folder = tmp_path_factory.mktemp("user")
    write_family(folder / "people", "a", 14)
    write_family(folder / "people_ind", "b", 10)
    done = run_program(folder, "red_gnn", *COMMAND)
    assert (done.returncode, done.stderr) == (0, "")
    (folder / "said.txt").write_text(done.stdout)
    return folder


def test_the_program_says_what_it_found_and_where(finished):
    said = (finished / "said.txt").read_text().splitlines()
    results = json.loads((finished / "run" / "results.json").read_text())
    assert said[0].startswith("best on validation   published: activation=relu")
    value = results["test"]["mrr"]
    assert f"test MRR             {value['mean']:.4f} ± {value['std']:.4f}" in said
    assert set(results["by_file"]) == {"valid", "test"}
    share = f"{results['reach']['test']:.1%}"
    assert f"test answers in reach of 2 steps: {share}" in said
    assert results["rules"]["table"]
    assert said[-1] == "report: run/report/index.html"
    page = (finished / "run" / "report" / "index.html").read_text()
    assert "grandparent" in page


def test_the_same_command_again_ends_with_the_same(finished):
    before = {
        name: (finished / "run" / name).read_bytes() for name in ("results.json", "metrics.jsonl")
    }
    done = run_program(finished, "red_gnn", *COMMAND, "--checkpoint_seconds=5")
    assert done.stdout == (finished / "said.txt").read_text()
    for name, content in before.items():
        assert (finished / "run" / name).read_bytes() == content


def test_help_shows_every_flag(tmp_path, compiled):
    done = run_program(tmp_path, "red_gnn", "--help")
    for field in dataclasses.fields(RedGNNSettings):
        name = f"[no]{field.name}" if isinstance(field.default, bool) else f"{field.name}="
        assert f"--{name}" in done.stdout


def test_queries_about_both_graphs_are_answered(finished):
    for entity in ("b1", "a1"):
        done = run_program(
            finished, "predict", "--workdir=run", f"--head={entity}", "--relation=grandparent"
        )
        assert (done.returncode, done.stderr) == (0, "")
        first, _, best, *_ = done.stdout.splitlines()
        assert first == f"({entity}, grandparent, ?)"
        assert best.split()[1].startswith(entity[0])


def test_what_cannot_be_reached_is_no_answer(finished):
    asked = ("--workdir=run", "--head=b1", "--relation=grandparent")
    done = run_program(finished, "predict", *asked, "--json", "--top=100")
    found = json.loads(done.stdout)
    rest = found["out_of_reach"]
    assert len(found["answers"]) + rest["count"] == 10
    assert rest["score"] == 0.0
    done = run_program(finished, "predict", *asked)
    assert f"  {rest['count']} entities are out of reach: score 0.000" in done.stdout
    shown = {one["entity"] for one in found["answers"]}
    unreached = next(f"b{number}" for number in range(10) if f"b{number}" not in shown)
    done = run_program(finished, "explain", *asked, f"--tail={unreached}", "--out=unreached")
    assert (done.returncode, done.stderr) == (0, "")
    assert f"   -  {unreached}  out of reach" in done.stdout
    (entry,) = json.loads((finished / "unreached" / "explanation.json").read_text())["answers"]
    assert entry["rank"] is None
    done = run_program(finished, "explain", *asked, "--top=100", "--out=all")
    kept = json.loads((finished / "all" / "explanation.json").read_text())["answers"]
    assert {one["answer"] for one in kept} == shown


def test_an_explanation_is_told_even_where_its_pictures_cannot_be_kept(finished):
    (finished / "in_the_way").write_text("")
    asked = ("--workdir=run", "--head=b1", "--relation=grandparent", "--tail=b3")
    done = run_program(finished, "explain", *asked, "--out=in_the_way")
    assert done.returncode == 1
    assert "strongest paths to b3" in done.stdout
    (line,) = done.stderr.splitlines()
    assert line.startswith("error: in_the_way/")
    assert line.endswith("or give another folder by --out")


def test_an_answer_is_explained_by_paths(finished):
    done = run_program(
        finished, "explain", "--workdir=run", "--head=b1", "--relation=grandparent", "--tail=b3"
    )
    assert (done.returncode, done.stderr) == (0, "")
    assert "b1 -parent-> b2 -parent-> b3" in done.stdout
    folder = finished / "run" / "explain"
    assert (folder / "digraph-1.svg").read_text().lstrip().startswith("<?xml")
    kept = json.loads((folder / "explanation.json").read_text())
    assert kept["answers"][0]["answer"] == "b3"


def test_rules_are_shown_with_what_the_graph_says_of_them(finished):
    done = run_program(finished, "explain", "--workdir=run", "--rules", "--explained_answers=20")
    assert (done.returncode, done.stderr) == (0, "")
    assert "grandparent(X, Y) <- parent(X, Z1), parent(Z1, Y)" in done.stdout
    kept = json.loads((finished / "run" / "explain" / "rules.json").read_text())
    by_rule = {row["rule"]: row for row in kept["table"]}
    planted = by_rule["grandparent(X, Y) <- parent(X, Z1), parent(Z1, Y)"]
    assert 0 < planted["confidence"] <= 1
    assert 0 <= kept["mrr"]["rules"] <= 1


def test_a_model_outlives_where_its_data_lay(finished, tmp_path):
    """Trained with a relative folder; asked and continued from elsewhere, wherever they are."""
    run = tmp_path / "run"
    shutil.copytree(finished / "run", run)
    for name in ("people", "people_ind"):
        shutil.copytree(finished / name, tmp_path / "data" / name)
    config = json.loads((run / "config.json").read_text())
    assert config["dataset_path"] == str(finished / "people")
    asked = (f"--workdir={run}", "--head=b1", "--relation=grandparent", "--top=1")
    elsewhere = tmp_path / "elsewhere"
    elsewhere.mkdir()
    expected = run_program(elsewhere, "predict", *asked)
    assert (expected.returncode, expected.stderr) == (0, "")

    moved = tmp_path / "data" / "moved"
    (tmp_path / "data" / "people").rename(moved)
    done = run_program(elsewhere, "predict", *asked, f"--dataset={moved}")
    assert_one_line_error(done, "moved: found no folder moved_ind beside it")
    (tmp_path / "data" / "people_ind").rename(moved.with_name("moved_ind"))
    done = run_program(elsewhere, "predict", *asked, f"--dataset={moved}")
    assert (done.stdout, done.stderr) == (expected.stdout, "")

    results = (run / "results.json").read_bytes()
    command = (*SMALL_FLAGS, f"--workdir={run}", "--dataset=../data/moved")
    done = run_program(elsewhere, "red_gnn", *command)
    assert (done.returncode, done.stderr) == (0, "")
    assert (run / "results.json").read_bytes() == results
    config["dataset_path"] = str(moved)
    assert json.loads((run / "config.json").read_text()) == config

    train = moved / "train.txt"
    train.write_text(train.read_text() + "a1\tparent\ta9\n")
    done = run_program(elsewhere, "red_gnn", *command)
    assert_one_line_error(done, "holds another run (dataset train=")
    done = run_program(elsewhere, "predict", *asked, f"--dataset={moved}")
    assert_one_line_error(done, "another knowledge graph than moved", "dataset train=")


@pytest.mark.parametrize(
    ("arguments", "words"),
    [
        (
            ("--head=b99", "--relation=parent"),
            ("--head=b99", "unknown entity 'b99' (did"),
        ),
        (("--head=b1", "--relation=parents"), ("relation 'parents'", "did you mean 'parent'")),
        ((), ("--relation", "missing")),
    ],
    ids=["entity", "relation", "nothing"],
)
def test_a_bad_query(finished, arguments, words):
    assert_one_line_error(run_program(finished, "explain", "--workdir=run", *arguments), *words)


@pytest.mark.parametrize(
    ("flag", "words"),
    [
        ("--structure=message=times", ("--structure", "'times'", "sum, product, rotation")),
        ("--fact_share=1", ("--fact_share=1", "less than 1")),
        ("--regime=dense --top_k=5", ("--regime=dense", "--top_k")),
        ("--structure= --hidden_dim=7", ("--hidden_dim", "odd width 7", "even")),
    ],
)
def test_a_bad_flag(tmp_path, compiled, flag, words):
    write_family(tmp_path / "people", "a", 14)
    arguments = ("--dataset=people", "--workdir=run", *flag.split())
    assert_one_line_error(run_program(tmp_path, "red_gnn", *arguments), *words)


def test_a_pair_whose_relations_differ(tmp_path, compiled):
    write_family(tmp_path / "people", "a", 14)
    write_family(tmp_path / "people_ind", "b", 10)
    train = tmp_path / "people_ind" / "train.txt"
    train.write_text(train.read_text().replace("parent", "parrent", 1))
    assert_one_line_error(
        run_program(tmp_path, "red_gnn", *COMMAND),
        "people_ind/train.txt:1",
        "'parrent'",
        "'parent'",
    )


def test_a_graph_without_edges(tmp_path, compiled):
    write_family(tmp_path / "people", "a", 14)
    write(tmp_path / "people" / "train.txt", [])
    assert_one_line_error(
        run_program(tmp_path, "red_gnn", *COMMAND), "people/train.txt", "at least one triple"
    )
