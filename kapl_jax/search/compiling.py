"""Compiling programs: what suits the processor, in which precision, and what memory they take."""

from __future__ import annotations

import contextlib
import functools
import re
from collections.abc import Callable, Iterator, Mapping
from types import MappingProxyType
from typing import Any, TypeVar

import jax
import psutil
from absl import logging

from kapl_jax.errors import UserError, one_line

T = TypeVar("T")
# What `jax.default_matmul_precision` calls each. The algorithm rounds operands to bfloat16 and sums
# in float32 on every accelerator, where JAX's "bfloat16" means whatever is fastest.
_MATMUL_PRECISIONS: Mapping[str, str | None] = MappingProxyType(
    {
        "default": None,
        "tf32": "tensorfloat32",
        "float32": "highest",
        "bfloat16": "BF16_BF16_F32",
    }
)
PRECISIONS = tuple(_MATMUL_PRECISIONS)
"""Of matrix products in training; `default` is the device's own: float32 on CPUs, TF32 on recent
GPUs, bfloat16 on TPUs."""

_NOT_EVERYWHERE = ("tf32", "bfloat16")
_CANNOT_COMPILE = ("INVALID_ARGUMENT", "UNIMPLEMENTED")

# XLA prefers vectors of 256 bits; where there are 512 they were measured to be 7 % faster.
_CPU_OPTIONS: Mapping[str, Any] = MappingProxyType({"xla_cpu_prefer_vector_width": 512})


@contextlib.contextmanager
def matmul_precision(name: str, platform: str = "") -> Iterator[None]:
    """Trace programs whose matrix products are computed in the precision `name`, of PRECISIONS.

    Args:
        name: The precision.
        platform: Of the devices that they run on. CPUs compute all in float32: XLA knows the
            algorithms of accelerators there for some products only.

    Raises:
        UserError: A program was compiled within, and the device cannot compute it so.
    """
    precision = _MATMUL_PRECISIONS["default" if platform == "cpu" else name]
    try:
        with jax.default_matmul_precision(precision):  # type: ignore[no-untyped-call]
            yield
    except jax.errors.JaxRuntimeError as error:
        told = str(error).startswith(_CANNOT_COMPILE)
        if not told or name not in _NOT_EVERYWHERE:
            raise
        reason = one_line(error)[:200]
        raise UserError(
            f"--precision={name}: the device cannot train in this precision ({reason}); "
            "expected default or float32"
        ) from None


def full_precision() -> contextlib.AbstractContextManager[None]:
    """Trace programs that compare scores: ranks are of full float32, whatever was trained in."""
    return matmul_precision("float32")


def jit_in_full_precision(function: Callable[..., T]) -> Callable[..., T]:
    """Return `function` jit-compiled in full float32: for trained models that are asked."""
    compiled = jax.jit(function)

    def call(*arguments: Any, **more: Any) -> T:
        with full_precision():
            result: T = compiled(*arguments, **more)
            return result

    return call


def compile_lowered(lowered: Any, platform: str, **cpu_options: Any) -> Any:
    """Compile a lowered program, on CPUs with the options that suit them.

    Args:
        lowered: The program.
        platform: Of the devices that it runs on.
        **cpu_options: Further options of XLA for CPUs. Those that this release of jaxlib does not
            know are left out.
    """
    if platform != "cpu":
        return lowered.compile()
    wanted = {**_CPU_OPTIONS, **cpu_options}
    return lowered.compile(
        {name: value for name, value in wanted.items() if _is_known(name, value)}
    )


@functools.cache
def _is_known(option: str, value: Any) -> bool:
    """Tell whether XLA knows an option for CPUs, by compiling next to nothing with it."""
    device = jax.local_devices(backend="cpu")[0]
    with jax.default_device(device):
        lowered = jax.jit(lambda number: number).lower(0)
    try:
        lowered.compile({option: value})
    except jax.errors.JaxRuntimeError as error:
        logging.info("jaxlib does not take %s=%r: %s", option, value, error)
        return False
    return True


def program_bytes(compiled: Any) -> int:
    """Return the memory one device needs while the program runs, its arguments included."""
    analysis = compiled.memory_analysis()
    if analysis is None:
        return 0
    return int(
        analysis.argument_size_in_bytes
        + analysis.output_size_in_bytes
        + analysis.temp_size_in_bytes
        - analysis.alias_size_in_bytes
    )


def memory_bytes(device: jax.Device) -> int | None:
    """Return the memory of `device`: its own, for a CPU what the machine has available.

    None where a device does not tell: the host's memory says nothing of an accelerator's.
    """
    if device.platform == "cpu":
        return int(psutil.virtual_memory().available)
    statistics = device.memory_stats() or {}
    limit = statistics.get("bytes_limit")
    return None if limit is None else int(limit)


def is_out_of_memory(error: BaseException) -> bool:
    """Tell whether a device, or the host, had too little memory."""
    if isinstance(error, MemoryError):
        return True
    # XLA's code of the error gets lost where it comes from a program that is running already.
    told = re.search(r"RESOURCE_EXHAUSTED|out.of.memory", str(error), re.IGNORECASE)
    return isinstance(error, jax.errors.JaxRuntimeError) and told is not None
