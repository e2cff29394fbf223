"""Control over what XLA's CPU compiler fuses into one loop."""

from collections.abc import Callable
from functools import wraps
from typing import ParamSpec, TypeVar

import jax
from jax.experimental.xla_metadata import set_xla_metadata

P = ParamSpec("P")
R = TypeVar("R")


def compiled_apart(function: Callable[P, R]) -> Callable[P, R]:
    """Keeps XLA:CPU from fusing `function` with what comes before and after it.

    XLA:CPU fuses a transposing copy into the arithmetic that feeds it, and arithmetic into each of
    its consumers. The first turns a loop over contiguous memory into one that is not vectorised,
    the second computes the same thing several times. `jax.lax.optimization_barrier` is removed
    before fusion; a call that must not be inlined stays. It is a hint: where it is not understood,
    only the speed changes. Other backends fuse well by themselves and are left alone.

    Args:
        function: a pure function of arrays.

    Returns:
        The same function.
    """
    compiled = jax.jit(function)

    @wraps(function)
    def call(*args: P.args, **kwargs: P.kwargs) -> R:
        if jax.default_backend() != "cpu":
            return function(*args, **kwargs)
        with set_xla_metadata(inlineable="false"):
            return compiled(*args, **kwargs)

    return call
