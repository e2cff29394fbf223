from pathlib import Path
from typing import Any

import pytest

from kapl_jax.runs.report.section import Table
from kapl_jax.runs.report.sections.published import published
from kapl_jax.runs.run_directory import Run

ENTRY = {
    "source": "Table 2",
    "rows": [{"name": "Theirs", "mse": 0.2, "ndcg_at_3": 0.9}, {"name": "Nothing"}],
    "protocols": {
        "test": {"film": {"mse": {"mean": 0.21, "std": 0.01}}, "found": {"mse": 0.19}},
        "validation": {"film": {"mse": {"mean": 0.22, "std": 0.01}, "mae": 0.3}},
    },
}


def run_with(entry: Any) -> Run:
    return Run(
        Path("run"), {"method": "coldnas"}, [], {"published": entry, "best": {"name": "film"}}
    )


def table_of(entry: Any) -> Table:
    found = published([run_with(entry)])
    assert found is not None
    (table,) = found.blocks
    assert isinstance(table, Table)
    return table


def test_ours_stand_above_theirs() -> None:
    table = table_of(ENTRY)
    on_test = "here, selected on test users"
    assert table.header == ["Model", "Figures", "MSE", "MAE", "nDCG@3"]
    assert table.rows == [
        ["film", "here, selected on validation users", "0.2200 ± 0.0100", "0.3000", "–"],
        ["film", on_test, "0.2100 ± 0.0100", "–", "–"],
        ["found", on_test, "0.1900", "–", "–"],
        ["Theirs", "published", "0.2000", "–", "0.9000"],
    ]
    assert table.strong_rows == {0, 1}
    assert "Table 2" in table.caption
    assert "Lower is better for MSE and MAE." in table.caption


def test_ours_stand_alone_where_nothing_is_published() -> None:
    assert len(table_of({"protocols": ENTRY["protocols"]}).rows) == 3


@pytest.mark.parametrize("entry", [None, {}, {"rows": [], "protocols": {}, "source": "x"}])
def test_nothing_to_show_is_no_section(entry: Any) -> None:
    assert published([run_with(entry)]) is None
    assert published([Run(Path("run"), {}, [], None)]) is None
