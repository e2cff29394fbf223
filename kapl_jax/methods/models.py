"""The trained models of a run: shared weights and finalists until the best is known, then that."""

from __future__ import annotations

import contextlib
import shutil
from collections.abc import Collection, Iterator, Sequence
from operator import itemgetter
from pathlib import Path
from typing import Any

import jax

from kapl_jax.errors import UserError, one_line
from kapl_jax.runs.checkpoints import (
    DamagedCheckpoint,
    load_pytree,
    load_tag,
    reading,
    save_pytree,
    saved_in,
)
from kapl_jax.runs.program import print_warnings
from kapl_jax.search.individual import Individual


class ModelStore:
    """Keeps what is left of trained individuals under a folder, by individual."""

    def __init__(self, folder: Path) -> None:
        """Keep models under `folder`."""
        self._finalists = folder / "finalists"
        self._best = folder / "model"
        self._shared = folder / "shared_weights"

    def save(self, individuals: Sequence[Individual], variables: Any, **details: Any) -> None:
        """Save a chunk: variables, and details by name, lead with the population axis."""
        kept = {"variables": variables, **details}
        tag = {"ids": [one.id for one in individuals]}
        save_pytree(self._finalists / individuals[0].id, kept, tag)

    def load(self, individuals: Sequence[str]) -> list[dict[str, Any]]:
        """Return what was saved of individuals by their ids: `variables` and the details.

        A chunk that holds several of them is read once.

        Raises:
            UserError: One is not there, or is damaged.
        """
        found = dict[str, dict[str, Any]]()
        for folder in saved_in(self._finalists):
            here = set(individuals) & set(_ids(folder))
            if here:
                kept, ids = _load_chunk(folder)
                found |= {one: jax.tree.map(itemgetter(ids.index(one)), kept) for one in here}
        for one in individuals:
            if one not in found:
                raise UserError(f"{self._finalists}: the model {one} is not there")
        return [found[one] for one in individuals]

    def lost(self, individuals: Collection[str]) -> set[str]:
        """Return which of these individuals' models are not there or damaged, with a warning."""
        lost = set(individuals)
        for folder in saved_in(self._finalists) if lost else ():
            try:
                lost -= set(_load_chunk(folder)[1])
            except DamagedCheckpoint as error:
                print_warnings([f"{error}; its models are trained again"])
        return lost

    def keep_best(self, variables: Any, description: dict[str, Any]) -> None:
        """Save the run's best model with its description."""
        save_pytree(self._best, variables, description)

    def load_best(self) -> tuple[Any, dict[str, Any]]:
        """Return the variables of the run's best model and its description.

        Raises:
            UserError: The run has not come so far, or the model is damaged.
        """
        try:
            tag = load_tag(self._best)
            if tag is None:
                raise UserError(
                    f"{self._best}: there is no model; give the command of the run again, which "
                    "trains what is missing"
                )
            return load_pytree(self._best), tag
        except DamagedCheckpoint as error:
            raise DamagedCheckpoint(
                f"{error}; give the command of the run again, which trains its last stage again"
            ) from None

    @contextlib.contextmanager
    def understanding_best(self) -> Iterator[None]:
        """Make it one line where the description of the best model is not as it should be.

        Raises:
            UserError: It lacks something, or says what this version does not know.
        """
        try:
            yield
        except (KeyError, TypeError, ValueError, AttributeError, IndexError) as error:
            lacks = isinstance(error, KeyError)
            reason = f"lacks {error}" if lacks else one_line(error)[:200]
            raise UserError(
                f"{self._best}: the description of the model cannot be used: {reason}; it may be "
                "of another version, whose program can read it"
            ) from None

    def best_is_lost(self) -> bool:
        """Tell whether the best model of a finished run is not there or damaged, with a warning."""
        try:
            self.load_best()
        except UserError as error:
            print_warnings([str(error).partition("; give the command")[0] + "; it is made again"])
            return True
        return False

    def save_shared(self, variables: Any) -> None:
        """Save the variables of a supernet, by which the search scores structures."""
        save_pytree(self._shared, variables, {})

    def load_shared(self, like: Any) -> Any:
        """Return the variables of the supernet in the structure of `like`."""
        return load_pytree(self._shared, like)

    def shared_is_lost(self, like: Any) -> bool:
        """Tell whether the variables of the supernet are not there or damaged, with a warning."""
        try:
            self.load_shared(like)
        except UserError as error:
            print_warnings([f"{error}; it is trained again"])
            return True
        return False

    def drop_others(self) -> None:
        """Remove all models but the best."""
        for folder in (self._finalists, self._shared):
            shutil.rmtree(folder, ignore_errors=True)


def _ids(folder: Path) -> list[str]:
    """Return the individuals of a saved chunk, none where it cannot be read."""
    try:
        tag = load_tag(folder)
    except DamagedCheckpoint:
        return []
    return [] if tag is None else list(tag.get("ids", ()))


def _load_chunk(folder: Path) -> tuple[dict[str, Any], list[str]]:
    """Return what was saved of a chunk, and its individuals."""
    tag = load_tag(folder) or {}
    with reading(folder):
        ids = list(tag["ids"])
    kept: dict[str, Any] = load_pytree(folder)
    return kept, ids
