"""PyTorch's training of bilinear structures as cases to time beside ours."""

from __future__ import annotations

from collections.abc import Callable

import numpy as np
import torch

from experiments.benchmarking.measures import Case
from experiments.pytorch_baselines.bilinear import (
    BatchedTrainer,
    BilinearOutcome,
    BilinearWork,
    gradients_by_hand,
    gradients_by_vmap,
    log_loss_with_broadcast,
    train_one_by_one,
)
from experiments.pytorch_baselines.common import ideal_of_processes
from kapl_jax.data.knowledge_graph import KnowledgeGraph
from kapl_jax.methods.autoblm.problem import TrainingOptions

# One structure takes as long as another: a few stand for all where they are trained in turn.
_IN_TURN = 4


def bilinear_cases(
    graph: KnowledgeGraph,
    options: TrainingOptions,
    structures: np.ndarray,
    hyperparameters: dict[str, float],
    epochs: int,
    chunk_size: int,
) -> list[Case]:
    """Return PyTorch's cases: as published, and batched as well as we can.

    A unit of work is one epoch of one structure, as in `PopulationTimer.case`.

    Args:
        graph: The graph.
        options: Training options: L2 on relations, Adagrad.
        structures: int8[P, K, K].
        hyperparameters: Learning rate and regularisation.
        epochs: Epochs per measurement.
        chunk_size: Structures in a batch of the batched programs.
    """
    rng = np.random.default_rng(0)

    def work(count: int) -> BilinearWork:
        def table(rows: int) -> np.ndarray:
            shape = (count, rows, options.embedding_dim)
            return (0.1 * rng.normal(size=shape)).astype(np.float32)

        triples = graph.training_triples
        return BilinearWork(
            triples=triples,
            structures=structures[:count],
            entities=table(graph.num_entities),
            relations=table(graph.num_relations),
            orders=np.stack([rng.permutation(len(triples)) for _ in range(epochs)]),
            batch_size=options.batch_size,
            learning_rate=hyperparameters["learning_rate"],
            regularisation=hyperparameters["regularisation"],
            unit_ball=options.unit_ball,
        )

    def case(name: str, count: int, train: Callable[[], BilinearOutcome]) -> Case:
        return Case(name, lambda: train().seconds / (epochs * count))

    alone = work(min(_IN_TURN, len(structures)))
    together = work(max(1, len(structures) // chunk_size) * min(chunk_size, len(structures)))
    size, count = min(chunk_size, len(structures)), len(together.structures)
    by_hand = BatchedTrainer(together, size, gradients_by_hand)
    single = BatchedTrainer(together, size, gradients_by_hand)
    by_vmap = BatchedTrainer(together, size, gradients_by_vmap)
    return [
        case("torch, one by one", len(alone.structures), lambda: train_one_by_one(alone)),
        case(
            "torch, one by one, [B, B] slip of the published code",
            len(alone.structures),
            lambda: train_one_by_one(alone, log_loss_with_broadcast),
        ),
        case(f"torch.compile, by hand, chunks of {size}", count, by_hand.train),
        Case(
            f"the same, ideal of {torch.get_num_threads()} processes of one thread",
            lambda: ideal_of_processes(lambda: single.train().seconds) / (epochs * count),
        ),
        case(f"torch.compile, torch.func.vmap, chunks of {size}", count, by_vmap.train),
    ]
