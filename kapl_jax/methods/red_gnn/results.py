"""What RED-GNN reports: models, metrics by relation, pattern and file."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import Any

import numpy as np

from kapl_jax.data.reasoning import ReasoningData
from kapl_jax.evaluation.patterns import metrics_by_pattern, metrics_by_relation, relation_patterns
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
from kapl_jax.methods.red_gnn.problem import mean_metrics
from kapl_jax.methods.red_gnn.settings import RedGNNSettings
from kapl_jax.methods.red_gnn.tasks import Tasks
from kapl_jax.relational.reach import within_reach


def make_results(
    data: ReasoningData,
    tasks: Tasks,
    settings: RedGNNSettings,
    contenders: Sequence[Contender],
    outcomes: Outcomes,
    store: ModelStore,
) -> dict[str, Any]:
    """Summarise the final stage and keep its best model.

    The best contender is the one with the highest mean validation score over seeds; the model kept
    is its best seed by validation. Test figures are reported, never compared.

    Args:
        data: The graph or pair.
        tasks: The tasks made of it.
        settings: Of the run.
        contenders: What was compared.
        outcomes: The outcomes of each contender's seeds, by name.
        store: Where the trained models are.
    """
    space, best = settings.space(), best_contender(contenders, outcomes)
    seeds = outcomes[best.name]
    kept = {one.individual.id: store.load(one.individual.id) for one in seeds}
    chosen = kept[best_seed(seeds).individual.id]["parameters"]
    structure = space.values(best.structure)
    rows = {
        one.name: {
            "structure": space.values(one.structure),
            "formula": space.describe(one.structure),
            **metrics_of_seeds(outcomes[one.name]),
            "parameters": number_of_parameters(space.values(one.structure), tasks.num_relations),
        }
        for one in contenders
    }
    description = {
        "name": best.name,
        "structure": structure,
        "formula": space.describe(best.structure),
        "hyperparameters": rows[best.name]["hyperparameters"],
    }
    limits = {"top_k": settings.top_k, "most_edges": settings.most_edges}
    store.keep_best(chosen, {**description, **limits})
    ranks = np.stack([one["test_ranks"] for one in kept.values()])
    return {
        "best": description,
        **result_rows(contenders, outcomes, rows),
        **_by_group(data, tasks, ranks),
        "reach": _reach(tasks, int(structure["num_layers"])),
        "parameters": rows[best.name]["parameters"],
    }


def number_of_parameters(structure: Mapping[str, Any], num_relations: int) -> int:
    """Return how many numbers a model of this structure learns."""
    layers, hidden = int(structure["num_layers"]), int(structure["hidden_dim"])
    attention, relations = int(structure["attention_dim"]), 2 * num_relations + 1
    layer = relations * hidden + 3 * hidden * attention + 2 * attention + 1 + hidden * hidden
    gate = 6 * hidden * (hidden + 1) if structure["gate"] == "on" else 0
    return layers * layer + gate + hidden


def _reach(tasks: Tasks, num_layers: int) -> dict[str, float]:
    """Return of the validation and test triples the share that messages can answer."""
    asked = {"valid": tasks.valid, "test": tasks.test}
    return {
        name: float(np.mean(within_reach(part.graph, part.triples, num_layers)))
        for name, part in asked.items()
    }


def _by_group(data: ReasoningData, tasks: Tasks, ranks: np.ndarray) -> dict[str, Any]:
    """Return test metrics by relation, pattern and file, of ranks float32[seeds, 2, Q]."""
    graph = data.inductive or data.graph
    patterns = relation_patterns(data.graph.training_triples, data.graph.num_relations)
    triples = tasks.test.triples
    found = {
        "by_relation": metrics_by_relation(ranks, triples, patterns, graph.relations),
        "by_pattern": metrics_by_pattern(ranks, triples, patterns),
    }
    if len(tasks.test_files) > 1:
        found["by_file"] = {
            name: {metric: float(np.mean(values)) for metric, values in _of(ranks, part).items()}
            for name, part in tasks.test_files.items()
        }
    return found


def _of(ranks: np.ndarray, part: np.ndarray) -> dict[str, np.ndarray]:
    return mean_metrics(ranks[:, :, part])


def describe_results(results: Mapping[str, Any]) -> str:
    """Return a few lines for the terminal: what was trained, and how well it answers."""
    best = results.get("best", {})
    lines = [best_line(best), *score_lines(results, "mrr", "MRR", 1.0)]
    if "test" in results.get("reach", {}):
        structure = best.get("structure")
        steps = structure.get("num_layers") if isinstance(structure, Mapping) else None
        within = f"in reach of {steps} steps" if steps else "in reach"
        lines.append(f"test answers {within}: {results['reach']['test']:.1%}")
    for name, metrics in results.get("by_file", {}).items():
        if "mrr" in metrics:
            lines.append(f"  of {name}.txt alone {metrics['mrr']:.4f}")
    rules = results.get("rules", {}).get("mrr", {})
    if "rules" in rules:
        lines.append(f"rules alone, MRR     {rules['rules']:.4f}")
    return "\n".join(lines)
