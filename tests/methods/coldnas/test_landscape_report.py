import re
from pathlib import Path
from typing import Any

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from kapl_jax.methods.coldnas.landscape_report import landscape, operation_effects
from kapl_jax.runs.report.section import Figure, Section, Table
from kapl_jax.runs.run_directory import Run, read_run
from tests.runs.report.fake_runs import write_fake_cold_run

_EMPTY = [[False] * 4, [False] * 4]
_SHIFT = [[False] * 4, [False, False, False, True]]
_BOTH = [[True, False, False, False], [False, False, False, True]]


def run_with(entry: Any) -> Run:
    return Run(Path("run"), {"method": "coldnas"}, [], {"landscape": entry})


def point(structure: Any, truth: float | None, **proxies: float | None) -> dict[str, Any]:
    return {"structure": structure, "truth": truth, "proxies": proxies, "operations": 0}


def section_of(entry: Any) -> Section:
    found = landscape({"": run_with(entry)})
    assert found is not None
    return found


def blocks(found: Section, kind: type) -> list[Any]:
    return [block for block in found.blocks if isinstance(block, kind)]


POINTS = [
    point(_EMPTY, 0.3, inherited_weights=0.5, alpha=1.0),
    point(_SHIFT, 0.1, inherited_weights=0.4, alpha=0.5),
    point(_BOTH, 0.2, inherited_weights=0.6, alpha=2.0),
    point(_BOTH, None, inherited_weights=0.1, alpha=9.0),
]
AGREEMENT = {"inherited_weights": {"kendall_tau": 0.333, "p_value": 0.04}}


def test_each_proxy_has_a_panel_and_a_row_with_what_it_would_choose() -> None:
    found = section_of({"metric": "mse", "points": POINTS, "agreement": AGREEMENT})
    (table,) = blocks(found, Table)
    assert table.rows == [
        ["truth", "–", "–", "-; shift", "0.1000", "1 of 3"],
        ["inherited weights", "0.33", "0.04", "-; shift", "0.1000", "1 of 3"],
        ["architecture parameters α", "–", "–", "max; shift", "0.2000", "2 of 3"],
    ]
    svg = blocks(found, Figure)[0].svg
    assert "inherited weights: τ = 0.33" in svg
    assert "architecture parameters α: τ = –" in svg
    assert "MSE with inherited weights" in svg
    assert "(lower is better)" in svg
    assert "(higher is better)" in svg


def test_higher_is_better_where_it_is() -> None:
    found = section_of({"metric": "ndcg_at_3", "points": POINTS, "agreement": {}})
    (table,) = blocks(found, Table)
    assert [row[3:] for row in table.rows] == [
        ["-; -", "0.3000", "1 of 3"],
        ["max; shift", "0.2000", "2 of 3"],
        ["max; shift", "0.2000", "2 of 3"],
    ]


def test_three_proxies_and_gaps_in_them_are_drawn() -> None:
    points = [{**one, "proxies": {**one["proxies"], "third": 1.0}} for one in POINTS]
    points[0]["proxies"]["alpha"] = None
    found = section_of({"metric": "mse", "points": points, "agreement": {}})
    assert [row[0] for row in blocks(found, Table)[0].rows][-1] == "third"


def test_without_proxies_there_are_still_sizes_and_effects() -> None:
    points = [{**one, "proxies": {}} for one in POINTS]
    found = section_of({"metric": "mse", "points": points})
    assert [block.heading for block in found.blocks] == [
        *("By number of operations", "By operation and position")
    ]


def test_effects_say_what_an_operation_changes_and_where_nothing_is_known() -> None:
    effects = blocks(section_of({"metric": "mse", "points": POINTS}), Figure)[-1]
    assert "shift at h1 -0.15" in effects.svg
    shown = re.findall(r">([+–-][\d.]*)</text>", effects.svg)
    assert sorted(shown) == sorted(["+0.00", "-0.15", *["–"] * 6])


@given(seed=st.integers(0, 2**32 - 1))
def test_effects_are_differences_of_means(seed: int) -> None:
    rng = np.random.default_rng(seed)
    structures, values = rng.random((12, 3, 4)) < 0.5, rng.normal(size=12)
    found = operation_effects(structures, values)
    for row, column in np.ndindex(3, 4):
        present = structures[:, row, column]
        if present.all() or not present.any():
            assert np.isnan(found[row, column])
        else:
            expected = values[present].mean() - values[~present].mean()
            assert found[row, column] == pytest.approx(expected)


@pytest.mark.parametrize(
    "entry",
    [
        None,
        {},
        {"metric": "mse", "points": []},
        {"metric": "mse", "points": [point(_EMPTY, None)]},
        {"metric": "mse", "points": [point([[0.5, 0.5]], 0.1)]},
    ],
)
def test_nothing_to_show_is_no_section(entry: Any) -> None:
    assert landscape({"": run_with(entry)}) is None


def test_several_runs_are_named(tmp_path: Path) -> None:
    runs = {name: read_run(write_fake_cold_run(tmp_path / name)) for name in "ab"}
    found = landscape(runs)
    assert found is not None
    assert sum(block.heading.endswith("(b)") for block in found.blocks) == 3
