"""AutoBLM's benchmark: bilinear structures on a knowledge graph."""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np

from experiments.benchmarking.benchmark import (
    Benchmark,
    BenchmarkSettings,
    Unit,
)
from experiments.benchmarking.measures import Case
from experiments.benchmarking.populations import PopulationTimer
from experiments.benchmarking.products import Product, products_case
from kapl_jax.data.knowledge_graph import load_knowledge_graph
from kapl_jax.methods.autoblm.problem import AutoBLMProblem, TrainingOptions
from kapl_jax.methods.autoblm.space import BlockSpace
from kapl_jax.runs.settings import setting

_HYPERPARAMETERS = {"learning_rate": 0.2, "regularisation": 1e-3, "decay": 1.0, "dropout": 0.0}
_UNIT = Unit("candidate-epoch", "candidate_epochs_per_second")
# Of the matrix products alone, where the settings leave it to the program.
_CHUNK_SIZE = 8


@dataclass(frozen=True)
class BilinearSettings(BenchmarkSettings):
    """The settings of AutoBLM's benchmark."""

    dataset: str = setting("umls", "Registered graph or a folder.")
    embedding_dim: int = setting(64, "Embedding dimension.", low=4, high=65_536)
    batch_size: int = setting(256, "Triples per batch.", low=1, high=2**20)


def bilinear_benchmark(settings: BilinearSettings) -> Benchmark:
    """Return the benchmark: ours, the limit, and PyTorch where it is installed."""
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
    sizes = settings.curve_sizes
    structures = BlockSpace(4).sample(np.random.default_rng(0), max([settings.population, *sizes]))
    timer = PopulationTimer(
        problem, _HYPERPARAMETERS, settings.epochs, make_trainer=settings.make_trainer
    )
    chosen = structures[: settings.population]

    def cases() -> list[Case]:
        ours = timer.case(
            f"kapl_jax, population of {settings.population}", chosen, settings.chunk_size
        )
        return [ours, _limit(settings, problem)]

    return Benchmark(
        f"{graph.name}: {graph.num_entities} entities, {len(graph.training_triples)} triples, "
        f"dimension {options.embedding_dim}, batch {options.batch_size}, {options.precision}",
        _UNIT,
        cases,
        lambda: _baselines(settings, problem, chosen),
        lambda: timer.curve(structures, sizes, settings.chunk_size),
        lambda: timer.one_epoch(chosen, settings.chunk_size),
    )


def _limit(settings: BilinearSettings, problem: AutoBLMProblem) -> Case:
    """Scores of queries both ways with all entities, and their gradients."""
    graph, batch_size = problem.graph, settings.batch_size
    return products_case(
        "matrix products alone",
        [Product(2 * batch_size, settings.embedding_dim, graph.num_entities)],
        -(-len(graph.training_triples) // batch_size),
        settings.population,
        settings.chunk_size or _CHUNK_SIZE,
        settings.epochs,
        dtype=problem.dtype,
        precision=settings.precision,
    )


def _baselines(
    settings: BilinearSettings, problem: AutoBLMProblem, structures: np.ndarray
) -> list[Case]:
    # Imported late: the benchmark is of use without PyTorch, too.
    from experiments.pytorch_baselines.bilinear_cases import bilinear_cases  # noqa: PLC0415

    return bilinear_cases(
        problem.graph,
        problem.options,
        structures,
        _HYPERPARAMETERS,
        settings.epochs,
        settings.torch_chunk_size,
    )
