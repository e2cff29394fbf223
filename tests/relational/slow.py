"""Message passing once more, in NumPy: one query, one edge, one entity after the other."""

from __future__ import annotations

import math
from collections import Counter
from collections.abc import Mapping
from dataclasses import dataclass, field

import numpy as np

Table = Mapping[str, np.ndarray]
Edge = tuple[int, int, int]


@dataclass(frozen=True)
class MadeOf:
    """What the layers of a slow model are made of, by name."""

    activation: str = "relu"
    message: str = "sum"
    aggregation: str = "sum"
    gate: str = "on"
    attention_dim: int = 5


@dataclass
class Passed:
    """What became of one query.

    Attributes:
        scores: float64[N]; 0 for what is not reached.
        reached: The entities that messages reach in the last layer.
        attention: Of each layer, the weight of each edge that a message travels; an edge that comes
            twice has one weight.
    """

    scores: np.ndarray
    reached: set[int]
    attention: list[dict[Edge, float]] = field(default_factory=list)


def slow_edges(triples: np.ndarray, num_entities: int, num_relations: int) -> list[Edge]:
    """Return each triple as it is and inverted, and an edge of each entity to itself."""
    edges = []
    for head, relation, tail in np.asarray(triples).reshape(-1, 3).tolist():
        edges.append((head, relation, tail))
        edges.append((tail, relation + num_relations, head))
    return edges + [(entity, 2 * num_relations, entity) for entity in range(num_entities)]


def slow_pass(
    parameters: Table, made_of: MadeOf, edges: list[Edge], num_entities: int, query: tuple[int, int]
) -> Passed:
    """Pass messages for a query (head, relation) through all layers.

    Args:
        parameters: As `RelationalModel` names them, float64.
        made_of: What the layers are made of.
        edges: Source, relation, target.
        num_entities: N.
        query: Head and relation.
    """
    head, asked = query
    width = parameters["score"].shape[0]
    states = {head: _start(parameters, made_of.message, width, asked)}
    identity = parameters["relation"].shape[1] - 1
    degrees = Counter(source for source, _, _ in edges)
    logs = [math.log(1 + degrees[entity]) for entity in range(num_entities)]
    mean_log_degree = sum(logs) / num_entities
    attention = []
    for number in range(len(parameters["relation"])):
        layer = {
            name: table if name.startswith(("gate_", "score", "query")) else table[number]
            for name, table in parameters.items()
        }
        weights: dict[Edge, float] = {}
        arrived: dict[int, list[np.ndarray]] = {}
        for source, relation, target in edges:
            if source not in states:
                continue
            weight = _attention(layer, made_of.attention_dim, states[source], relation, asked)
            if made_of.message.endswith("_product") and relation == identity:
                sent = parameters["query"][asked] * (source == head)
            else:
                sent = _message(layer, made_of.message, states[source], relation, asked)
            weights[source, relation, target] = weight
            arrived.setdefault(target, []).append(weight * sent)
        nothing = np.zeros(width)
        states = {
            entity: _state(layer, made_of, messages, states.get(entity, nothing), mean_log_degree)
            for entity, messages in arrived.items()
        }
        attention.append(weights)
    scores = np.zeros(num_entities)
    for entity, state in states.items():
        scores[entity] = state @ parameters["score"]
    return Passed(scores, set(states), attention)


def slow_loss(scores: np.ndarray, answer: int) -> float:
    """Return minus the logarithm of the softmax over all entities."""
    largest = scores.max()
    return float(np.log(np.exp(scores - largest).sum()) + largest - scores[answer])


def _start(parameters: Table, message: str, width: int, asked: int) -> np.ndarray:
    if message.endswith("_product"):
        return parameters["query"][asked]
    if message == "product":
        return np.ones(width)
    if message == "rotation":
        return np.append(np.ones(width // 2), np.zeros(width // 2))
    return np.zeros(width)


def _attention(layer: Table, units: int, state: np.ndarray, relation: int, asked: int) -> float:
    if units == 0:
        return 1.0
    total = layer["attention_out_bias"]
    for unit in range(units):
        hidden = (
            state @ layer["attention_source"][:, unit]
            + layer["relation"][relation] @ layer["attention_relation"][:, unit]
            + layer["relation"][asked] @ layer["attention_query"][:, unit]
            + layer["attention_bias"][unit]
        )
        total = total + layer["attention_out"][unit] * max(hidden, 0.0)
    return float(_sigmoid(total))


def _message(layer: Table, kind: str, state: np.ndarray, number: int, asked: int) -> np.ndarray:
    relation = layer["relation"][number]
    if kind == "sum":
        return state + relation
    if kind == "conditioned_product":
        matrix = layer["relation_of_query"][number]
        relation = relation + np.array([layer["query"][asked] @ column for column in matrix.T])
    if kind.endswith("product"):
        return state * relation
    half = len(state) // 2
    phase = np.arctan2(relation[half:], relation[:half])
    turned = (state[:half] + 1j * state[half:]) * np.exp(1j * phase)
    return np.append(turned.real, turned.imag)


def _state(
    layer: Table,
    made_of: MadeOf,
    messages: list[np.ndarray],
    previous: np.ndarray,
    mean_log_degree: float,
) -> np.ndarray:
    if made_of.aggregation == "pna":
        x = _principal(messages, mean_log_degree) @ layer["pna"]
    else:
        aggregate = {"sum": np.sum, "mean": np.mean, "max": np.max}[made_of.aggregation]
        x = aggregate(messages, axis=0) @ layer["message"]
    if made_of.gate == "concat":
        both = x + previous @ layer["concat_state"] + layer["concat_bias"]
        normal = (both - both.mean()) / np.sqrt(both.var() + 1e-5)
        x = normal * layer["norm_scale"] + layer["norm_bias"]
    x = {"identity": x, "relu": np.maximum(x, 0.0), "tanh": np.tanh(x)}[made_of.activation]
    if made_of.gate == "on":
        return _gru(layer, x, previous)
    return x + previous if made_of.gate == "concat" else x


def _principal(messages: list[np.ndarray], mean_log_degree: float) -> np.ndarray:
    """Return PNA's twelve features: four statistics, and each times and over the amount."""
    mean = np.mean(messages, axis=0)
    deviation = np.sqrt(np.maximum(np.var(messages, axis=0), 1e-6))
    four = np.concatenate([mean, np.max(messages, axis=0), np.min(messages, axis=0), deviation])
    amount = math.log(1 + len(messages)) / mean_log_degree
    return np.concatenate([four, four * amount, four / amount])


def _gru(layer: Table, x: np.ndarray, previous: np.ndarray) -> np.ndarray:
    width = len(x)
    of_input = x @ layer["gate_input"] + layer["gate_input_bias"]
    of_state = previous @ layer["gate_hidden"] + layer["gate_hidden_bias"]
    reset = _sigmoid(of_input[:width] + of_state[:width])
    update = _sigmoid(of_input[width : 2 * width] + of_state[width : 2 * width])
    new = np.tanh(of_input[2 * width :] + reset * of_state[2 * width :])
    return (1 - update) * new + update * previous


def _sigmoid(x: np.ndarray) -> np.ndarray:
    return 1 / (1 + np.exp(-x))
