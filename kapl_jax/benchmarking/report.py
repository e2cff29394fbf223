"""The benchmark of bilinear training: its settings, its cases and its tables."""

from __future__ import annotations

import dataclasses
import importlib.util
from collections.abc import Callable, Mapping
from typing import Any

import numpy as np

from kapl_jax.benchmarking.memory import peak_bytes
from kapl_jax.benchmarking.populations import matrix_products_case, one_epoch, population_case
from kapl_jax.benchmarking.profile import profile
from kapl_jax.benchmarking.timing import Case, Timing, alternate
from kapl_jax.data.knowledge_graph import KnowledgeGraph, load_knowledge_graph
from kapl_jax.methods.autoblm.problem import AutoBLMProblem, TrainingOptions
from kapl_jax.methods.autoblm.space import StructureSpace
from kapl_jax.runs.environment import environment
from kapl_jax.runs.settings import check_ranges, setting

_HYPERPARAMETERS = {"learning_rate": 0.2, "regularisation": 1e-3, "decay": 1.0, "dropout": 0.0}
_OURS, _LIMIT = "kapl_jax, population", "matrix products alone"
Write = Callable[[str], None]


@dataclasses.dataclass(frozen=True)
class BenchmarkSettings:
    """The settings of the benchmark; the program's flags are made from them."""

    dataset: str = setting("umls", "Registered graph or a folder.")
    data_dir: str = setting("", "Folder of registered data.")
    embedding_dim: int = setting(64, "Embedding dimension.", low=4)
    batch_size: int = setting(256, "Triples in a batch.", low=1)
    population: int = setting(64, "Structures trained side by side.", low=1)
    curve: str = setting("1,2,4,8,16,32,64,128,256", "Population sizes of the curve; '' for none.")
    epochs: int = setting(2, "Epochs a measurement.", low=1)
    rounds: int = setting(5, "Measurements of each program, in turn.", low=1)
    chunk_size: int = setting(0, "Most structures on the devices at once; 0: chosen.", low=0)
    precision: str = setting(
        "float32", "Operands of the matrix products.", choices=["float32", "bfloat16"]
    )
    torch_chunk_size: int = setting(4, "Structures in a batch of batched PyTorch.", low=1)
    torch: bool = setting(True, "Time PyTorch, too, where it is installed.")
    profile: bool = setting(True, "Show where the time goes.")
    cpu_devices: int = setting(0, "CPU cores to spread over; 0: all.", low=0)
    json: str = setting("", "File for the figures.")

    def __post_init__(self) -> None:
        """Check every value; see `runs.settings.check_ranges`."""
        check_ranges(self)


def run_benchmark(settings: BenchmarkSettings, write: Write) -> dict[str, Any]:
    """Run the benchmark, write its tables line by line and return its figures."""
    graph = load_knowledge_graph(settings.dataset, settings.data_dir or None)
    options = TrainingOptions(
        embedding_dim=settings.embedding_dim,
        batch_size=settings.batch_size,
        regulariser="l2",
        penalised="relation",
        unit_ball=True,
        precision=settings.precision,
    )
    problem = AutoBLMProblem(graph, options)
    rng = np.random.default_rng(0)
    sizes = [int(size) for size in settings.curve.split(",") if size.strip()]
    structures = StructureSpace(4).sample(rng, max([settings.population, *sizes]))
    setup = environment()
    write(
        f"{graph.name}: {graph.num_entities} entities, {len(graph.training_triples)} triples, "
        f"dimension {options.embedding_dim}, batch {options.batch_size}, {options.precision}, "
        f"on {setup['device']['name']}"
    )
    timings = alternate(_cases(settings, graph, problem, structures), settings.rounds)
    figures: dict[str, Any] = {**setup, "programs": _rows(timings)}
    _write_table(timings, f"{_OURS} of {settings.population}", write)
    figures["curve"] = _curve(settings, problem, structures, sizes, write)
    figures["peak_bytes"] = peak_bytes()
    write(f"\npeak memory {figures['peak_bytes'] / 2**20:.0f} MiB")
    if settings.profile:
        shares = profile(one_epoch(problem, structures[: settings.population], _HYPERPARAMETERS))
        figures["profile"] = dict(shares)
        write("\nwhere the time of a chunk goes")
        for name, share in shares:
            write(f"  {share:6.1%}  {name}")
    return figures


def _cases(
    settings: BenchmarkSettings,
    graph: KnowledgeGraph,
    problem: AutoBLMProblem,
    structures: np.ndarray,
) -> list[Case]:
    chosen = structures[: settings.population]
    ours = population_case(
        f"{_OURS} of {settings.population}",
        problem,
        chosen,
        _HYPERPARAMETERS,
        settings.epochs,
        settings.chunk_size,
    )
    limit = matrix_products_case(
        _LIMIT, problem, settings.population, settings.epochs, settings.chunk_size or 8
    )
    if not settings.torch or importlib.util.find_spec("torch") is None:
        return [ours, limit]
    # Imported late: the benchmark is of use without PyTorch, too.
    from kapl_jax.benchmarking.torch_cases import torch_cases

    return [
        ours,
        limit,
        *torch_cases(
            graph,
            problem.options,
            chosen,
            _HYPERPARAMETERS,
            settings.epochs,
            settings.torch_chunk_size,
        ),
    ]


def _curve(
    settings: BenchmarkSettings,
    problem: AutoBLMProblem,
    structures: np.ndarray,
    sizes: list[int],
    write: Write,
) -> dict[int, Any]:
    """Time populations of several sizes and return their rows by size."""
    if not sizes:
        return {}
    cases = {
        size: population_case(
            f"population of {size}",
            problem,
            structures[:size],
            _HYPERPARAMETERS,
            settings.epochs,
            settings.chunk_size,
        )
        for size in sizes
    }
    timings = alternate(list(cases.values()), settings.rounds)
    write("")
    _write_table(timings, f"population of {sizes[0]}", write)
    rows = _rows(timings)
    return {size: rows[case.name] for size, case in cases.items()}


def _rows(timings: Mapping[str, Timing]) -> dict[str, dict[str, float]]:
    return {
        name: {
            "milliseconds": 1e3 * timing.median,
            "low": 1e3 * timing.low,
            "high": 1e3 * timing.high,
            "candidate_epochs_per_second": timing.rate,
        }
        for name, timing in timings.items()
    }


def _write_table(timings: Mapping[str, Timing], reference: str, write: Write) -> None:
    """Write a line a program: its time, range and rate, and its time over the reference's."""
    width = max(len(name) for name in timings)
    write(
        f"{'program':<{width}}  ms a candidate-epoch  (least - most)      per second  "
        "times as long as the first"
    )
    for name, timing in timings.items():
        span = f"({1e3 * timing.low:.2f} - {1e3 * timing.high:.2f})"
        ratio = timing.median / timings[reference].median
        write(
            f"{name:<{width}}  {1e3 * timing.median:>20.2f}  {span:<18}  {timing.rate:>10.1f}  "
            f"{ratio:.2f}"
        )
