"""The programs from the search to the answers, as a user runs them, on a tiny graph."""

from __future__ import annotations

import json
import subprocess
import sys
from pathlib import Path

import pytest

from tests.end_to_end.programs import (
    ROOT,
    SMALL,
    assert_one_line_error,
    environment,
    run_program,
)
from tests.methods.autoblm.tiny import tiny_graph, write_tiny_graph

COMMAND = ("--dataset=graph", "--workdir=run", *SMALL)


@pytest.fixture(scope="module")
def finished(tmp_path_factory, compiled) -> Path:
    """A folder with a graph and a finished run, made by a process of its own."""
    folder = tmp_path_factory.mktemp("user")
    write_tiny_graph(folder / "graph")
    with environment(compiled) as variables:
        done = subprocess.run(
            [sys.executable, "-m", "experiments.autoblm", *COMMAND],
            cwd=folder,
            env={**variables, "PYTHONPATH": str(ROOT)},
            capture_output=True,
            text=True,
            check=False,
        )
    assert (done.returncode, done.stderr) == (0, "")
    (folder / "said.txt").write_text(done.stdout)
    return folder


def predict(folder, *arguments):
    return run_program(folder, "predict", "--workdir=run", *arguments)


def test_the_program_says_what_it_found_and_where(finished):
    said = (finished / "said.txt").read_text()
    results = json.loads((finished / "run" / "results.json").read_text())
    assert results["best"]["formula"] in said
    assert f"{results['test']['mrr']['mean']:.4f}" in said
    assert said.splitlines()[-1] == "report: run/report/index.html"
    assert (finished / "run" / "report" / "index.html").is_file()
    assert list((finished / "run" / "tensorboard").glob("events.out.tfevents.*"))


def test_the_same_command_again_ends_with_the_same(finished):
    results = (finished / "run" / "results.json").read_bytes()
    events = (finished / "run" / "metrics.jsonl").read_bytes()
    done = run_program(finished, "autoblm", *COMMAND)
    assert (done.returncode, done.stderr) == (0, "")
    assert done.stdout == (finished / "said.txt").read_text()
    assert (finished / "run" / "results.json").read_bytes() == results
    assert (finished / "run" / "metrics.jsonl").read_bytes() == events


def test_how_the_work_is_done_may_change(finished):
    ways = ("--checkpoint_seconds=5", "--log_progress", "--cpu_devices=1")
    done = run_program(finished, "autoblm", *COMMAND, *ways)
    assert done.returncode == 0, done.stderr


@pytest.mark.parametrize("name", ["autoblm", "coldnas", "red_gnn", "predict", "explain"])
@pytest.mark.parametrize("flag", ["--help", "-h"])
def test_help_shows_the_flags_of_the_program(tmp_path, compiled, name, flag):
    done = run_program(tmp_path, name, flag)
    assert (done.returncode, done.stderr) == (0, "")
    assert f"python -m experiments.{name} " in done.stdout
    lines = done.stdout.splitlines()
    flags = {"--workdir=PATH", "--data_dir=PATH"}
    if name == "autoblm":
        flags |= {"--learning_rate=NUMBER", "--[no]unit_ball", "--optimizer=adagrad|adam"}
    assert flags <= {line.strip() for line in lines}
    # Those of absl are of no use to a newcomer.
    assert "alsologtostderr" not in done.stdout


def test_full_help_shows_the_flags_of_absl_too(tmp_path, compiled):
    done = run_program(tmp_path, "compare", "--helpfull")
    assert (done.returncode, done.stderr) == (0, "")
    assert "--[no]alsologtostderr" in done.stdout
    assert "--[no]markdown" in done.stdout


def test_the_tail_is_asked(finished):
    done = predict(finished, "--head=entity_3", "--relation=relation_1", "--top=5")
    assert (done.returncode, done.stderr) == (0, "")
    lines = done.stdout.splitlines()
    assert lines[0] == "(entity_3, relation_1, ?)"
    assert lines[1].split() == ["rank", "answer", "score", "probability", "known", "from"]
    assert [line.split()[0] for line in lines[2:7]] == ["1", "2", "3", "4", "5"]
    scores = [float(line.split()[2]) for line in lines[2:7]]
    assert scores == sorted(scores, reverse=True)


def test_the_head_is_asked_as_json(finished):
    head, relation, tail = tiny_graph().test[0].tolist()
    flags = (f"--tail=entity_{tail}", f"--relation=relation_{relation}", "--json", "--top=100")
    done = predict(finished, *flags)
    assert (done.returncode, done.stderr) == (0, "")
    (line,) = done.stdout.splitlines()
    answer = json.loads(line)
    asked = {"head": None, "relation": f"relation_{relation}", "tail": f"entity_{tail}"}
    assert answer["query"] == asked
    known = {one["entity"]: one["known"] for one in answer["answers"]}
    assert len(known) == 12
    assert known[f"entity_{head}"] == "test"


def test_a_file_of_queries(finished):
    (finished / "queries.txt").write_text("entity_3 relation_1 ?\n\n?\trelation_0\tentity_2\n")
    done = predict(finished, "--queries=queries.txt", "--json", "--top=2")
    found = [json.loads(line) for line in done.stdout.splitlines()]
    assert [one["query"]["head"] for one in found] == ["entity_3", None]
    assert [len(one["answers"]) for one in found] == [2, 2]
    alone = predict(finished, "--head=entity_3", "--relation=relation_1", "--json", "--top=2")
    for one, other in zip(json.loads(alone.stdout)["answers"], found[0]["answers"], strict=True):
        assert one["entity"] == other["entity"]
        assert one["score"] == pytest.approx(other["score"], rel=1e-5)


def test_queries_with_unknown_names_do_not_stop_the_others(finished):
    lines = ["entity_3 relation_1 ?", "nobody relation_1 ?", "? Relation_1 entity_2"]
    lines.append("? relation_0 entity_2")
    (finished / "some.txt").write_text("\n".join(lines) + "\n")
    done = predict(finished, "--queries=some.txt", "--json", "--top=2")
    assert done.returncode == 1
    found = [json.loads(line) for line in done.stdout.splitlines()]
    assert [one["query"]["tail"] for one in found] == [None, None, "entity_2", "entity_2"]
    assert ["answers" in one for one in found] == [True, False, False, True]
    told = done.stderr.splitlines()
    assert told[0].startswith("error: some.txt:2: found unknown entity 'nobody'")
    assert "unknown relation 'Relation_1' (did you mean 'relation_1'" in told[1]
    assert told[1].startswith("error: some.txt:3: ")
    assert told[2:] == ["error: 2 of 4 questions were left out, see the lines above"]
    assert [found[1]["error"], found[2]["error"]] == [
        line.removeprefix("error: ") for line in told[:2]
    ]
    done = predict(finished, "--queries=some.txt", "--top=2")
    assert done.returncode == 1
    headings = [line for line in done.stdout.splitlines() if line.startswith("(")]
    assert headings == ["(entity_3, relation_1, ?)", "(?, relation_0, entity_2)"]


@pytest.mark.parametrize(
    ("arguments", "words"),
    [
        (("--queries=q.txt", "--head=entity_3"), ("--head: given with --queries",)),
        (
            ("--queries=q.txt", "--ratings=r.csv"),
            ("--ratings: given for run, a run of autoblm", "--queries"),
        ),
        (
            ("--head=entity_33", "--relation=relation_1"),
            ("--head=entity_33", "unknown entity 'entity_33'", "did you mean 'entity_3'"),
        ),
        (("--tail=entity_3", "--relation=relation"), ("relation 'relation'", "did you mean")),
        (("--head=entity_3",), ("--relation: missing",)),
        (("--head=a", "--relation=b", "--tail=c"), ("both given",)),
        (("--queries=none.txt",), ("none.txt: cannot be read",)),
        (("entity_3", "--relation=relation_1"), ("entity_3: unexpected argument",)),
        (("--head=entity_3", "--relation=relation_1", "--top=0"), ("--top=0",)),
        (("--workdir=graph", "--head=entity_3", "--relation=b"), ("graph: not a run directory",)),
        (("--workdir=", "--head=entity_3", "--relation=b"), ("--workdir: missing",)),
    ],
    ids=lambda value: value[-1] if value[0].startswith("-") else "",
)
def test_questions_that_cannot_be_answered(finished, arguments, words):
    assert_one_line_error(predict(finished, *arguments), *words)


def test_an_unfinished_run_has_no_answers(finished, tmp_path):
    (tmp_path / "run").mkdir()
    config = (finished / "run" / "config.json").read_bytes()
    (tmp_path / "run" / "config.json").write_bytes(config)
    done = predict(tmp_path, "--head=entity_3", "--relation=relation_1")
    assert_one_line_error(done, "run/checkpoints/model", "give the command of the run")


def test_a_graph_that_has_changed_gives_no_answers(finished, tmp_path):
    """It would answer with other entities' names."""
    folder = write_tiny_graph(tmp_path / "graph")
    train = (folder / "train.txt").read_text().splitlines()
    (folder / "train.txt").write_text("\n".join(train[::-1]) + "\n")
    workdir = finished / "run"
    asked = ("--head=entity_3", "--relation=relation_1")
    done = run_program(tmp_path, "predict", f"--workdir={workdir}", "--dataset=graph", *asked)
    assert_one_line_error(done, str(workdir), "trained on another knowledge graph")
