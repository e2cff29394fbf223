"""Imports point downwards only, and `runs` knows no method: the picture of docs/architecture.md."""

from __future__ import annotations

import ast
from pathlib import Path

import pytest

import kapl_jax

ROOT = Path(kapl_jax.__file__).parent
LEAVES = {"drawing", "errors", "json_form", "paths"}
# What each package may import beside itself and the leaves.
BELOW = {
    "data": set(),
    "evaluation": set(),
    "bilinear": set(),
    "modulation": set(),
    "episodes": {"modulation"},
    "relational": set(),
    "explain": {"modulation"},
    "runs": {"data", "evaluation"},
}


def imported(package: str) -> dict[str, set[str]]:
    """Return by package of kapl_jax the files of `package` that import it."""
    found: dict[str, set[str]] = {}
    for path in (ROOT / package).rglob("*.py"):
        for node in ast.walk(ast.parse(path.read_text(encoding="utf-8"))):
            names = [node.module or ""] if isinstance(node, ast.ImportFrom) else []
            names += [one.name for one in node.names] if isinstance(node, ast.Import) else []
            for name in names:
                if name.startswith("kapl_jax."):
                    found.setdefault(name.split(".")[1], set()).add(path.name)
    return found


@pytest.mark.parametrize("package", BELOW)
def test_packages_import_what_is_below_them(package):
    others = {
        name: files
        for name, files in imported(package).items()
        if name not in {package, *BELOW[package], *LEAVES}
    }
    assert others == {}


@pytest.mark.parametrize("leaf", sorted(LEAVES))
def test_leaves_import_no_package(leaf):
    source = (ROOT / f"{leaf}.py").read_text(encoding="utf-8")
    assert not any(f"kapl_jax.{package}" in source for package in (*BELOW, "methods", "search"))


def test_runs_name_no_method():
    methods = [one.name for one in (ROOT / "methods").iterdir() if (one / "__init__.py").is_file()]
    assert len(methods) >= 3
    for path in (ROOT / "runs").rglob("*.*"):
        if path.suffix in {".py", ".html", ".css"}:
            source = path.read_text(encoding="utf-8").lower()
            assert not [name for name in methods if name in source], path
