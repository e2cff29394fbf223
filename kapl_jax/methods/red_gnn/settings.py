"""Every setting of RED-GNN, with its default and meaning."""

from __future__ import annotations

import dataclasses
from typing import Any

import numpy as np

from kapl_jax.errors import UserError
from kapl_jax.methods.red_gnn.problem import RedGNNOptions
from kapl_jax.methods.red_gnn.space import (
    NAMED,
    NAMES,
    NUMBERS,
    PUBLISHED,
    ReasoningSpace,
    Structure,
    narrowed,
    offered_by,
    parse_choices,
    parse_structure,
)
from kapl_jax.methods.settings import GraphSettings, between, inherited, log
from kapl_jax.runs.settings import setting


@dataclasses.dataclass(frozen=True)
class RedGNNSettings(GraphSettings):
    """The settings of one RED-GNN run; the program's flags are made from them."""

    dataset: str = setting(
        "umls",
        "Registered graph (umls, family, WN18RR_v1, ...) or a folder; with X_ind beside X an "
        "inductive pair.",
    )
    workdir: str = inherited("workdir", "runs/red_gnn")
    searcher: str = inherited("searcher", "evolutionary", choices=["random", "evolutionary"])
    candidates: int = inherited("candidates", 32)
    round_size: int = inherited("round_size", 16)
    structure: str = setting(
        PUBLISHED,
        "Skip the search: 'published', 'nbfnet' or structures like 'message=product, "
        "num_layers=3', separated by '|'; empty: search.",
    )
    epochs: int = inherited("epochs", 10)
    evaluate_search_every: int = inherited("evaluate_search_every", 2)
    finalists: int = inherited("finalists", 3)
    presets: str = inherited(
        "presets", "all", meaning="Compare a search with the published structure: 'all' or 'none'."
    )
    tuning_samples: int = inherited("tuning_samples", 1)
    final_epochs: int = inherited("final_epochs", 50)
    evaluate_every: int = inherited("evaluate_every", 1)

    activation: str = setting("relu", "Activation of a layer.", choices=NAMED["activation"])
    message: str = setting(
        "sum",
        "How the state of an edge's source and its relation make a message.",
        choices=NAMED["message"],
    )
    aggregation: str = setting(
        "sum",
        "How messages that arrive at the same entity are combined.",
        choices=NAMED["aggregation"],
    )
    gate: str = setting(
        "on",
        "How the old state of an entity is kept: by a GRU (on), not at all (off), by a "
        "linear map (concat).",
        choices=NAMED["gate"],
    )
    attention_dim: int = setting(
        5, "Width of the attention; 0: none.", low=0, high=NUMBERS["attention_dim"][1]
    )
    num_layers: int = setting(
        4,
        "Number L of layers, which are steps from the query's entity.",
        low=1,
        high=NUMBERS["num_layers"][1],
    )
    hidden_dim: int = setting(48, "Width of the states.", low=1, high=NUMBERS["hidden_dim"][1])
    search_activations: str = setting(
        "identity,relu,tanh", "Activations to search among, separated by commas."
    )
    search_messages: str = setting(
        "sum,product,rotation", "Messages to search among, separated by commas."
    )
    search_aggregations: str = setting(
        "sum,mean,max", "Aggregations to search among, separated by commas."
    )
    search_gates: str = setting("on,off", "Gates to search among, separated by commas.")
    search_attention_dims: str = setting(
        "3,5,8", "Widths of the attention to search among, separated by commas."
    )
    search_layers: str = setting("", "Numbers of layers to search among; empty: --num_layers.")
    search_hidden_dims: str = setting(
        "", "Widths of the states to search among; empty: --hidden_dim."
    )

    batch_size: int = setting(20, "Queries per batch in training.", low=1, high=2**20)
    evaluation_batch_size: int = setting(
        50, "Distinct queries per batch in evaluation.", low=1, high=2**20
    )
    fact_share: float = setting(
        0.75,
        "Share of the training triples that are edges in each epoch; the others are queries. "
        "Allowed: more than 0, less than 1.",
    )
    learning_rate: float = setting(
        2e-3, "Learning rate of the first epoch.", low=1e-8, high=10, tuned=log(3.0)
    )
    weight_decay: float = setting(
        1e-4, "Weight decay, added to the gradient.", low=0, high=1e4, tuned=log(10.0)
    )
    decay: float = setting(
        0.99,
        "Factor that multiplies the learning rate after each epoch.",
        low=0.1,
        high=1,
        tuned=between(1.0, 0.99),
    )
    dropout: float = setting(
        0.1, "Dropout rate of a layer.", low=0, high=0.9, tuned=between(0.0, 0.5)
    )
    top_k: int = setting(
        0,
        "Nodes that each query adds per layer, the best by a learned score (AdaProp); 0: all.",
        low=0,
    )
    most_edges: int = setting(
        32768, "Most edges per query and layer, with --top_k.", low=1, high=(1 << 24) - 1
    )
    explained_answers: int = setting(
        500,
        "Right validation answers whose paths are turned into rules at the end; 0: no "
        "explanations.",
        low=0,
    )
    example_answers: int = setting(4, "Test answers whose paths the report shows.", low=1)
    regime: str = setting(
        "auto",
        "Whether messages pass between all entities (dense) or only over what the queries "
        "reach (frontier); auto: dense for small graphs.",
        choices=["auto", "dense", "frontier"],
    )

    def __post_init__(self) -> None:
        """Check every value.

        Raises:
            UserError: A value is out of range or does not fit another.
        """
        super().__post_init__()
        if not 0 < self.fact_share < 1:
            raise UserError(
                f"--fact_share={self.fact_share}: expected more than 0 and less than 1, so that "
                "there are edges and queries"
            )
        if self.top_k and self.regime != "auto":
            raise UserError(
                f"--regime={self.regime}: given with --top_k, which has a regime of its own; "
                "expected --regime=auto"
            )
        self._check_sizes()

    def published(self) -> Structure:
        """Return the structure of the single flags, by default the published one."""
        return {name: getattr(self, name) for name in NAMES}

    def space(self) -> ReasoningSpace:
        """Return the space of the run: what is searched among, or what is given."""
        base = self.published()
        fixed = [*self._given(), *([] if self.presets == "none" else [base])]
        axes = {name: tuple(dict.fromkeys(one[name] for one in fixed)) for name in NAMES}
        if not self.structure:
            searched = self._searched_axes()
            axes = {name: tuple(dict.fromkeys((*searched[name], *axes[name]))) for name in NAMES}
        return ReasoningSpace(NAMES, tuple(axes[name] for name in NAMES), base)

    def _given(self) -> list[Structure]:
        base = self.published()
        given = [part.strip() for part in self.structure.split("|") if part.strip()]
        return [parse_structure(text, base, "--structure") for text in given]

    def _searched_axes(self) -> dict[str, tuple[str | int, ...]]:
        flags: dict[str, Any] = {
            "activation": "search_activations",
            "message": "search_messages",
            "aggregation": "search_aggregations",
            "gate": "search_gates",
            "attention_dim": "search_attention_dims",
            "num_layers": "search_layers",
            "hidden_dim": "search_hidden_dims",
        }
        texts = {
            name: getattr(self, flag) or str(getattr(self, name)) for name, flag in flags.items()
        }
        return {name: parse_choices(texts[name], name, f"--{flags[name]}") for name in NAMES}

    def _check_sizes(self) -> None:
        axes = dict(zip(NAMES, self.space().axes, strict=True))
        odd = [width for width in axes["hidden_dim"] if int(width) % 2]
        if odd and "rotation" in axes["message"]:
            raise UserError(
                f"--hidden_dim, --search_hidden_dims, --structure: found the odd width {odd[0]}, "
                "expected even widths, which messages by rotation need"
            )


def reasoning_options(
    settings: RedGNNSettings, structure: np.ndarray, final: bool
) -> RedGNNOptions:
    """Return what is fixed for programs of a structure's depth and width; see `Method.options`.

    Few structures train long at the end: there a program knows their message and aggregation only,
    since others cost several times as much.
    """
    space = settings.space()
    chosen, offered = space.values(structure), offered_by(space)
    return RedGNNOptions(
        num_layers=int(chosen["num_layers"]),
        hidden_dim=int(chosen["hidden_dim"]),
        offered=narrowed(offered, chosen) if final else offered,
        batch_size=settings.batch_size,
        fact_share=settings.fact_share,
        dropout=settings.dropout > 0 or settings.tuning_samples > 1,
        regime=settings.regime,
        top_k=settings.top_k,
        most_edges=settings.most_edges,
        data_seed=settings.seed,
    )
