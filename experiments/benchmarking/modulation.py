"""ColdNAS's benchmark: modulation structures on users with few ratings."""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np

from experiments.benchmarking.benchmark import (
    Benchmark,
    BenchmarkSettings,
    Derived,
    Unit,
)
from experiments.benchmarking.measures import Case
from experiments.benchmarking.populations import PopulationTimer
from experiments.benchmarking.products import Product, products_case
from kapl_jax.data.cold_start import ColdStartData
from kapl_jax.data.cold_start_loading import load_cold_start
from kapl_jax.data.cold_start_protocol import Protocol
from kapl_jax.methods.coldnas.problem import ColdNASOptions, ColdNASProblem
from kapl_jax.methods.coldnas.space import ModulationSpace
from kapl_jax.runs.settings import setting

_LEARNING_RATE = 1e-4
# What the published training does not have is off.
_HYPERPARAMETERS = {
    "learning_rate": _LEARNING_RATE,
    "decay": 1.0,
    "weight_decay": 0.0,
    "unseen_rate": 0.0,
}
_EPOCHS_OF_TRAINING = 100
# Of the matrix products alone, where the settings leave it to the program.
_CHUNK_SIZE = 8


@dataclass(frozen=True)
class ModulationSettings(BenchmarkSettings):
    """The settings of ColdNAS's benchmark; sizes not named are the published ones."""

    dataset: str = setting("lastfm", "Registered ratings, a folder, an archive or a CSV file.")
    embedding_dim: int = setting(
        32, "Dimension of the embedding of each field.", low=4, high=65_536
    )
    batch_size: int = setting(32, "Users per batch.", low=1, high=2**20)
    torch_chunk_size: int = setting(
        2, "Structures per batch of batched PyTorch.", low=1, high=100_000
    )


def modulation_benchmark(settings: ModulationSettings) -> Benchmark:
    """Return the benchmark: ours, the limit, and PyTorch where it is installed."""
    data = load_cold_start(settings.dataset, settings.data_dir or None, Protocol())
    return benchmark_of_data(settings, data)


def benchmark_of_data(settings: ModulationSettings, data: ColdStartData) -> Benchmark:
    """Return the benchmark of data that are loaded already."""
    options = ColdNASOptions(
        embedding_dim=settings.embedding_dim, batch_size=settings.batch_size, redraw=False
    )
    problem = ColdNASProblem(data, options)
    users, sizes = data.train.num_users, settings.curve_sizes
    space = ModulationSpace(options.positions)
    structures = space.sample(np.random.default_rng(0), max([settings.population, *sizes]))
    timer = PopulationTimer(
        problem, _HYPERPARAMETERS, settings.epochs, users, settings.make_trainer
    )
    chosen = structures[: settings.population]

    def cases() -> list[Case]:
        return [
            timer.case(
                f"kapl_jax, population of {settings.population}", chosen, settings.chunk_size
            ),
            timer.case("kapl_jax, one structure", structures[:1], settings.chunk_size),
            _limit(settings, problem),
        ]

    return Benchmark(
        f"{data.name}: {users} training users, {len(data.items)} items, "
        f"{data.train.num_ratings} ratings, dimension {options.embedding_dim}, batch "
        f"{options.batch_size}",
        _unit(users),
        cases,
        lambda: _baselines(settings, problem, chosen),
        lambda: timer.curve(structures, sizes, settings.chunk_size),
        lambda: timer.one_epoch(chosen, settings.chunk_size),
    )


def _unit(users: int) -> Unit:
    whole = Derived(
        f"structures per minute ({_EPOCHS_OF_TRAINING} epochs)",
        "structures_per_minute",
        60 / (_EPOCHS_OF_TRAINING * users),
    )
    return Unit("user", "users_per_second", "us", 1e6, whole)


def _limit(settings: ModulationSettings, problem: ColdNASProblem) -> Case:
    users = problem.data["train"].tasks.num_tasks
    size = min(settings.batch_size, users)
    return products_case(
        "matrix products alone",
        _products(problem, size),
        -(-users // size),
        settings.population,
        settings.chunk_size or _CHUNK_SIZE,
        settings.epochs,
        users,
    )


def _products(problem: ColdNASProblem, batch_size: int) -> list[Product]:
    """The products of a step without any padding, each user's own part computed once.

    The first layers of encoder and predictor take items and users apart.
    """
    model, train = problem.model, problem.cold_start.train
    dim = model.embedding_dim
    items, users = len(model.item_sizes) * dim, len(model.user_sizes) * dim
    share = batch_size / train.num_users
    support, query = (round(mask.sum() * share) for mask in (train.support_mask, train.query_mask))
    first, *others = model.hidden_units
    return [
        Product(support, items + 1, model.context_dim),
        Product(batch_size, users, model.context_dim),
        Product(batch_size, model.context_dim, 4 * sum(model.widths)),
        Product(query, items, first),
        Product(batch_size, users, first),
        *(
            Product(query, inputs, outputs)
            for inputs, outputs in zip(model.hidden_units[:-1], others, strict=True)
        ),
        Product(query, model.hidden_units[-1], 1),
    ]


def _baselines(
    settings: ModulationSettings, problem: ColdNASProblem, structures: np.ndarray
) -> list[Case]:
    # Imported late: the benchmark is of use without PyTorch, too.
    from experiments.pytorch_baselines.modulation_cases import (  # noqa: PLC0415
        modulation_cases,
    )

    return modulation_cases(
        problem, structures, _LEARNING_RATE, settings.epochs, settings.torch_chunk_size
    )
