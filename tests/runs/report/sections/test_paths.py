import re
from pathlib import Path
from typing import Any

import pytest

from kapl_jax.runs.report.page import render
from kapl_jax.runs.report.section import Figure, Table
from kapl_jax.runs.report.sections.paths import paths
from kapl_jax.runs.run_directory import Run
from tests.explain.family_example import family_explanation

ENTRIES = family_explanation()["answers"][:2]
UNREACHED = {**ENTRIES[0], "layers": [[], [], []], "paths": []}


def run_with(entries: Any, name: str = "run") -> Run:
    return Run(Path(name), {"method": "red_gnn"}, [], {"paths": entries})


def test_each_answer_has_a_picture_and_its_paths() -> None:
    found = paths([run_with([{**ENTRIES[0], "left_out": [0, 3, 4]}, UNREACHED, ENTRIES[1]])])
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
    page = render([run_with(ENTRIES, "a"), run_with(ENTRIES, "b")])
    ids = re.findall(r'\sid="([^"]*)"', page)
    assert len(set(ids)) == len(ids)
    assert "ann -aunt-&gt; carl (red_gnn (b))" in page
    assert "<b>" not in page


@pytest.mark.parametrize("entries", [None, [], [UNREACHED]])
def test_nothing_to_show_is_no_section(entries: Any) -> None:
    assert paths([run_with(entries)]) is None
    assert paths([Run(Path("run"), {}, [], None)]) is None
