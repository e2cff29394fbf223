"""The data of a run that reasons over graphs, and how they are recorded."""

from __future__ import annotations

import hashlib
from collections.abc import Mapping
from typing import Any

from kapl_jax.data.reasoning import ReasoningData, load_reasoning_data
from kapl_jax.methods.graphs import describe_graph
from kapl_jax.methods.settings import GraphSettings

# Recorded of a pair only.
_SECOND = "inductive_entities"


def load_data(settings: GraphSettings, config: Mapping[str, Any]) -> ReasoningData:
    """Return the graph that the settings name, or the pair.

    Args:
        settings: Of a run.
        config: What the run recorded, nothing if it is to begin. A pair stays one, and a folder
            that came later to lie beside a graph alone makes no pair of it.

    Raises:
        UserError: The data cannot be used, or the second graph of the run's pair is gone.
    """
    recorded = config.get("dataset")
    pair = _SECOND in recorded if isinstance(recorded, Mapping) and recorded else None
    return load_reasoning_data(
        settings.dataset, settings.data_dir or None, settings.unseen_entities, pair
    )


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
