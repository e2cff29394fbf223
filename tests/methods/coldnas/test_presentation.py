"""The sections that ColdNAS adds to the report, and what is checked of what they read."""

from pathlib import Path
from typing import Any

import pytest

from kapl_jax.methods.coldnas.presentation import PRESENTATION, explanations, pruning, published
from kapl_jax.runs.report.section import Figure, Section, Table
from kapl_jax.runs.run_directory import Run, read_run
from kapl_jax.runs.shapes import fitting
from tests.runs.report.fake_runs import write_fake_cold_run

PRUNING = {
    "formula": "shift; -",
    "importance": [
        {"position": 0, "operation": "max", "loss_without": -0.001},
        {"position": 0, "operation": "shift", "loss_without": 0.05},
    ],
    "chain": [
        {"formula": "max shift; -", "mse": 0.61},
        {"formula": "shift; -", "mse": 0.6},
        {"formula": "-; -", "mse": 0.4},
    ],
}


def test_operations_are_ranked_and_what_is_kept_is_marked(tmp_path: Path) -> None:
    run = read_run(write_fake_cold_run(tmp_path))
    assert run.results is not None
    run.results["pruning"] = PRUNING
    section = pruning({"": run})
    assert section is not None
    importance, chain = section.blocks
    assert isinstance(importance, Table)
    assert isinstance(chain, Table)
    assert importance.rows == [["0", "shift", "+0.0500"], ["0", "max", "-0.0010"]]
    assert chain.rows == [["max shift; -", "0.6100"], ["shift; -", "0.6000"], ["-; -", "0.4000"]]
    assert chain.strong_rows == frozenset({1})


def test_without_pruning_there_is_no_section(tmp_path: Path) -> None:
    assert pruning({"": read_run(write_fake_cold_run(tmp_path))}) is None


PUBLISHED = {
    "source": "Table 2",
    "rows": [{"name": "Theirs", "mse": 0.2, "ndcg_at_3": 0.9}, {"name": "Nothing"}],
    "protocols": {
        "test": {"film": {"mse": {"mean": 0.21, "std": 0.01}}, "found": {"mse": 0.19}},
        "validation": {"film": {"mse": {"mean": 0.22, "std": 0.01}, "mae": 0.3}},
    },
}


def with_published(entry: Any) -> Run:
    return Run(
        Path("run"), {"method": "coldnas"}, [], {"published": entry, "best": {"name": "film"}}
    )


def table_of(entry: Any) -> Table:
    found = published({"": with_published(entry)})
    assert found is not None
    (table,) = found.blocks
    assert isinstance(table, Table)
    return table


def test_ours_stand_above_theirs() -> None:
    table = table_of(PUBLISHED)
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
    assert len(table_of({"protocols": PUBLISHED["protocols"]}).rows) == 3


@pytest.mark.parametrize("entry", [None, {}, {"rows": [], "protocols": {}, "source": "x"}])
def test_without_figures_there_is_no_section(entry: Any) -> None:
    assert published({"": with_published(entry)}) is None
    assert published({"": Run(Path("run"), {}, [], None)}) is None


PHI = {
    "positions": [0, 2],
    "operations": ["scale", "shift"],
    "norms": [[0.0, 1.0], [0.5, 1.25]],
    "projection": [[0.0, 0.0], [1.0, 2.0]],
}
INFLUENCE = {
    "query_item": "i7",
    "prediction": 0.8,
    "items": [
        {"item": "i3", "rating": 1.0, "effect": 0.05},
        {"item": "i4", "rating": 0.0, "effect": -0.25},
    ],
}
USER = {"user": "u12", "support_sizes": [0, 20], "phi": PHI, "influence": INFLUENCE}


def with_users(*users: Any) -> Run:
    return Run(Path("run"), {"method": "coldnas"}, [], {"reasons": {"users": list(users)}})


def section_of(*users: Any) -> Section:
    found = explanations({"": with_users(*users)})
    assert found is not None
    return found


def test_paths_norms_and_items_are_shown() -> None:
    phi, norms, items = section_of(USER).blocks
    assert isinstance(phi, Figure)
    assert isinstance(norms, Table)
    assert isinstance(items, Figure)
    assert "u12 from 0 to 20 items" in phi.svg
    assert norms.rows == [
        ["u12", "0", "scale", "0: 0 → 20: 0.5"],
        ["u12", "2", "shift", "0: 1 → 20: 1.25"],
    ]
    assert "u12, i7: i4 -0.25" in items.svg
    assert "i3 (rated 1)" in items.svg


def test_a_user_may_have_only_one_of_them() -> None:
    only_items = {**USER, "phi": None}
    only_phi = {key: USER[key] for key in ("user", "support_sizes", "phi")}
    assert len(section_of(only_items).blocks) == 1
    assert len(section_of(only_phi).blocks) == 2
    assert len(section_of(only_items, {**only_phi, "user": "u13"}).blocks) == 3


def test_a_structure_without_operations_has_no_path() -> None:
    empty = {"positions": [], "operations": [], "norms": [[], []], "projection": []}
    (only,) = section_of({**USER, "phi": empty}).blocks
    assert "weigh most" in only.heading


@pytest.mark.parametrize("users", [[], [{"user": "u1", "support_sizes": [], "phi": None}]])
def test_without_explained_users_there_is_no_section(users: list[Any]) -> None:
    assert explanations({"": with_users(*users)}) is None
    assert explanations({"": Run(Path("run"), {}, [], None)}) is None


def test_a_part_that_lacks_what_it_needs_is_left_out() -> None:
    entry = {"formula": "f", "importance": [], "chain": [{"formula": "f"}, {}]}
    found, told = fitting({"pruning": entry}, PRESENTATION.shape)
    assert found == {"pruning": {**entry, "chain": [{"formula": "f"}]}}
    assert told == ["pruning.chain[1].formula: missing"]
    found, told = fitting({"pruning": {"formula": "f"}, "seeds": 2}, PRESENTATION.shape)
    assert found == {"seeds": 2}
    assert told == ["pruning.importance: missing"]


def test_structures_that_diverged_are_no_damage(tmp_path: Path) -> None:
    run = read_run(write_fake_cold_run(tmp_path))
    assert run.results is not None
    assert any(point["truth"] is None for point in run.results["landscape"]["points"])
    assert fitting(run.results, PRESENTATION.shape)[1] == []


@pytest.mark.parametrize(
    ("planted", "told"),
    [
        ({}, ""),
        ({"recovered": True, "missing": [], "added": []}, "found again"),
        (
            {"recovered": False, "missing": ["max at 1"], "added": ["min at 0", "shift at 2"]},
            "not found again; missing max at 1; added min at 0, shift at 2",
        ),
    ],
)
def test_a_planted_structure_is_looked_for(planted: object, told: str) -> None:
    facts = dict(PRESENTATION.facts({"planted": planted, "adapted_per_user": 1256}))
    assert facts == {"Adapted per user": "1,256", "Planted structure": told}
