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
from kapl_jax.evaluation.ranking import METRIC_NAMES
from kapl_jax.explain.formulas import formula_latex, formula_text
from kapl_jax.methods.autoblm.models import ModelStore
from kapl_jax.methods.autoblm.problem import TrainingOptions, flops_per_query
from kapl_jax.search.stage import Outcome


@dataclasses.dataclass(frozen=True)
class Contender:
    """A structure that is tuned and trained at the final size.

    Attributes:
        name: The preset's name, or `searched-1` and so on.
        structure: int8[K, K].
        searched: Whether the search found it (or the user gave it) rather than the literature.
    """

    name: str
    structure: np.ndarray
    searched: bool


def make_results(
    graph: KnowledgeGraph,
    options: TrainingOptions,
    contenders: Sequence[Contender],
    outcomes: Mapping[str, Sequence[Outcome]],
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
    best = max(contenders, key=lambda one: _mean_score(outcomes[one.name]))
    seeds = outcomes[best.name]
    description = {key: rows[best.name][key] for key in ("structure", "formula", "hyperparameters")}
    description |= {"name": best.name, "embedding_dim": options.embedding_dim}
    kept = {one.individual.id: store.load(one.individual.id) for one in seeds}
    chosen = max(seeds, key=lambda one: one.score)
    model = dataclasses.asdict(options)
    store.keep_best(kept[chosen.individual.id]["parameters"], {**description, "options": model})
    searched = sorted(
        (one for one in contenders if one.searched),
        key=lambda one: -_mean_score(outcomes[one.name]),
    )
    return {
        "best": {**description, "latex": formula_latex(best.structure)},
        "valid": rows[best.name]["valid"],
        "test": rows[best.name]["test"],
        "baselines": {one.name: rows[one.name] for one in contenders if not one.searched},
        "searched": [{"name": one.name, **rows[one.name]} for one in searched],
        **_by_group(graph, np.stack([one["test_ranks"] for one in kept.values()])),
        "parameters": rows[best.name]["parameters"],
        "flops_per_query": flops_per_query(options, best.structure, graph.num_entities),
        "seeds": len(seeds),
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
        "hyperparameters": dict(outcomes[0].individual.hyperparameters),
        "valid": _summary([one.record["valid"] for one in outcomes]),
        "test": _summary([one.record["test"] for one in outcomes]),
        "parameters": options.embedding_dim * (graph.num_entities + relations),
    }


def _equivalent_presets(structure: np.ndarray) -> list[str]:
    """Return the presets that are this structure under other names of blocks and signs."""
    names = preset_names(len(structure))
    return [name for name in names if are_equivalent(structure, preset(name, len(structure)))]


def _summary(runs: Sequence[Mapping[str, float]]) -> dict[str, dict[str, float]]:
    """Return mean and sample standard deviation over seeds of each metric."""
    summary = {}
    for name in METRIC_NAMES:
        values = np.array([run[name] for run in runs], float)
        spread = values.std(ddof=1) if len(values) > 1 else 0.0
        summary[name] = {"mean": float(values.mean()), "std": float(spread)}
    return summary


def _mean_score(outcomes: Sequence[Outcome]) -> float:
    return float(np.mean([one.score for one in outcomes]))


def _by_group(graph: KnowledgeGraph, ranks: np.ndarray) -> dict[str, Any]:
    """Return test metrics by relation and by pattern, averaged over seeds; float32[seeds, 2, Q]."""
    patterns = relation_patterns(graph.training_triples, graph.num_relations)
    return {
        "by_relation": metrics_by_relation(ranks, graph.test, patterns, graph.relations),
        "by_pattern": metrics_by_pattern(ranks, graph.test, patterns),
    }


def describe_results(results: Mapping[str, Any]) -> str:
    """Return a few lines for the terminal: what was found, and how it stands to the presets."""
    best = results["best"]
    lines: list[str] = []
    equivalent: list[str] = next(
        (row["equivalent_to"] for row in results["searched"] if row["name"] == best["name"]), []
    )
    named = f"{best['name']}, equivalent to {equivalent[0]}" if equivalent else best["name"]
    lines.append(f"best on validation   {named}: {best['formula']}")
    rows = [("", results["valid"], results["test"])]
    baselines = results["baselines"]
    if baselines:
        name = max(baselines, key=lambda one: baselines[one]["valid"]["mrr"]["mean"])
        rows.append((f"  (best preset, {name})", baselines[name]["valid"], baselines[name]["test"]))
    for label, valid, test in rows:
        lines.append(f"validation MRR       {_with_spread(valid)}{label}")
        lines.append(f"test MRR             {_with_spread(test)}{label}")
    return "\n".join(lines)


def _with_spread(metrics: Mapping[str, Mapping[str, float]]) -> str:
    return f"{metrics['mrr']['mean']:.4f} ± {metrics['mrr']['std']:.4f}"
