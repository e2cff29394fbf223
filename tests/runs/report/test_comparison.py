import dataclasses
import json
from pathlib import Path

from kapl_jax.runs.report.comparison import as_json, as_markdown, as_text, columns, compare
from kapl_jax.runs.run_directory import Run, read_run
from tests.runs.report.fake_runs import write_fake_cold_run, write_fake_run


def fake_runs(folder: Path) -> list[Run]:
    return [
        read_run(write_fake_run(folder / "late", finished=False, candidates=20)),
        read_run(write_fake_run(folder / "done")),
        read_run(write_fake_run(folder / "other", dataset="a|b", best="complex")),
        read_run(write_fake_run(folder / "begun", finished=False, candidates=0)),
    ]


def test_rows_are_ordered_by_dataset_then_validation(tmp_path: Path) -> None:
    rows = compare(fake_runs(tmp_path))
    assert [Path(row.run).name for row in rows] == ["other", "done", "late", "begun"]


def test_lower_is_first_where_it_is_better(tmp_path: Path) -> None:
    runs = [
        read_run(write_fake_cold_run(tmp_path / "done")),
        read_run(write_fake_cold_run(tmp_path / "late", finished=False, candidates=60)),
        read_run(write_fake_cold_run(tmp_path / "ndcg", objective="ndcg_at_5")),
        read_run(write_fake_cold_run(tmp_path / "early", finished=False, candidates=2)),
    ]
    rows = compare(runs)
    assert [Path(row.run).name for row in rows] == ["late", "done", "early", "ndcg"]
    means = [row.valid["mse"].mean for row in rows[:3]]
    assert means == sorted(means)
    lines = as_text(rows).splitlines()
    assert len(lines) == 6
    assert "searched-1: 0: shift | 1: shift" in lines[3]


def test_an_event_without_metrics_tells_its_score_as_the_metric(tmp_path: Path) -> None:
    run = read_run(write_fake_cold_run(tmp_path / "late", finished=False, candidates=1))
    events = [{**event, "score": -0.21, "valid": None} for event in run.events]
    (row,) = compare([dataclasses.replace(run, events=events)])
    assert row.valid["mse"].mean == 0.21


def test_text_columns_are_aligned_and_unfinished_runs_are_named(tmp_path: Path) -> None:
    header, rule, *lines = as_text(compare(fake_runs(tmp_path))).splitlines()
    starts = [index for index in range(len(rule)) if rule[index] == "-" and rule[index - 1] != "-"]
    assert len(starts) > 10
    for line in lines:
        assert all(line[start - 1 : start] in ("", " ") for start in starts[1:])
    assert "Test Hits@10" in header
    assert "Hits@3" not in header
    assert "unfinished: search" in lines[2]
    assert "searched-1: ⟨h1,r1,t1⟩" in lines[1]
    assert "complex" in lines[0]


def test_values_are_those_of_the_results(tmp_path: Path) -> None:
    run = fake_runs(tmp_path)[1]
    assert run.results is not None
    header, cells = columns(compare([run]))
    row = dict(zip(header, cells[0], strict=True))
    test = run.results["test"]["mrr"]
    assert row["Test MRR"] == f"{test['mean']:.4f} ± {test['std']:.4f}"
    assert row["Parameters"] == "11,584"
    assert row["Structures"] == "128"
    assert row["Time"] == "3 min 08 s"
    assert row["Device"] == "2 x cpu"


def test_columns_without_content_are_left_out(tmp_path: Path) -> None:
    begun = fake_runs(tmp_path)[3]
    header, _ = columns(compare([begun]))
    assert "Parameters" not in header
    assert "Searcher" in header


def test_markdown_escapes_bars(tmp_path: Path) -> None:
    lines = as_markdown(compare(fake_runs(tmp_path))).splitlines()
    cells = {line.replace(r"\|", "").count("|") for line in lines}
    assert len(cells) == 1
    assert r"a\|b" in lines[2]


def test_json_holds_all_metrics(tmp_path: Path) -> None:
    rows = json.loads(as_json(compare(fake_runs(tmp_path))))
    assert rows[1]["test"]["hits_at_3"]["mean"] > 0
    assert rows[3]["test"] == {}
    assert rows[2]["stage"] == "search"
