"""RED-GNN's and AdaProp's benchmark on a generated graph."""

import types

import numpy as np
import pytest

from experiments.benchmarking import relational
from experiments.benchmarking.products import Product
from experiments.benchmarking.relational import RelationalSettings, relational_benchmark
from kapl_jax.methods.red_gnn.problem import RedGNNOptions
from kapl_jax.methods.red_gnn.tasks import make_tasks

pytestmark = pytest.mark.usefixtures("compiled_plainly")


def _settings(**values):
    defaults = {
        "dataset": "generated",
        "triples": 40,
        "entities": 12,
        "relations": 2,
        "embedding_dim": 4,
        "num_layers": 2,
        "batch_size": 3,
        "steps": 2,
        "top_k": 2,
        "most_edges": 5,
        "torch": False,
    }
    return RelationalSettings(**(defaults | values))


def _problem(settings):
    options = RedGNNOptions(
        num_layers=2,
        hidden_dim=4,
        batch_size=3,
        dropout=False,
        regime="frontier",
        top_k=settings.top_k,
        most_edges=settings.most_edges,
    )
    tasks = make_tasks(relational._data(settings), options.batch_size)
    return relational._FewBatches(tasks, options, settings.steps)


def test_what_is_timed_of_training():
    benchmark = relational_benchmark(_settings(curve="1,2"))
    assert benchmark.headline == (
        "generated, training: 12 entities, 40 triples, 2 layers, width 4, batch 3, top k 2, 5 edges"
    )
    assert [case.name for case in benchmark.cases()] == [
        "kapl_jax, one model",
        "kapl_jax, 3 models side by side, each",
        "matrix products alone",
    ]
    assert list(benchmark.curve()) == [1, 2]
    # None of the PyTorch programs chooses nodes.
    assert benchmark.baselines() == []


class _Trainer:
    """Stands for `PopulationTrainer`, and notes what it is to evaluate."""

    def __init__(self, problem):
        self.problem, self.asked = problem, []

    def start(self, individuals, size):
        assert len(individuals) == size == 1
        return individuals

    def evaluate(self, chunk, split):
        self.asked.append((split, self.problem.asked(split).queries.heads))


def test_an_evaluation_is_of_the_first_validation_batches(monkeypatch):
    trainers, clock = [], iter([10.0, 16.0])

    def make(problem):
        trainers.append(_Trainer(problem))
        return trainers[-1]

    monkeypatch.setattr(relational, "PopulationTrainer", make)
    monkeypatch.setattr(relational, "time", types.SimpleNamespace(perf_counter=lambda: next(clock)))
    benchmark = relational_benchmark(_settings(part="evaluation", entities=30, triples=80))
    assert benchmark.headline.startswith("generated, evaluation: 30 entities, 80 triples")
    assert not benchmark.curve()
    (case,) = benchmark.cases()
    # Six seconds for two batches.
    assert case.measure() == 3.0
    (trainer,) = trainers
    ((split, heads),) = trainer.asked
    assert split == "valid"
    everything = trainer.problem.tasks.valid.queries.heads
    assert len(everything) > 2
    np.testing.assert_array_equal(heads, everything[:2])


def test_every_epoch_has_the_same_few_batches():
    problem = _problem(_settings())
    graph, batches = problem.batches
    assert batches.shape == (3, 2, 3)
    for epoch in (0, 5):
        again, others, weights = problem._epoch(epoch)
        np.testing.assert_array_equal(others, batches)
        np.testing.assert_array_equal(again.targets, graph.targets)
        assert weights.shape == (2, 3)


def test_the_products_of_adaprop_are_of_the_nodes_that_queries_may_keep():
    # Three queries: 1 node each, then 2 more, and 2 more.
    assert relational._products(_problem(_settings())) == [
        Product(9, 4, 4), Product(9, 4, 12), Product(3, 4, 12),
        Product(15, 4, 4), Product(15, 4, 12), Product(9, 4, 12),
    ]  # fmt: skip


def test_the_products_of_red_gnn_are_of_the_nodes_that_queries_reach():
    problem = _problem(_settings(top_k=0, steps=1))
    graph, (heads, _, _) = problem.batches
    edges = list(zip(graph.sources.tolist(), graph.targets.tolist(), strict=True))
    reached, rows = set(enumerate(heads[0].tolist())), [3]
    for _ in range(2):
        reached = {(query, tail) for query, head in reached for h, tail in edges if h == head}
        rows.append(len(reached))
    assert [product.rows for product in relational._products(problem)] == [
        rows[1], rows[1], rows[0], rows[2], rows[2], rows[1]
    ]  # fmt: skip
