from __future__ import annotations

from kapl_jax.runs.report.sections.pruning import pruning
from kapl_jax.runs.run_directory import read_run
from tests.runs.report.fake_run import write_fake_run

FOUND = {
    "formula": "shift; -",
    "importance": [
        {"position": 0, "operation": "max", "loss_without": -0.001},
        {"position": 0, "operation": "shift", "loss_without": 0.05},
    ],
    "chain": [
        {"formula": "max shift; -", "mrr": 0.61},
        {"formula": "shift; -", "mrr": 0.6},
        {"formula": "-; -", "mrr": 0.4},
    ],
}


def test_operations_are_ranked_and_what_is_kept_is_marked(tmp_path):
    run = read_run(write_fake_run(tmp_path))
    run.results["pruning"] = FOUND
    section = pruning([run])
    importance, chain = section.blocks
    assert importance.rows == [["0", "shift", "+0.0500"], ["0", "max", "-0.0010"]]
    assert chain.rows == [["max shift; -", "0.6100"], ["shift; -", "0.6000"], ["-; -", "0.4000"]]
    assert chain.strong_rows == frozenset({1})


def test_nothing_to_show(tmp_path):
    assert pruning([read_run(write_fake_run(tmp_path))]) is None
