"""What a model costs: its parameters, and the operations of a compiled function."""

from __future__ import annotations

import math
from collections.abc import Callable
from typing import Any

import jax
import numpy as np


def count_parameters(parameters: Any) -> int:
    """Count the numbers in all arrays of a pytree; shapes without values will do."""
    return sum(math.prod(np.shape(leaf)) for leaf in jax.tree.leaves(parameters))


def compiled_flops(function: Callable[..., Any], *args: Any) -> float | None:
    """Return the floating-point operations of one call, as the compiler counts them.

    A loop's body is counted once, however often it runs.

    Args:
        function: Anything that can be compiled.
        *args: Its arguments, arrays or `jax.ShapeDtypeStruct`s.

    Returns:
        The number, or None where the compiler for this device does not tell.
    """
    return flops_of_analysis(jax.jit(function).lower(*args).compile().cost_analysis())


def flops_of_analysis(analysis: Any) -> float | None:
    """Read the operations of a cost analysis: a dictionary, a list of one per program, or None."""
    programs = analysis if isinstance(analysis, list | tuple) else [analysis or {}]
    flops = [float(program["flops"]) for program in programs if program.get("flops", -1) >= 0]
    return sum(flops) if flops else None
