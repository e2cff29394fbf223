"""Every setting of AutoBLM, with its default and meaning."""

from __future__ import annotations

import dataclasses

import numpy as np

from kapl_jax.errors import UserError
from kapl_jax.methods.autoblm.problem import TrainingOptions
from kapl_jax.methods.settings import GraphSettings, SearchSettings, between, inherited, log
from kapl_jax.runs.settings import setting

# What has no meaning without a relaxed structure is not offered.
SEARCHERS = ["random", "progressive", "evolutionary", "one_shot", "decoupled"]


def _up_to_tuning_dropout(settings: SearchSettings, value: float, at: float) -> float:
    """Vary dropout from the search's rate to --tuning_dropout."""
    assert isinstance(settings, AutoBLMSettings)
    return max(value, settings.tuning_dropout * (at + 1) / 2)


@dataclasses.dataclass(frozen=True)
class AutoBLMSettings(GraphSettings):
    """The settings of one AutoBLM run; the program's flags are made from them."""

    dataset: str = setting("umls", "Registered graph (umls, kinships, WN18RR, ...) or a folder.")
    workdir: str = inherited("workdir", "runs/autoblm")
    searcher: str = inherited("searcher", "evolutionary", choices=SEARCHERS)
    candidates: int = inherited("candidates", 256)
    structure: str = setting(
        "", "Skip the search: preset names or structures like '1 0; 0 2', separated by '|'."
    )

    num_blocks: int = setting(4, "Number K of blocks per embedding.", low=2, high=5)
    embedding_dim: int = setting(64, "Embedding dimension in the search.", low=2, high=65_536)
    batch_size: int = setting(256, "Triples per batch.", low=1, high=2**20)
    optimizer: str = setting("adagrad", "Optimizer.", choices=["adagrad", "adam"])
    learning_rate: float = setting(
        0.3, "Learning rate of the first epoch.", low=1e-8, high=100, tuned=log(3.0)
    )
    regularisation: float = setting(
        2e-2, "Weight of the penalty per triple.", low=0, high=1e4, tuned=log(10.0)
    )
    decay: float = setting(
        0.99,
        "Factor that multiplies the learning rate after each epoch.",
        low=0.1,
        high=1,
        tuned=between(1.0, 0.98),
    )
    dropout: float = setting(
        0.0, "Dropout rate on the queries.", low=0, high=0.9, tuned=_up_to_tuning_dropout
    )
    regulariser: str = setting("n3", "Penalty on embeddings.", choices=["l2", "n3"])
    penalised: str = setting(
        "all",
        "Which embeddings are penalised: the relation's, or all three of a triple.",
        choices=["relation", "all"],
    )
    unit_ball: bool = setting(False, "Project entity embeddings onto the unit ball.")
    reciprocal: bool = setting(False, "Ask for heads through reciprocal relations.")
    negatives: int = setting(
        0, "Entities drawn per batch for a sampled softmax; 0: the full softmax.", low=0
    )

    tuning_dropout: float = setting(0.0, "Largest dropout rate tried in tuning.", low=0, high=0.9)
    final_embedding_dim: int = setting(
        128, "Embedding dimension in tuning and in the final stage.", low=2, high=65_536
    )

    def __post_init__(self) -> None:
        """Check every value.

        Raises:
            UserError: A value is out of range or does not fit another.
        """
        super().__post_init__()
        for name in ("embedding_dim", "final_embedding_dim"):
            if getattr(self, name) % self.num_blocks:
                raise UserError(
                    f"--{name}={getattr(self, name)}: expected a multiple of "
                    f"--num_blocks={self.num_blocks}"
                )


def training_options(
    settings: AutoBLMSettings, structure: np.ndarray, final: bool
) -> TrainingOptions:
    """Return what is fixed for the program of a structure; see `Method.options`."""
    del structure
    may_drop = settings.tuning_samples > 1 and settings.tuning_dropout > 0
    return TrainingOptions(
        embedding_dim=settings.final_embedding_dim if final else settings.embedding_dim,
        batch_size=settings.batch_size,
        optimizer=settings.optimizer,
        regulariser=settings.regulariser,
        penalised=settings.penalised,
        unit_ball=settings.unit_ball,
        reciprocal=settings.reciprocal,
        negatives=settings.negatives,
        dropout=settings.dropout > 0 or (final and may_drop),
        precision=settings.precision,
    )
