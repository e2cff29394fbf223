"""The contents of results.json: what was found, and what it is worth."""

from __future__ import annotations

import dataclasses
from collections.abc import Mapping, Sequence
from typing import Any

import numpy as np

from kapl_jax.bilinear.algebra import are_equivalent
from kapl_jax.bilinear.presets import preset, preset_names
from kapl_jax.data.knowledge_graph import KnowledgeGraph
from kapl_jax.evaluation.patterns import metrics_by_pattern, metrics_by_relation, relation_patterns
from kapl_jax.explain.formulas import formula_latex, formula_text
from kapl_jax.methods.autoblm.problem import TrainingOptions, flops_per_query
from kapl_jax.methods.contenders import (
    Contender,
    Outcomes,
    best_contender,
    best_line,
    best_seed,
    metrics_of_seeds,
    result_rows,
    score_lines,
)
from kapl_jax.methods.models import ModelStore
from kapl_jax.search.stage import Outcome


def make_results(
    graph: KnowledgeGraph,
    options: TrainingOptions,
    contenders: Sequence[Contender],
    outcomes: Outcomes,
    store: ModelStore,
) -> dict[str, Any]:
    """Summarise the final stage and keep its best model.

    The best contender is the one with the highest mean validation score over seeds; the model
    kept is its best seed by validation. Test figures are reported, never compared.

    Args:
        graph: The graph.
        options: Training options of the final stage.
        contenders: What was compared.
        outcomes: The outcomes of each contender's seeds, by name.
        store: Where the trained models are.
    """
    rows = {one.name: _row(one, outcomes[one.name], graph, options) for one in contenders}
    best = best_contender(contenders, outcomes)
    seeds = outcomes[best.name]
    description = {key: rows[best.name][key] for key in ("structure", "formula", "hyperparameters")}
    description |= {"name": best.name, "embedding_dim": options.embedding_dim}
    kept = {one.individual.id: store.load(one.individual.id) for one in seeds}
    model = dataclasses.asdict(options)
    chosen = kept[best_seed(seeds).individual.id]["parameters"]
    store.keep_best(chosen, {**description, "options": model})
    return {
        "best": {**description, "latex": formula_latex(best.structure)},
        **result_rows(contenders, outcomes, rows),
        **_by_group(graph, np.stack([one["test_ranks"] for one in kept.values()])),
        "parameters": rows[best.name]["parameters"],
        "flops_per_query": flops_per_query(options, best.structure, graph.num_entities),
    }


def _row(
    contender: Contender,
    outcomes: Sequence[Outcome],
    graph: KnowledgeGraph,
    options: TrainingOptions,
) -> dict[str, Any]:
    relations = graph.num_relations * (2 if options.reciprocal else 1)
    return {
        "structure": contender.structure.tolist(),
        "equivalent_to": _equivalent_presets(contender.structure),
        "formula": formula_text(contender.structure),
        **metrics_of_seeds(outcomes),
        "parameters": options.embedding_dim * (graph.num_entities + relations),
    }


def _equivalent_presets(structure: np.ndarray) -> list[str]:
    """Return the presets that are this structure under other names of blocks and signs."""
    names = preset_names(len(structure))
    return [name for name in names if are_equivalent(structure, preset(name, len(structure)))]


def _by_group(graph: KnowledgeGraph, ranks: np.ndarray) -> dict[str, Any]:
    """Return test metrics by relation and by pattern, averaged over seeds; float32[seeds, 2, Q]."""
    patterns = relation_patterns(graph.training_triples, graph.num_relations)
    return {
        "by_relation": metrics_by_relation(ranks, graph.test, patterns, graph.relations),
        "by_pattern": metrics_by_pattern(ranks, graph.test, patterns),
    }


def describe_results(results: Mapping[str, Any]) -> str:
    """Return a few lines for the terminal: what was found, and how it stands to the presets."""
    best = results.get("best", {})
    equivalent: list[str] = next(
        (
            row.get("equivalent_to", [])
            for row in results.get("searched", [])
            if row.get("name") == best.get("name")
        ),
        [],
    )
    same_as = f", equivalent to {equivalent[0]}" if equivalent else ""
    return "\n".join([best_line(best, same_as), *score_lines(results, "mrr", "MRR", 1.0)])
