from pathlib import Path
from typing import Any

import pytest

from kapl_jax.runs.report.section import Figure, Section, Table
from kapl_jax.runs.report.sections.reasons import reasons
from kapl_jax.runs.run_directory import Run

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


def run_with(*users: Any) -> Run:
    return Run(Path("run"), {"method": "coldnas"}, [], {"reasons": {"users": list(users)}})


def section_of(*users: Any) -> Section:
    found = reasons([run_with(*users)])
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
def test_nothing_to_show_is_no_section(users: list[Any]) -> None:
    assert reasons([run_with(*users)]) is None
    assert reasons([Run(Path("run"), {}, [], None)]) is None
