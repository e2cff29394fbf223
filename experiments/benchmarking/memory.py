"""The most memory that this process has needed."""

from __future__ import annotations

import resource
import sys

import jax


def peak_bytes() -> int:
    """Return the peak of the first device's memory, or for a CPU of the process's."""
    statistics = jax.local_devices()[0].memory_stats() or {}
    if "peak_bytes_in_use" in statistics:
        return int(statistics["peak_bytes_in_use"])
    # The unit is a kibibyte, but on macOS a byte.
    unit = 1 if sys.platform == "darwin" else 1024
    return resource.getrusage(resource.RUSAGE_SELF).ru_maxrss * unit
