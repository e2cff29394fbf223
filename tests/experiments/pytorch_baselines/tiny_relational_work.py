"""Relational work on a tiny graph with all that is awkward, and its slow forward pass."""

import numpy as np

from experiments.pytorch_baselines.relational_work import RankingWork, RelationalWork

_ENTITIES, _RELATIONS, _WIDTH, _ATTENTION = 12, 2, 6, 3
# Multi-edges, one of them twice by the same relation; a self-loop; two components; entities 10 and
# 11 alone.
_TRIPLES = np.array(
    [(0, 0, 1), (0, 0, 1), (0, 1, 1), (1, 0, 2), (2, 1, 2), (2, 0, 3), (3, 1, 0), (1, 1, 4),
     (4, 0, 5), (4, 0, 6), (7, 0, 8), (8, 1, 9)]
)  # fmt: skip


def tiny_relational_work(activation: str = "tanh", steps: int = 3, layers: int = 3):
    """Work with random parameters; some answers cannot be reached."""
    rng = np.random.default_rng(0)
    edges = _edges(_TRIPLES)
    queries = (steps, 5)
    heads = rng.integers(0, 10, queries).astype(np.int32)
    heads[:, 0], tails = 0, rng.integers(0, _ENTITIES, queries).astype(np.int32)
    tails[:, 0], tails[:, 1] = 11, 2
    return RelationalWork(
        num_entities=_ENTITIES,
        num_relations=_RELATIONS,
        edges=edges,
        heads=heads,
        relations=rng.integers(0, 2 * _RELATIONS, queries).astype(np.int32),
        tails=tails,
        parameters=_parameters(rng, layers),
        activation=activation,
        learning_rate=0.01,
        weight_decay=0.1,
    )


def tiny_ranking_work():
    """Queries of several answers each, none of which tie with what is known."""
    return RankingWork(
        heads=np.array([0, 4, 7], np.int32),
        relations=np.array([0, 3, 1], np.int32),
        answers=(np.array([2, 1]), np.array([6]), np.array([8, 11])),
        known=(np.array([1, 2, 4]), np.array([6]), np.array([8, 9, 11])),
    )


def _edges(triples):
    inverse = triples[:, ::-1] + [0, _RELATIONS, 0]
    entities = np.arange(_ENTITIES)
    identity = np.stack([entities, np.full(_ENTITIES, 2 * _RELATIONS), entities], 1)
    return np.concatenate([triples, inverse, identity]).astype(np.int32)


def _parameters(rng, layers):
    width, inner = _WIDTH, _ATTENTION
    shapes = {
        "relation": (layers, 2 * _RELATIONS + 1, width),
        "attention_source": (layers, width, inner),
        "attention_relation": (layers, width, inner),
        "attention_query": (layers, width, inner),
        "attention_bias": (layers, inner),
        "attention_out": (layers, inner),
        "attention_out_bias": (layers,),
        "message": (layers, width, width),
        "gate_input": (width, 3 * width),
        "gate_hidden": (width, 3 * width),
        "gate_input_bias": (3 * width,),
        "gate_hidden_bias": (3 * width,),
        "score": (width,),
    }
    return {name: (rng.normal(size=shape) / 2).astype(np.float32) for name, shape in shapes.items()}


def slow_scores(work, parameters, head, relation):
    """The scores float64[N] of one query, edge by edge."""
    p = {name: array.astype(np.float64) for name, array in parameters.items()}
    states = {head: np.zeros(work.width)}
    for layer in range(work.num_layers):
        own = {name: array[layer] for name, array in p.items() if len(array) == work.num_layers}
        asked = own["relation"][relation] @ own["attention_query"] + own["attention_bias"]
        sums = {}
        for s, r, o in work.edges.tolist():
            if s not in states:
                continue
            w = own["relation"][r]
            inner = states[s] @ own["attention_source"] + w @ own["attention_relation"] + asked
            logit = np.maximum(inner, 0) @ own["attention_out"] + own["attention_out_bias"]
            sums[o] = sums.get(o, 0) + _sigmoid(logit) * (states[s] + w)
        act = {"identity": lambda x: x, "relu": lambda x: np.maximum(x, 0), "tanh": np.tanh}
        states = {
            o: _gated(p, act[work.activation](total @ own["message"]), states.get(o))
            for o, total in sums.items()
        }
    scores = np.zeros(work.num_entities)
    for entity, state in states.items():
        scores[entity] = state @ p["score"]
    return scores


def _gated(p, inputs, before):
    before = np.zeros_like(inputs) if before is None else before
    of_input = np.split(inputs @ p["gate_input"] + p["gate_input_bias"], 3)
    of_state = np.split(before @ p["gate_hidden"] + p["gate_hidden_bias"], 3)
    reset, keep = (_sigmoid(of_input[i] + of_state[i]) for i in range(2))
    new = np.tanh(of_input[2] + reset * of_state[2])
    return (1 - keep) * new + keep * before


def _sigmoid(x):
    return 1 / (1 + np.exp(-x))


def slow_loss(work, parameters, step):
    """The loss of a step's batch."""
    total = 0.0
    for head, relation, tail in zip(
        work.heads[step], work.relations[step], work.tails[step], strict=True
    ):
        scores = slow_scores(work, parameters, head, relation)
        total += np.log(np.sum(np.exp(scores))) - scores[tail]
    return total
