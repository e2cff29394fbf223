"""What a program takes: the time of several in turn, the memory, and where the time goes."""

from __future__ import annotations

import collections
import gzip
import json
import re
import resource
import sys
import tempfile
from collections.abc import Callable, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import jax
import numpy as np

# Loops and calls contain the operations that are counted by themselves.
_CONTAINERS = ("while", "call", "conditional")


@dataclass(frozen=True)
class Case:
    """A program to time.

    Attributes:
        name: Its name in tables.
        measure: Runs it once, warmed up, and returns the seconds that a unit of work took.
    """

    name: str
    measure: Callable[[], float]


@dataclass(frozen=True)
class Timing:
    """The seconds that a unit of work took, over the rounds.

    Attributes:
        median: The median.
        low: The fastest.
        high: The slowest.
    """

    median: float
    low: float
    high: float

    @property
    def rate(self) -> float:
        """Units of work per second, by the median."""
        return 1.0 / self.median


def alternate(cases: Sequence[Case], rounds: int) -> dict[str, Timing]:
    """Time the cases one after the other, `rounds` times over, and return their timings by name.

    What disturbs one so disturbs the others, too. Each case is run once before the clock counts, so
    that compilation is left out.
    """
    for case in cases:
        case.measure()
    seconds: dict[str, list[float]] = {case.name: [] for case in cases}
    for _ in range(rounds):
        for case in cases:
            seconds[case.name].append(case.measure())
    return {
        name: Timing(float(np.median(values)), min(values), max(values))
        for name, values in seconds.items()
    }


def peak_bytes() -> int:
    """Return the peak of the first device's memory, or for a CPU of the process's."""
    statistics = jax.local_devices()[0].memory_stats() or {}
    if "peak_bytes_in_use" in statistics:
        return int(statistics["peak_bytes_in_use"])
    # The unit is a kibibyte, but on macOS a byte.
    unit = 1 if sys.platform == "darwin" else 1024
    return resource.getrusage(resource.RUSAGE_SELF).ru_maxrss * unit


def profile(program: Callable[[], Any], most: int = 12) -> list[tuple[str, float]]:
    """Run `program` under JAX's profiler and return its costliest operations.

    Returns:
        Names of compiled operations, numbers stripped, and their share of the time of all, the
        largest first; `most` of them, then "others". Operations run on several threads or devices
        count once each.
    """
    with tempfile.TemporaryDirectory() as folder:
        with jax.profiler.trace(folder):
            jax.block_until_ready(program())
        events = _trace_events(Path(folder))
    times: collections.Counter[str] = collections.Counter()
    for event in events:
        name = str(event.get("name", ""))
        if "hlo_op" in event.get("args", {}) and not name.startswith(_CONTAINERS):
            times[re.sub(r"[.\d]+$", "", name)] += event["dur"]
    total = sum(times.values()) or 1
    shares = [(name, time / total) for name, time in times.most_common(most)]
    return [*shares, ("others", max(0.0, 1.0 - sum(share for _, share in shares)))]


def _trace_events(folder: Path) -> list[dict[str, Any]]:
    traces = sorted(folder.rglob("*.trace.json.gz"))
    if not traces:
        return []
    with gzip.open(traces[-1], "rt", encoding="utf-8") as stream:
        events: list[dict[str, Any]] = json.load(stream)["traceEvents"]
    return events
