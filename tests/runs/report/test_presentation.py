"""What methods add to the report, with methods that are made up."""

from __future__ import annotations

from collections.abc import Mapping
from pathlib import Path
from typing import Any

import numpy as np
import pytest

from kapl_jax.runs.report.page import render
from kapl_jax.runs.report.presentation import (
    Presentation,
    Words,
    common_words,
    method_sections,
    readable,
)
from kapl_jax.runs.report.section import Facts, Section
from kapl_jax.runs.run_directory import Run
from kapl_jax.runs.shapes import number


def section_named(title: str) -> Any:
    """Return a function that tells the labels of the runs it is given, and their results."""

    def make(runs: Mapping[str, Run]) -> Section | None:
        entries = [(label, str((run.results or {}).get("own"))) for label, run in runs.items()]
        told = [entry for entry in entries if entry[1] != "None"]
        return Section(title, title, "", [Facts(told)]) if told else None

    return make


ONE, SHARED, OTHER = section_named("one"), section_named("shared"), section_named("other")
DRAWN: list[Any] = []
PRESENTATIONS = {
    "first": Presentation(
        words=Words("tree", "weed"),
        sizes=("leaves",),
        draw=lambda axes, structure: DRAWN.append((axes, structure)),
        facts=lambda results: [("Own", str(results.get("own", ""))), ("Nothing", "")],
        sections=(ONE, SHARED),
        shape={"own?": number},
    ),
    "second": Presentation(words=Words("tree", "grass"), sections=(OTHER, SHARED)),
}


def run_of(method: str, name: str = "run", **results: Any) -> Run:
    config = {"method": method, "dataset": {"name": "garden", "leaves": 1234, "birds": 7}}
    return Run(Path(name), config, [], {"searcher": "none", **results})


def told(runs: list[Run]) -> list[tuple[str, list[Any]]]:
    return [
        (one.title, [entry for block in one.blocks for entry in block.entries])  # type: ignore[union-attr]
        for one in method_sections(runs, PRESENTATIONS)
    ]


def test_a_section_gets_the_runs_of_its_methods_alone() -> None:
    runs = [run_of("first", "a", own=1), run_of("second", "b", own=2), run_of("third", own=3)]
    assert told(runs) == [
        ("one", [("first", "1")]),
        ("other", [("second", "2")]),
        ("shared", [("first", "1"), ("second", "2")]),
    ]


def test_the_only_run_has_no_label_and_what_has_nothing_to_show_is_left_out() -> None:
    assert told([run_of("first", own=1)]) == [("one", [("", "1")]), ("shared", [("", "1")])]
    assert told([run_of("first")]) == []
    assert told([run_of("third", own=1)]) == []


def test_runs_of_one_method_are_told_apart() -> None:
    (_, entries), _ = told([run_of("first", "a", own=1), run_of("first", "b", own=2)])
    assert entries == [("first (a)", "1"), ("first (b)", "2")]


def test_words_are_those_of_all_runs_or_plain() -> None:
    first, second = run_of("first"), run_of("second")
    assert common_words([first, first], PRESENTATIONS) == Words("tree", "weed")
    assert common_words([first, second], PRESENTATIONS) == Words("structure", "baseline")
    assert common_words([run_of("third")], PRESENTATIONS) == Words("structure", "baseline")


def test_a_page_has_the_methods_words_facts_sizes_and_pictures() -> None:
    DRAWN.clear()
    models = [{"name": "oak", "structure": [[1, 0], [0, 2]], "valid": {"mrr": 0.5}}]
    page = render([run_of("first", own=12, searched=models)], PRESENTATIONS)
    assert "garden (1,234 leaves)" in page
    assert "none, trees were given" in page
    assert "<dt>Own</dt><dd>12</dd>" in page
    assert "<dt>Nothing</dt>" not in page
    assert "The trees in pictures" in page
    assert "Against the weeds" in page
    ((_, structure),) = DRAWN
    assert np.array_equal(structure, [[1, 0], [0, 2]])
    plain = render([run_of("third", own=12, searched=models)], PRESENTATIONS)
    assert "1,234 leaves" not in plain
    assert "in pictures" not in plain
    assert "Against the baselines" in plain


def test_sections_of_methods_stand_between_the_results_and_what_they_cost() -> None:
    models = [{"name": "oak", "valid": {"mrr": 0.5}, "test": {"mrr": 0.5}, "parameters": 3}]
    page = render([run_of("first", own=12, searched=models)], PRESENTATIONS)
    positions = [page.index(f'id="{name}"') for name in ("results", "one", "shared", "parsimony")]
    assert positions == sorted(positions)


def test_what_a_method_cannot_read_is_left_out_with_a_line(
    capsys: pytest.CaptureFixture[str],
) -> None:
    run = run_of("first", own="much", seeds=3)
    page = render([run], PRESENTATIONS)
    assert "much" not in page
    assert capsys.readouterr().err == (
        "warning: run/results.json: own: found text; left out, as this version cannot read it\n"
    )
    assert readable(run, {"own?": number}).results == {"searcher": "none", "seeds": 3}
    assert run.results is not None
    assert run.results["own"] == "much", "the run itself is not changed"
    assert readable(run, {}).results == run.results
