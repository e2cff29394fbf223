"""The sections that RED-GNN adds to the report."""

import re
from pathlib import Path
from typing import Any

import pytest

from kapl_jax.methods import PRESENTATIONS
from kapl_jax.methods.red_gnn.presentation import paths, rules
from kapl_jax.runs.report.page import render
from kapl_jax.runs.report.section import Facts, Figure, Formula, Section, Table
from kapl_jax.runs.run_directory import Run
from tests.explain.family_example import family_explanation

ENTRIES = family_explanation().to_json()["answers"][:2]
UNREACHED = {**ENTRIES[0], "layers": [[], [], []], "paths": []}


def with_paths(entries: Any, name: str = "run") -> Run:
    return Run(Path(name), {"method": "red_gnn"}, [], {"paths": entries})


def test_each_answer_has_a_picture_and_its_paths() -> None:
    found = paths({"": with_paths([{**ENTRIES[0], "left_out": [0, 3, 4]}, UNREACHED, ENTRIES[1]])})
    assert found is not None
    carl, rows, dora, _ = found.blocks
    assert isinstance(carl, Figure)
    assert isinstance(rows, Table)
    assert carl.heading == "ann -aunt-> carl"
    assert "Strongest path: ann -father^-1-&gt; bea -sister-&gt; carl (0.54, 2 walks)" in carl.svg
    assert "score of the answer: 2.50. 7 weaker edges are left out." in carl.caption
    assert rows.rows[0] == ["ann -father^-1-> bea -sister-> carl", "0.5400", "2"]
    assert isinstance(dora, Figure)
    assert "left out" not in dora.caption


def test_pictures_of_several_runs_share_no_ids() -> None:
    page = render([with_paths(ENTRIES, "a"), with_paths(ENTRIES, "b")], PRESENTATIONS)
    ids = re.findall(r'\sid="([^"]*)"', page)
    assert len(set(ids)) == len(ids)
    assert "ann -aunt-&gt; carl (red_gnn (b))" in page
    assert "<b>" not in page


@pytest.mark.parametrize("entries", [None, [], [UNREACHED]])
def test_without_reached_answers_there_is_no_section(entries: Any) -> None:
    assert paths({"": with_paths(entries)}) is None
    assert paths({"": Run(Path("run"), {}, [], None)}) is None


MRR = {"rules": 0.5, "model": 0.75}


def named(*runs: Run) -> dict[str, Run]:
    """Return runs as a page names them."""
    return {f"run {index}" if runs[1:] else "": run for index, run in enumerate(runs)}


def row(relation: str, weight: float, **more: Any) -> dict[str, Any]:
    return {
        "rule": f"{relation}(X, Y) <- r{weight:g}(X, Y)",
        **{"relation": relation, "latex": f"latex {weight:g}", "support": 1200},
        **{"confidence": 0.25, "head_coverage": 0.5, "weight": weight, "answers": 7},
        **more,
    }


def section_of(entry: Any, *others: Any) -> Section:
    found = rules(named(*(with_rules(one) for one in (entry, *others))))
    assert found is not None
    return found


def with_rules(entry: Any) -> Run:
    return Run(Path("run"), {"method": "red_gnn"}, [], {"rules": entry})


def test_the_heaviest_of_each_relation_are_shown_and_all_are_folded() -> None:
    table = [row("b", 1), *(row("a", weight) for weight in (2, 5, 3, 4))]
    facts, formula, best, everything = section_of({"mrr": MRR, "table": table}).blocks
    assert isinstance(facts, Facts)
    assert facts.entries == [
        ("Test MRR of the rules alone", "0.5000"),
        ("Test MRR of the model", "0.7500"),
        ("Rules", "5"),
    ]
    assert isinstance(formula, Formula)
    assert formula.text.splitlines()[0] == "a(X, Y) <- r5(X, Y)"
    assert formula.source.splitlines() == [f"latex {weight}" for weight in (5, 4, 3, 2, 1)]
    assert isinstance(best, Table)
    assert [one[1][8:] for one in best.rows] == [
        *("<- r5(X, Y)", "<- r4(X, Y)", "<- r3(X, Y)", "<- r1(X, Y)")
    ]
    assert best.rows[0] == [*("a", "a(X, Y) <- r5(X, Y)", "7", "5.00", "1,200", "0.2500", "0.5000")]
    assert "≈" not in best.caption
    assert isinstance(everything, Table)
    assert (len(everything.rows), everything.fold) == (5, "All rules, 5 rows")


def test_what_was_counted_on_a_sample_is_marked() -> None:
    *_, best = section_of({"table": [row("a", 1, counted=0.1)]}).blocks
    assert isinstance(best, Table)
    assert best.rows[0][4:] == ["≈ 1,200", "≈ 0.2500", "≈ 0.5000"]
    assert "≈" in best.caption


def test_either_part_may_be_missing() -> None:
    (facts,) = section_of({"mrr": MRR}).blocks
    assert isinstance(facts, Facts)
    assert len(section_of({"table": [row("a", 1)]}).blocks) == 3


def test_runs_are_named_and_names_are_no_markup() -> None:
    entries = [{"mrr": MRR, "table": [row("<b>", 1)]}] * 2
    assert all("(run " in block.heading for block in section_of(*entries).blocks)
    assert "<b>" not in render([with_rules(entry) for entry in entries], PRESENTATIONS)


@pytest.mark.parametrize("entry", [None, {}, {"mrr": None, "table": []}])
def test_without_rules_there_is_no_section(entry: Any) -> None:
    assert rules({"": with_rules(entry)}) is None
    assert rules({"": Run(Path("run"), {}, [], None)}) is None
