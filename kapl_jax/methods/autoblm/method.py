"""AutoBLM as a value."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any, cast

import numpy as np

from kapl_jax.data.knowledge_graph import KnowledgeGraph, load_knowledge_graph
from kapl_jax.data.registry import GRAPHS
from kapl_jax.evaluation.patterns import metrics_by_pattern, metrics_by_relation, relation_patterns
from kapl_jax.methods.autoblm.answers import AutoBLMAnswerer
from kapl_jax.methods.autoblm.presentation import PRESENTATION
from kapl_jax.methods.autoblm.problem import AutoBLMProblem, TrainingOptions
from kapl_jax.methods.autoblm.settings import AutoBLMSettings, training_options
from kapl_jax.methods.autoblm.space import BlockSpace
from kapl_jax.methods.graph_predictor import GraphPredictor, GraphQuestion
from kapl_jax.methods.method import Method
from kapl_jax.methods.results import Finished


def _load(settings: AutoBLMSettings, config: Mapping[str, Any]) -> KnowledgeGraph:
    del config
    return load_knowledge_graph(
        settings.dataset, settings.data_dir or None, settings.unseen_entities
    )


def _summary(finished: Finished) -> dict[str, Any]:
    """Return test metrics by relation and by pattern, and the cost of a query."""
    problem = cast(AutoBLMProblem, finished.problem)
    graph: KnowledgeGraph = problem.graph
    ranks = problem.ranks("test", finished.test_values())
    patterns = relation_patterns(graph.training_triples, graph.num_relations)
    return {
        "best": {"embedding_dim": problem.options.embedding_dim},
        "by_relation": metrics_by_relation(ranks, graph.test, patterns, graph.relations),
        "by_pattern": metrics_by_pattern(ranks, graph.test, patterns),
        "flops_per_query": flops_per_query(
            problem.options, finished.best.structure, graph.num_entities
        ),
    }


def flops_per_query(options: TrainingOptions, candidate: np.ndarray, num_entities: int) -> float:
    """Return the floating-point operations that answering one query takes.

    Two for each cell of the structure and coordinate of a block, and two for each coordinate of
    each entity's score.
    """
    block = options.embedding_dim // len(candidate)
    cells = int(np.count_nonzero(candidate))
    return 2.0 * cells * block + 2.0 * num_entities * options.embedding_dim


AUTOBLM = Method(
    name="autoblm",
    settings=AutoBLMSettings,
    kind=GRAPHS,
    load=_load,
    space=lambda settings: BlockSpace(settings.num_blocks),
    options=training_options,
    problem=AutoBLMProblem,
    summary=_summary,
    predictor=lambda model: GraphPredictor(AutoBLMAnswerer(model)),
    predicts=GraphQuestion,
    presentation=PRESENTATION,
    embedded="umls",
)
