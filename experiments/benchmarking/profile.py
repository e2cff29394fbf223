"""Where the time of a compiled program goes, by operation."""

from __future__ import annotations

import collections
import gzip
import json
import re
import tempfile
from collections.abc import Callable
from pathlib import Path
from typing import Any

import jax

# Loops and calls contain the operations that are counted by themselves.
_CONTAINERS = ("while", "call", "conditional")


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
