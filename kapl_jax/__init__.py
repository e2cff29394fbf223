"""Knowledge-aware parsimony learning in JAX.

`run` runs a method, `load` takes a finished run, whose model predicts and explains; `METHODS` are
the methods by name. See `kapl_jax.api`.
"""

from __future__ import annotations

import importlib
from typing import TYPE_CHECKING, Any

if TYPE_CHECKING:
    from kapl_jax.api import load, run
    from kapl_jax.methods import METHODS

__all__ = ["METHODS", "load", "run"]


def __getattr__(name: str) -> Any:
    # Only who uses them waits for all methods and JAX to be imported.
    if name not in __all__:
        raise AttributeError(f"module {__name__!r} has no attribute {name!r}")

    return getattr(importlib.import_module("kapl_jax.api"), name)
