"""Modulation structures as arrays: presets, text, and back."""

from __future__ import annotations

import numpy as np

from kapl_jax.errors import UserError

OPERATIONS = ("max", "min", "scale", "shift")
"""The operations in the order in which they are applied."""

_EVERYWHERE = {
    "film": ("scale", "shift"),
    "scale": ("scale",),
    "shift": ("shift",),
    "none": (),
}
"""The operations that each preset applies at every position.

FiLM is "FiLM: Visual Reasoning with a General Conditioning Layer" (Perez et al., AAAI 2018), which
TaNP (Lin et al., WWW 2021) uses for cold-start users.
"""

_PUBLISHED = {"coldnas_lastfm": "shift; shift; max shift; -"}
"""What ColdNAS's published program (model_lfm4.py) trains for Last.FM, of four positions."""


def preset_names(positions: int) -> tuple[str, ...]:
    """Return the names of the presets that there are for so many positions."""
    published = [name for name, text in _PUBLISHED.items() if text.count(";") == positions - 1]
    return (*_EVERYWHERE, *published)


def preset(name: str, positions: int) -> np.ndarray:
    """Return the preset called `name` as bool[positions, 4].

    Raises:
        UserError: There is none of this name.
    """
    known = preset_names(positions)
    if name not in known:
        raise UserError(f"preset {name!r} is unknown, expected one of {', '.join(known)}")
    if name in _PUBLISHED:
        return parse_structure(_PUBLISHED[name], name)
    row = [operation in _EVERYWHERE[name] for operation in OPERATIONS]
    return np.tile(np.array(row, bool), (positions, 1))


def parse_structure(text: str, source: str) -> np.ndarray:
    """Return the structure bool[C, 4] that `text` describes, as `structure_text` writes it.

    Args:
        text: Positions separated by semicolons, each the names of its operations or a dash:
            `max shift; -; scale; -`.
        source: Where the text is from, for the error.

    Raises:
        UserError: An operation is unknown.
    """
    rows = []
    for position, part in enumerate(text.split(";")):
        names = part.split()
        unknown = [name for name in names if name not in OPERATIONS and name != "-"]
        if unknown or not names:
            found = repr(unknown[0]) if unknown else "nothing"
            raise UserError(
                f"{source}: found {found} at position {position}, expected a dash or some of "
                f"{', '.join(OPERATIONS)}"
            )
        rows.append([operation in names for operation in OPERATIONS])
    return np.array(rows, bool)


def structure_text(structure: np.ndarray) -> str:
    """Return a structure bool[C, 4] on one line, for example `max shift; -; scale; -`."""
    return "; ".join(
        " ".join(name for name, present in zip(OPERATIONS, row, strict=True) if present) or "-"
        for row in np.asarray(structure, bool)
    )
