"""The benchmark as a user runs it: flags by method, tables and figures."""

from __future__ import annotations

import json

import pytest

from tests.end_to_end.programs import assert_one_line_error, run_program

_SMALL = (
    "--method=red_gnn",
    "--dataset=generated",
    "--triples=300",
    "--entities=60",
    "--relations=4",
    "--part=evaluation",
    "--top_k=3",
    "--num_layers=1",
    "--embedding_dim=4",
    "--batch_size=3",
    "--rounds=2",
    "--noprofile",
)


@pytest.mark.parametrize(
    ("method", "flag", "absent"),
    [
        ("autoblm", "--torch_chunk_size=INTEGER", "--part=training|evaluation"),
        ("coldnas", "--torch_chunk_size=INTEGER", "--top_k=INTEGER"),
        ("red_gnn", "--part=training|evaluation", "--workdir=PATH"),
    ],
)
def test_help_shows_the_flags_of_the_method(tmp_path, compiled, method, flag, absent):
    done = run_program(tmp_path, "benchmark", "--help", f"--method={method}")
    assert (done.returncode, done.stderr) == (0, "")
    flags = {line.strip() for line in done.stdout.splitlines()}
    assert flag in flags
    assert absent not in flags


@pytest.mark.slow
def test_adaprop_is_measured_on_a_generated_graph(tmp_path, compiled):
    done = run_program(tmp_path, "benchmark", *_SMALL, "--json=figures.json")
    assert (done.returncode, done.stderr) == (0, "")
    lines = done.stdout.splitlines()
    assert lines[0].startswith("generated, evaluation: 60 entities, 300 triples, 1 layers, width 4")
    assert lines[2].startswith("kapl_jax  ")
    assert lines[-1] == "figures: figures.json"
    figures = json.loads((tmp_path / "figures.json").read_text())
    assert figures["method"] == "red_gnn"
    assert figures["settings"]["entities"] == 60
    (row,) = figures["programs"].values()
    assert 0 < row["low"] <= row["milliseconds"] <= row["high"]
    assert row["batches_per_second"] == pytest.approx(1e3 / row["milliseconds"])
    assert figures["peak_bytes"] > 1 << 20


def test_flags_of_another_method_are_refused(tmp_path, compiled):
    done = run_program(tmp_path, "benchmark", "--method=autoblm", "--top_k=3")
    assert_one_line_error(done, "top_k")
