"""RED-GNN's benchmark: training steps and evaluations of reasoning over relational digraphs."""

from __future__ import annotations

import itertools
import time
from dataclasses import dataclass

import numpy as np

from experiments.benchmarking.benchmark import Benchmark, BenchmarkSettings, Unit
from experiments.benchmarking.generated import GENERATED, generated_graph
from experiments.benchmarking.measures import Case
from experiments.benchmarking.populations import PopulationTimer
from experiments.benchmarking.products import Product, products_case
from kapl_jax.data.reasoning import ReasoningData, load_reasoning_data
from kapl_jax.methods.red_gnn.defaults import SUGGESTED
from kapl_jax.methods.red_gnn.problem import RedGNNOptions, RedGNNProblem
from kapl_jax.methods.red_gnn.tasks import Asked, Tasks, first_of, make_tasks
from kapl_jax.relational.adaprop import limits_for
from kapl_jax.relational.choices import Offered
from kapl_jax.relational.expansion import Expander
from kapl_jax.relational.graph import RelationalGraph
from kapl_jax.relational.regimes import DenseRegime
from kapl_jax.runs.settings import setting
from kapl_jax.search.individual import Individual
from kapl_jax.search.problem import Split
from kapl_jax.search.trainer import PopulationTrainer

_HYPERPARAMETERS = {"learning_rate": 1e-3, "decay": 1.0, "weight_decay": 1e-4, "dropout": 0.0}
# The sizes for data that nothing was published for.
_PUBLISHED = SUGGESTED["umls"]
_CANDIDATE = np.zeros(5, np.int8)


@dataclass(frozen=True)
class RelationalSettings(BenchmarkSettings):
    """The settings of RED-GNN's benchmark; sizes left at 0 are those published for the data."""

    dataset: str = setting(
        "umls",
        "Registered graph or a folder; with X_ind beside X an inductive pair; "
        f"{GENERATED}: a random graph.",
    )
    part: str = setting(
        "training", "What is timed, by the batch.", choices=["training", "evaluation"]
    )
    population: int = setting(3, "Seeds trained side by side.", low=1, high=100_000)
    curve: str = setting("", "Population sizes of the curve; '' for none.")
    epochs: int = setting(1, "Passes over the batches per measurement.", low=1)
    steps: int = setting(4, "Batches per measurement.", low=1)
    batch_size: int = setting(0, "Queries per batch; 0: as published.", low=0, high=2**20)
    embedding_dim: int = setting(0, "Width of the states; 0: as published.", low=0, high=65_536)
    num_layers: int = setting(0, "Layers; 0: as published.", low=0, high=20)
    regime: str = setting("auto", "How messages are passed.", choices=["auto", "dense", "frontier"])
    top_k: int = setting(0, "Nodes that each query adds per layer (AdaProp); 0: all.", low=0)
    most_edges: int = setting(
        1 << 15, "Most edges per query and layer, with --top_k.", low=1, high=(1 << 24) - 1
    )
    triples: int = setting(100_000, f"Triples of a {GENERATED} graph.", low=2)
    entities: int = setting(15_000, f"Entities of a {GENERATED} graph.", low=2)
    relations: int = setting(200, f"Relations of a {GENERATED} graph.", low=1)


def relational_benchmark(settings: RelationalSettings) -> Benchmark:
    """Return the benchmark: ours, the limit, and PyTorch where it is installed."""
    data = _data(settings)
    published = SUGGESTED.get(data.name) or _PUBLISHED
    options = RedGNNOptions(
        num_layers=settings.num_layers or published["num_layers"],
        hidden_dim=settings.embedding_dim or published["hidden_dim"],
        offered=Offered(activations=(published["activation"],)),
        batch_size=settings.batch_size or published["batch_size"],
        dropout=False,
        regime=settings.regime,
        top_k=settings.top_k,
        most_edges=settings.most_edges,
    )
    tasks = make_tasks(data, options.batch_size)
    problem = _FewBatches(tasks, options, settings.steps)
    timer = PopulationTimer(
        problem, _HYPERPARAMETERS, settings.epochs, settings.steps, settings.make_trainer
    )
    seeds = np.repeat(_CANDIDATE[None], max([settings.population, *settings.curve_sizes]), axis=0)
    training = settings.part == "training"

    def cases() -> list[Case]:
        if not training:
            return [_evaluation(problem)]
        return [
            timer.case("kapl_jax, one model", seeds[:1]),
            timer.case(
                f"kapl_jax, {settings.population} models side by side, each",
                seeds[: settings.population],
            ),
            _limit(settings, problem),
        ]

    return Benchmark(
        f"{data.name}, {settings.part}: {tasks.num_entities} entities, {len(tasks.pool)} triples, "
        f"{options.num_layers} layers, width {options.hidden_dim}, batch {options.batch_size}"
        + (f", top k {options.top_k}, {options.most_edges} edges" if options.top_k else ""),
        Unit("batch", "batches_per_second"),
        cases,
        # There is no program of AdaProp among the baselines.
        lambda: [] if options.top_k else _baselines(settings, problem),
        lambda: timer.curve(seeds, settings.curve_sizes) if training else {},
        lambda: timer.one_epoch(seeds[:1]),
    )


def _data(settings: RelationalSettings) -> ReasoningData:
    if settings.dataset != GENERATED:
        return load_reasoning_data(settings.dataset, settings.data_dir or None)
    asked = settings.steps * (settings.batch_size or _PUBLISHED["batch_size"])
    return generated_graph(settings.triples, settings.entities, settings.relations, asked)


class _FewBatches(RedGNNProblem):
    """The first batches of one epoch, again and again."""

    def __init__(self, tasks: Tasks, options: RedGNNOptions, steps: int) -> None:
        super().__init__(tasks, options)
        self.steps = steps

    def _epoch(self, epoch: int) -> tuple[RelationalGraph, np.ndarray, np.ndarray]:
        del epoch
        graph, batches, weights = super()._epoch(0)
        return graph, batches[:, : self.steps], weights[: self.steps]

    def asked(self, split: Split) -> Asked:
        """Return the first batches of queries only."""
        return first_of(super().asked(split), self.steps)

    @property
    def batches(self) -> tuple[RelationalGraph, np.ndarray]:
        """The graph, and the queries int32[3, S, B]."""
        graph, batches, _ = self._epoch(0)
        return graph, batches


def _evaluation(problem: _FewBatches) -> Case:
    """Return the case of ranking the answers of the first validation batches."""
    trainer = PopulationTrainer(problem)
    chunk = trainer.start([Individual(_CANDIDATE, _HYPERPARAMETERS, 0)], 1)

    def measure() -> float:
        began = time.perf_counter()
        trainer.evaluate(chunk, "valid")
        return (time.perf_counter() - began) / len(problem.asked("valid").queries.heads)

    return Case("kapl_jax", measure)


def _limit(settings: RelationalSettings, problem: _FewBatches) -> Case:
    products = _products(problem)
    return products_case(
        "matrix products alone", products, settings.steps, 1, 1, settings.epochs, settings.steps
    )


def _products(problem: _FewBatches) -> list[Product]:
    """The products of a step over the rows of each layer, without padding."""
    options, width = problem.options, problem.options.hidden_dim
    products = []
    for before, after in itertools.pairwise(_rows(problem)):
        products += [
            Product(after, width, width),
            Product(after, width, 3 * width),
            Product(before, width, 3 * width),
        ]
    if isinstance(problem.training_regime, DenseRegime):
        # What every entity gets from every other one.
        size = problem.tasks.num_entities
        products += [Product(options.batch_size * size, size, width)] * (options.num_layers - 1)
    return products


def _rows(problem: _FewBatches) -> list[int]:
    """The rows before the first layer and after each: of AdaProp the most that queries may keep.

    Otherwise what they reach, the median over the batches.
    """
    options, (graph, batches) = problem.options, problem.batches
    if options.top_k:
        limits = limits_for(graph, options.num_layers, options.top_k, options.most_edges)
        return [options.batch_size * count for count in limits.nodes(graph.num_entities)]
    expander = Expander(graph, options.num_layers)
    counts = [np.cumsum(expander.expand(heads).row_counts) for heads in batches[0]]
    rows: list[int] = np.median(counts, axis=0).astype(int).tolist()
    return rows


def _baselines(settings: RelationalSettings, problem: _FewBatches) -> list[Case]:
    # Imported late: the benchmark is of use without PyTorch, too.
    from experiments.pytorch_baselines.relational_cases import (  # noqa: PLC0415
        ranking_cases,
        training_cases,
    )

    graph, batches = problem.batches
    if settings.part == "training":
        return training_cases(problem, graph, batches, _HYPERPARAMETERS)
    return ranking_cases(problem, problem.asked("valid"), _HYPERPARAMETERS)
