"""Structures that a run names: those of --structure, the presets, what evolution starts from."""

from __future__ import annotations

import numpy as np

from kapl_jax.errors import UserError
from kapl_jax.methods.settings import SearchSettings
from kapl_jax.search.space import StructureSpace

_ALL, _NONE = "all", "none"


def given_structures(settings: SearchSettings, space: StructureSpace) -> dict[str, np.ndarray]:
    """Return the structures of --structure by name, in order; empty for a search.

    Raises:
        UserError: One is neither a preset nor a structure of the space.
    """
    presets, given = space.presets(), dict[str, np.ndarray]()
    texts = [part.strip() for part in settings.structure.split("|") if part.strip()]
    for number, text in enumerate(texts, start=1):
        if text in presets:
            given[text] = presets[text]
        else:
            given[f"given-{number}"] = space.parse(text, "--structure")
    return given


def preset_structures(settings: SearchSettings, space: StructureSpace) -> dict[str, np.ndarray]:
    """Return the structures of --presets, to compare with, by name.

    Raises:
        UserError: There is no preset of a name.
    """
    presets = space.presets()
    if settings.presets in (_ALL, _NONE):
        return presets if settings.presets == _ALL else {}
    names = [name.strip() for name in settings.presets.split(",") if name.strip()]
    for name in names:
        if name not in presets:
            raise UserError(
                f"--presets: found {name!r}, expected {_ALL!r}, {_NONE!r} or some of "
                f"{', '.join(presets)}"
            )
    return {name: presets[name] for name in names}


def first_structures(
    settings: SearchSettings, space: StructureSpace, rng: np.random.Generator, count: int
) -> np.ndarray:
    """Return up to `count` structures that evolution starts from, `[m, ...]`.

    With --warm_start the presets come first.
    """
    simple = space.start(rng, count)
    presets = list(space.presets().values())
    if not settings.warm_start or not presets:
        return simple
    return np.concatenate([np.stack(presets), simple])[:count]
