"""What a run records about data for reasoning, so that other data are not taken for it."""

from __future__ import annotations

import hashlib
from typing import Any

from kapl_jax.data.reasoning import ReasoningData
from kapl_jax.methods.graphs import describe_graph


def describe_reasoning_data(data: ReasoningData) -> dict[str, Any]:
    """Return name, counts and a digest, in JSON's types.

    A graph alone is described as `describe_graph` does it. For an inductive pair there are also
    `inductive_entities`, `inductive_train`, `inductive_valid` and `inductive_test`, the counts of
    the second graph, and the digest is of both.
    """
    first = describe_graph(data.graph)
    if data.inductive is None:
        return first
    second = describe_graph(data.inductive)
    counts = {f"inductive_{key}": second[key] for key in ("entities", "train", "valid", "test")}
    digest = hashlib.sha256(f"{first['digest']} {second['digest']}".encode()).hexdigest()[:16]
    return {**first, **counts, "digest": digest}
