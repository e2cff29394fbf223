"""The shape of results.json: what readers may rely on, whoever wrote it.

Here stands what all methods write; a method's own parts are checked where it is known.
"""

from __future__ import annotations

from pathlib import Path
from typing import Any

from kapl_jax.runs.program import print_warnings
from kapl_jax.runs.shapes import Shape, anything, fitting, number, structure, texts


def _metric(value: object) -> bool:
    """A number, or mean and standard deviation, which may be null."""
    if not isinstance(value, dict):
        return number(value)
    return number(value.get("mean")) and (value.get("std") is None or number(value["std"]))


METRICS: Shape = {str: _metric}
_MODEL: Shape = {
    "name?": str,
    "structure?": structure,
    "formula?": str,
    "expressions?": texts,
    "latex?": str,
    "equivalent_to?": texts,
    "hyperparameters?": {str: anything},
    "embedding_dim?": number,
    "valid?": METRICS,
    "test?": METRICS,
    "parameters?": number,
}
RESULTS: Shape = {
    "method?": str,
    "dataset?": str,
    "searcher?": str,
    "objective?": str,
    "best?": _MODEL,
    "valid?": METRICS,
    "test?": METRICS,
    "baselines?": {str: _MODEL},
    "searched?": [_MODEL],
    "parameters?": number,
    "candidates_trained?": int,
    "seeds?": int,
    "seconds?": number,
}


def fit_results(results: Any, shape: Shape, path: Path) -> dict[str, Any]:
    """Return results without the parts that do not fit a shape, with a warning that names them.

    Args:
        results: Contents of results.json.
        shape: What is relied on; what it does not name is let through.
        path: The file, for the warning.
    """
    kept, left_out = fitting(results, shape)
    if left_out:
        more = f" and {len(left_out) - 1} more" if left_out[1:] else ""
        print_warnings([f"{path}: {left_out[0]}{more}; left out, as this version cannot read it"])
    return dict(kept)
