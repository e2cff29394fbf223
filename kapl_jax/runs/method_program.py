"""The program of a method: settings from flags, the run, and what it found."""

from __future__ import annotations

from collections.abc import Callable, Mapping
from pathlib import Path
from typing import Any

from kapl_jax.runs.compilation_cache import use_compilation_cache
from kapl_jax.runs.program import use_cpu_cores
from kapl_jax.runs.report.presentation import Presentation, readable
from kapl_jax.runs.run_directory import read_run

Describe = Callable[[Mapping[str, Any]], str]


def run_method(
    settings: Any,
    run: Callable[[Any], Path | None],
    describe: Describe,
    presentation: Presentation,
) -> None:
    """Run a method, or continue its run, and print what it found and where the report is.

    Args:
        settings: The method's settings; their `cpu_devices`, `compilation_cache` and
            `workdir` are used.
        run: Runs the method and returns where the report is, None if there is none.
        describe: Makes a few lines of results.json.
        presentation: Says which parts of results.json are the method's own.

    Raises:
        UserError: The run cannot be done.
    """
    use_cpu_cores(settings.cpu_devices)
    use_compilation_cache(settings.compilation_cache)
    report = run(settings)
    results = readable(read_run(settings.workdir), presentation.shape).results
    if results is not None:
        print(describe(results))
    if report is not None:
        print(f"report: {report}")
