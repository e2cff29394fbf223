"""Training and evaluation of relational message passing as plain data, for programs to be timed.

The model is RED-GNN ("Knowledge Graph Reasoning with Relational Digraph", WWW 2022) as in
`RelationalWork`. Every program computes the same numbers from it, up to rounding.
"""

import dataclasses

import numpy as np

# Of Adam, the published choice and the default of PyTorch and optax.
BETAS = (0.9, 0.999)
EPSILON = 1e-8


@dataclasses.dataclass(frozen=True)
class RelationalWork:
    """What is to be trained, one step per batch of queries. There is no dropout.

    Entities are numbered 0..N-1. Of the relations 0..2R, those from R on are the inverses of the
    first R, and 2R is the identity. In layer l, with `act` and the layer's parameters,

        alpha = sigmoid(out . relu(h_s W_s + w_r W_r + w_q W_q + bias) + out_bias)
        S_o   = sum over edges (s, r, o) with s reached of alpha (h_s + w_r)
        h_o   = GRU(act(S_o W), h_o before, or 0)

    and an entity's score after the last layer is h . score, or 0 where it was not reached. The loss
    is the sum over a batch of -s_answer + logsumexp over all N scores. Adam's weight decay is added
    to the gradient.

    Parameters by name, float32, with D units, A units of attention, and L layers: "relation"
    [L, 2R+1, D]; "attention_source", "attention_relation", "attention_query" [L, D, A];
    "attention_bias", "attention_out" [L, A]; "attention_out_bias" [L]; "message" [L, D, D];
    "gate_input", "gate_hidden" [D, 3D] and "gate_input_bias", "gate_hidden_bias" [3D], in the order
    reset, update, new; "score" [D].

    Attributes:
        num_entities: N.
        num_relations: R.
        edges: int32[E, 3], head, relation in 0..2R, tail; with the inverses and with the identity
            edge of every entity.
        heads: int32[S, B], of the queries of each step.
        relations: int32[S, B], in 0..2R-1.
        tails: int32[S, B], the answers.
        parameters: what to start from.
        activation: "identity", "relu" or "tanh".
        learning_rate: of Adam.
        weight_decay: of Adam.
    """

    num_entities: int
    num_relations: int
    edges: np.ndarray
    heads: np.ndarray
    relations: np.ndarray
    tails: np.ndarray
    parameters: dict[str, np.ndarray]
    activation: str
    learning_rate: float = 1e-3
    weight_decay: float = 1e-4

    @property
    def num_layers(self) -> int:
        """L."""
        return len(self.parameters["relation"])

    @property
    def width(self) -> int:
        """D."""
        return len(self.parameters["score"])

    @property
    def edge_kinds(self) -> int:
        """Relations with inverses and identity, 2R + 1."""
        return 2 * self.num_relations + 1


@dataclasses.dataclass(frozen=True)
class RelationalOutcome:
    """How long training took, and where it came to.

    Attributes:
        seconds_per_step: of wall time, the mean over the steps.
        losses: float64[S], before each step.
        parameters: float32 arrays at the end, by name, as in `RelationalWork`.
    """

    seconds_per_step: float
    losses: np.ndarray
    parameters: dict[str, np.ndarray]


@dataclasses.dataclass(frozen=True)
class RankingWork:
    """A batch of queries, each of whose answers are to be ranked.

    Attributes:
        heads: int32[B].
        relations: int32[B], in 0..2R-1.
        answers: int[answers] of each query, the entities to rank.
        known: int[known] of each query, the entities that are no competitors; holds the answers.
    """

    heads: np.ndarray
    relations: np.ndarray
    answers: tuple[np.ndarray, ...]
    known: tuple[np.ndarray, ...]


@dataclasses.dataclass(frozen=True)
class RankingOutcome:
    """How long scoring and ranking took, and what came out.

    Attributes:
        seconds: of wall time.
        scores: float32[B, N].
        ranks: float64, of the answers of the first query in ascending order, then of the second...
    """

    seconds: float
    scores: np.ndarray
    ranks: np.ndarray
