"""What is imported at run time is declared, so that an installation from a wheel has it."""

from __future__ import annotations

import ast
import importlib.metadata
import re
import sys
import tomllib
from pathlib import Path

ROOT = Path(__file__).parents[1]
# Only for comparisons, and not in the wheel.
BASELINES = "pytorch_baselines"


def imported_by(path: Path) -> set[str]:
    """Return the top-level packages that a file imports, wherever it does."""
    found = set()
    for node in ast.walk(ast.parse(path.read_text(encoding="utf-8"))):
        if isinstance(node, ast.Import):
            found |= {alias.name.partition(".")[0] for alias in node.names}
        elif isinstance(node, ast.ImportFrom) and not node.level:
            found.add(str(node.module).partition(".")[0])
    return found


def normalised(name: str) -> str:
    return re.sub(r"[-_.]+", "-", name).lower()


def test_all_that_is_imported_is_declared():
    files = [
        path
        for package in ("kapl_jax", "experiments")
        for path in (ROOT / package).rglob("*.py")
        if BASELINES not in path.parts
    ]
    imported = set().union(*map(imported_by, files))
    foreign = imported - set(sys.stdlib_module_names) - {"kapl_jax", "experiments"}
    assert {"jax", "numpy", "flax"} <= foreign
    project = tomllib.loads((ROOT / "pyproject.toml").read_text(encoding="utf-8"))["project"]
    declared = {normalised(re.split(r"[<>=!~\[; ]", one)[0]) for one in project["dependencies"]}
    distributions = importlib.metadata.packages_distributions()
    undeclared = {
        name
        for name in foreign
        if not declared & {normalised(one) for one in distributions.get(name, [name])}
    }
    assert not undeclared


def test_all_dependencies_have_lower_bounds():
    project = tomllib.loads((ROOT / "pyproject.toml").read_text(encoding="utf-8"))["project"]
    assert [one for one in project["dependencies"] if ">=" not in one] == []
