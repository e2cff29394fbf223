"""RED-GNN as a value."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import Any, cast

import numpy as np

from kapl_jax.data.reasoning import load_reasoning_data, recorded_pair
from kapl_jax.data.registry import GRAPHS
from kapl_jax.evaluation.patterns import metrics_by_pattern, metrics_by_relation, relation_patterns
from kapl_jax.evaluation.ranking import mean_rank_metrics
from kapl_jax.methods.graph_predictor import (
    GraphExplanationQuestion,
    GraphPredictor,
    GraphQuestion,
)
from kapl_jax.methods.method import Method
from kapl_jax.methods.red_gnn.answers import RedGNNAnswerer
from kapl_jax.methods.red_gnn.defaults import SUGGESTED
from kapl_jax.methods.red_gnn.explanations import RedGNNExplainer, example_answers
from kapl_jax.methods.red_gnn.presentation import PRESENTATION
from kapl_jax.methods.red_gnn.problem import RedGNNProblem
from kapl_jax.methods.red_gnn.settings import RedGNNSettings, reasoning_options
from kapl_jax.methods.red_gnn.tasks import Tasks, make_tasks
from kapl_jax.methods.red_gnn.trained import TrainedRedGNN
from kapl_jax.methods.results import Finished
from kapl_jax.methods.trained import TrainedModel
from kapl_jax.relational.reach import within_reach


def _load(settings: RedGNNSettings, config: Mapping[str, Any]) -> Tasks:
    """Read the graph that the settings name, or the pair.

    A recorded pair stays one, and a folder that came later to lie beside a graph alone makes no
    pair of it.
    """
    pair = recorded_pair(config.get("dataset"))
    data = load_reasoning_data(
        settings.dataset, settings.data_dir or None, settings.unseen_entities, pair
    )
    return make_tasks(data, settings.evaluation_batch_size)


def _summary(finished: Finished) -> dict[str, Any]:
    """Return test metrics by relation, pattern and file, what is in reach, paths and rules."""
    problem = cast(RedGNNProblem, finished.problem)
    tasks, ranks = problem.tasks, problem.ranks("test", finished.test_values())
    return {
        **_by_group(tasks, ranks),
        "reach": {
            "valid": _reach(tasks.valid.graph, tasks.valid.triples, problem.options.num_layers),
            "test": _reach(tasks.test.graph, tasks.test.triples, problem.options.num_layers),
        },
        **_explanations(finished),
    }


def _explanations(finished: Finished) -> dict[str, Any]:
    """Return examples of why the best model answers as it does, and the rules that they make."""
    settings: Any = finished.pipeline.settings
    if not settings.explained_answers:
        return {}
    trained = TrainedRedGNN(finished.model)
    rules = RedGNNExplainer(trained).rules(settings.explained_answers)
    examples = example_answers(trained, settings.example_answers)
    return {"paths": [one.to_json() for one in examples], "rules": rules.to_json()}


def _by_group(tasks: Tasks, ranks: np.ndarray) -> dict[str, Any]:
    """Return test metrics by relation, pattern and file, of ranks float32[seeds, 2, Q]."""
    first = tasks.source.graph
    tested = tasks.source.inductive or first
    patterns = relation_patterns(first.training_triples, first.num_relations)
    triples = tasks.test.triples
    found = {
        "by_relation": metrics_by_relation(ranks, triples, patterns, tested.relations),
        "by_pattern": metrics_by_pattern(ranks, triples, patterns),
    }
    if len(tasks.test_files) > 1:
        found["by_file"] = {
            name: {
                metric: float(np.mean(values))
                for metric, values in mean_rank_metrics(ranks[:, :, part]).items()
            }
            for name, part in tasks.test_files.items()
        }
    return found


def _reach(graph: Any, triples: np.ndarray, num_layers: int) -> float:
    """Return the share of triples that messages can answer."""
    return float(np.mean(within_reach(graph, triples, num_layers)))


def number_of_parameters(structure: Mapping[str, Any], num_relations: int) -> int:
    """Return how many numbers a model of this structure learns."""
    layers, hidden = int(structure["num_layers"]), int(structure["hidden_dim"])
    attention, relations = int(structure["attention_dim"]), 2 * num_relations + 1
    layer = relations * hidden + 3 * hidden * attention + 2 * attention + 1 + hidden * hidden
    gate = 6 * hidden * (hidden + 1) if structure["gate"] == "on" else 0
    return layers * layer + gate + hidden


def _describe(results: Mapping[str, Any]) -> Sequence[str]:
    lines, best = [], results.get("best", {})
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
    return lines


def _predictor(model: TrainedModel) -> GraphPredictor:
    trained = TrainedRedGNN(model)
    return GraphPredictor(RedGNNAnswerer(trained), RedGNNExplainer(trained))


RED_GNN = Method(
    name="red_gnn",
    settings=RedGNNSettings,
    kind=GRAPHS,
    load=_load,
    space=RedGNNSettings.space,
    options=reasoning_options,
    problem=RedGNNProblem,
    summary=_summary,
    describe=_describe,
    predictor=_predictor,
    predicts=GraphQuestion,
    explains=GraphExplanationQuestion,
    presentation=PRESENTATION,
    embedded="umls",
    suggested=SUGGESTED,
    count=lambda tasks, structure, variables: number_of_parameters(structure, tasks.num_relations),
)
