"""The knowledge graph of a run, and how it is recorded: another one is not taken for it."""

from __future__ import annotations

import hashlib
from typing import Any

from kapl_jax.data.knowledge_graph import KnowledgeGraph, load_knowledge_graph
from kapl_jax.methods.settings import GraphSettings


def load_graph(settings: GraphSettings) -> KnowledgeGraph:
    """Return the graph that the settings name.

    Raises:
        UserError: It cannot be used.
    """
    return load_knowledge_graph(
        settings.dataset, settings.data_dir or None, settings.unseen_entities
    )


def describe_graph(graph: KnowledgeGraph) -> dict[str, Any]:
    """Return name, counts and a digest of the names and triples, in JSON's types.

    The digest tells graphs apart that have the same counts, as two splits of one graph do: their
    entities may be numbered differently, and a model knows entities by number only.
    """
    digest = hashlib.sha256(repr((graph.entities, graph.relations)).encode())
    for triples in (graph.training_triples, graph.valid, graph.test):
        digest.update(triples.tobytes())
    return {
        "name": graph.name,
        "entities": graph.num_entities,
        "relations": graph.num_relations,
        "train": len(graph.training_triples),
        "valid": len(graph.valid),
        "test": len(graph.test),
        "digest": digest.hexdigest()[:16],
    }
