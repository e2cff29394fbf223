"""Whether the data found now are those that a run trained on."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

from kapl_jax.errors import UserError
from kapl_jax.runs.run_directory import Run


def check_trained_on(run: Run, found: Mapping[str, Any], kind: str) -> None:
    """Check that data are those that a run's model was trained on.

    Args:
        run: The run.
        found: The description of the data as found now: `name`, counts, a digest.
        kind: What else the model would have been trained on, for the error: "another graph".

    Raises:
        UserError: They are others; the message says in what.
    """
    differences = [
        f"{key} {found[key]}, not {trained}"
        for key, trained in run.config["dataset"].items()
        if key != "name" and trained != found[key]
    ]
    if differences:
        raise UserError(
            f"{run.path}: the model was trained on {kind} than {found['name']} as found now "
            f"({'; '.join(differences)}); give the --data_dir of the run"
        )
