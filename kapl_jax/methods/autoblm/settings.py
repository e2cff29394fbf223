"""Every setting of AutoBLM, with its default and meaning."""

from __future__ import annotations

import dataclasses

import numpy as np

from kapl_jax.bilinear.presets import preset, preset_names
from kapl_jax.bilinear.structures import parse_structure
from kapl_jax.errors import UserError
from kapl_jax.methods.autoblm.problem import TrainingOptions
from kapl_jax.methods.settings import GraphSettings
from kapl_jax.runs.settings import setting

# What has no meaning without a relaxed structure is not offered.
SEARCHERS = ["random", "progressive", "evolutionary", "one_shot", "decoupled"]

# How far tuning goes from the given hyperparameters: factors, drawn log-uniformly.
_LEARNING_RATE_FACTOR = 3.0
_REGULARISATION_FACTOR = 10.0
_SLOWEST_DECAY = 0.98


@dataclasses.dataclass(frozen=True)
class AutoBLMSettings(GraphSettings):
    """The settings of one AutoBLM run; the program's flags are made from them."""

    dataset: str = setting("umls", "Registered graph (umls, kinships, WN18RR, ...) or a folder.")
    workdir: str = setting(
        "runs/autoblm", "Run directory; continued if it exists.", path=True, identity=False
    )
    searcher: str = setting("evolutionary", "How structures are proposed.", choices=SEARCHERS)
    candidates: int = setting(256, "Structures to train in the search, at least.", low=1)
    structure: str = setting(
        "", "Skip the search: preset names or structures like '1 0; 0 2', separated by '|'."
    )

    num_blocks: int = setting(4, "K, blocks of an embedding.", low=2, high=5)
    embedding_dim: int = setting(64, "Embedding dimension in the search.", low=2, high=65_536)
    batch_size: int = setting(256, "Triples in a batch.", low=1, high=2**20)
    optimizer: str = setting("adagrad", "Optimizer.", choices=["adagrad", "adam"])
    learning_rate: float = setting(0.3, "Learning rate of the first epoch.", low=1e-8, high=100)
    decay: float = setting(0.99, "Factor on the learning rate after each epoch.", low=0.1, high=1)
    regulariser: str = setting("n3", "Penalty on embeddings.", choices=["l2", "n3"])
    penalised: str = setting(
        "all", "Penalised embeddings: the relation's or all three.", choices=["relation", "all"]
    )
    regularisation: float = setting(2e-2, "Weight of the penalty, a triple.", low=0, high=1e4)
    dropout: float = setting(0.0, "Dropout rate on the queries.", low=0, high=0.9)
    unit_ball: bool = setting(False, "Project entity embeddings onto the unit ball.")
    reciprocal: bool = setting(False, "Ask heads through reciprocal relations.")
    negatives: int = setting(0, "Entities drawn for a sampled softmax; 0: full softmax.", low=0)

    tuning_dropout: float = setting(0.0, "Largest dropout rate tried.", low=0, high=0.9)
    final_embedding_dim: int = setting(
        128, "Embedding dimension in tuning and at the end.", low=2, high=65_536
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
        self.given_structures()
        self.preset_names()

    def given_structures(self) -> dict[str, list[list[int]]]:
        """Return the structures of --structure by name, in order; empty for a search."""
        given = [part.strip() for part in self.structure.split("|") if part.strip()]
        named = {}
        for number, text in enumerate(given, start=1):
            is_name = text[0].isalpha()
            array = (
                _preset_of_flag("structure", text, self.num_blocks)
                if is_name
                else parse_structure(text, "--structure")
            )
            if len(array) != self.num_blocks:
                raise UserError(
                    f"--structure={text!r}: found {len(array)} blocks, expected "
                    f"--num_blocks={self.num_blocks}"
                )
            named[text if is_name else f"given-{number}"] = array.tolist()
        return named

    def preset_names(self) -> tuple[str, ...]:
        """Return the presets to compare with."""
        if self.presets in ("all", "none"):
            return preset_names(self.num_blocks) if self.presets == "all" else ()
        names = tuple(name.strip() for name in self.presets.split(",") if name.strip())
        for name in names:
            _preset_of_flag("presets", name, self.num_blocks)
        return names

    def search_options(self) -> TrainingOptions:
        """Return the training options of the search."""
        return self._options(self.embedding_dim, self.dropout > 0)

    def final_options(self) -> TrainingOptions:
        """Return the training options of tuning and of the last stage."""
        return self._options(self.final_embedding_dim, self._may_drop)

    def base_hyperparameters(self) -> dict[str, float]:
        """Return the hyperparameters of the search."""
        return {
            "learning_rate": self.learning_rate,
            "regularisation": self.regularisation,
            "decay": self.decay,
            "dropout": self.dropout,
        }

    def varied_hyperparameters(self, rng: np.random.Generator) -> dict[str, float]:
        """Return hyperparameters around those of the search; see `SearchSettings`."""
        base = self.base_hyperparameters()
        rate, penalty, decay, dropout = rng.uniform(-1, 1, 4)
        return {
            "learning_rate": base["learning_rate"] * _LEARNING_RATE_FACTOR**rate,
            "regularisation": base["regularisation"] * _REGULARISATION_FACTOR**penalty,
            "decay": 1.0 - (1.0 - _SLOWEST_DECAY) * (decay + 1) / 2,
            "dropout": max(base["dropout"], self.tuning_dropout * (dropout + 1) / 2),
        }

    @property
    def _may_drop(self) -> bool:
        return self.dropout > 0 or (self.tuning_samples > 1 and self.tuning_dropout > 0)

    def _options(self, embedding_dim: int, dropout: bool) -> TrainingOptions:
        return TrainingOptions(
            embedding_dim=embedding_dim,
            batch_size=self.batch_size,
            optimizer=self.optimizer,
            regulariser=self.regulariser,
            penalised=self.penalised,
            unit_ball=self.unit_ball,
            reciprocal=self.reciprocal,
            negatives=self.negatives,
            dropout=dropout,
            precision=self.precision,
        )


def _preset_of_flag(flag: str, name: str, num_blocks: int) -> np.ndarray:
    try:
        return preset(name, num_blocks)
    except UserError as error:
        raise UserError(f"--{flag}: {error}") from None
