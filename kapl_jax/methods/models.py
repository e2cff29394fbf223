"""The trained models of a run: shared weights and finalists until the best is known, then that."""

from __future__ import annotations

import shutil
from collections.abc import Sequence
from pathlib import Path
from typing import Any

import jax
import numpy as np

from kapl_jax.errors import UserError
from kapl_jax.runs.checkpoints import load_pytree, load_tag, save_pytree
from kapl_jax.search.individual import Individual


class ModelStore:
    """Keeps parameters and test ranks of trained individuals under a folder, by individual."""

    def __init__(self, folder: Path) -> None:
        """Keep models under `folder`."""
        self._finalists = folder / "finalists"
        self._best = folder / "model"
        self._shared = folder / "shared_weights"

    def save(self, individuals: Sequence[Individual], parameters: Any, **details: Any) -> None:
        """Save a chunk: parameters, and details by name, lead with the population axis."""
        kept = {"parameters": parameters, **details}
        tag = {"ids": [one.id for one in individuals], "shapes": _shapes(kept)}
        save_pytree(self._finalists / individuals[0].id, kept, tag)

    def load(self, individual: str) -> dict[str, Any]:
        """Return what was saved of one individual by its id: `parameters` and the details."""
        for folder in sorted(self._finalists.glob("*")):
            tag = load_tag(folder)
            if tag is not None and individual in tag["ids"]:
                place = tag["ids"].index(individual)
                kept = load_pytree(folder, _like(tag["shapes"]))
                one: dict[str, Any] = jax.tree.map(lambda leaf, at=place: leaf[at], kept)
                return one
        raise UserError(f"{self._finalists}: the model {individual} is not there")

    def keep_best(self, parameters: Any, description: dict[str, Any]) -> None:
        """Save the run's best model with its description."""
        save_pytree(self._best, parameters, {**description, "shapes": _shapes(parameters)})

    def load_best(self) -> tuple[Any, dict[str, Any]]:
        """Return the parameters of the run's best model and its description.

        Raises:
            UserError: The run has not come so far.
        """
        tag = load_tag(self._best)
        if tag is None:
            raise UserError(f"{self._best}: there is no model yet; let the run finish first")
        return load_pytree(self._best, _like(tag["shapes"])), tag

    def save_shared(self, state: Any) -> None:
        """Save the state of a supernet, by which the search scores structures."""
        save_pytree(self._shared, state, {})

    def load_shared(self, like: Any) -> Any:
        """Return the state of the supernet in the structure of `like`."""
        return load_pytree(self._shared, like)

    def drop_others(self) -> None:
        """Remove all models but the best."""
        for folder in (self._finalists, self._shared):
            shutil.rmtree(folder, ignore_errors=True)


def _shapes(tree: dict[str, Any]) -> dict[str, Any]:
    return {
        name: _shapes(value) if isinstance(value, dict) else [list(value.shape), str(value.dtype)]
        for name, value in tree.items()
    }


def _like(shapes: dict[str, Any]) -> dict[str, Any]:
    return {
        name: _like(value)
        if isinstance(value, dict)
        else jax.ShapeDtypeStruct(tuple(value[0]), np.dtype(value[1]))
        for name, value in shapes.items()
    }
