"""ColdNAS as a value."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from operator import attrgetter
from typing import Any, cast

import numpy as np

from kapl_jax.data.cold_start import ColdStartData
from kapl_jax.data.registry import RATINGS
from kapl_jax.evaluation.objectives import sign
from kapl_jax.methods.coldnas.defaults import SUGGESTED
from kapl_jax.methods.coldnas.explanations import example_users
from kapl_jax.methods.coldnas.landscape import landscape_results
from kapl_jax.methods.coldnas.presentation import PRESENTATION
from kapl_jax.methods.coldnas.problem import ColdNASOptions, ColdNASProblem
from kapl_jax.methods.coldnas.pruning import Pruning
from kapl_jax.methods.coldnas.recommender import (
    ColdNASRecommender,
    UserExplanationQuestion,
    UserQuestion,
)
from kapl_jax.methods.coldnas.settings import (
    ColdNASSettings,
    load_data,
    make_space,
    training_options,
)
from kapl_jax.methods.coldnas.stages import (
    add_pruned,
    pruned,
    published_protocol,
    relaxation,
    supernets,
    train_landscape,
)
from kapl_jax.methods.coldnas.trained import RatingModel
from kapl_jax.methods.method import Method
from kapl_jax.methods.results import Finished
from kapl_jax.modulation.structures import OPERATIONS, structure_text


def _summary(finished: Finished) -> dict[str, Any]:
    """Return what a run found beside the scores: pruning, landscape, explanations and the like."""
    pipeline = finished.pipeline
    settings, data = cast(ColdNASSettings, pipeline.settings), cast(ColdStartData, pipeline.data)
    problem, best = cast(ColdNASProblem, finished.problem), finished.best.structure
    users = example_users(RatingModel(finished.model))
    results: dict[str, Any] = {
        "best": {"embedding_dim": problem.options.embedding_dim},
        "objective": settings.objective,
        "adapted_per_user": adapted_per_user(problem.options, data, best),
        "unseen_items": unseen_items(data),
        "reasons": {"users": [one.to_json() for one in users]},
    }
    before = [one for one in finished.contenders if one.name != "pruned"]
    pruning = pruned(pipeline, before)
    if pruning is not None:
        results["pruning"] = pruning_results(settings.objective, pruning)
    if data.planted is not None and settings.is_symbolic:
        smallest = best if pruning is None else pruning.structure
        results["planted"] = planted_results(data.planted, smallest)
    if settings.landscape:
        trained = pipeline.record.recorded("candidate", "landscape")
        results["landscape"] = landscape_results(settings.objective, trained, supernets(pipeline))
    if settings.published_protocol:
        results["published"] = published_protocol(finished)
    return results


def unseen_items(data: ColdStartData) -> dict[str, int]:
    """Return how many items validation and test tasks hold, and how many training never saw.

    Of those the model knows nothing but what their features share with others.
    """
    trained = data.items_of_training()
    counts = {}
    for split, tasks in (("valid", data.valid), ("test", data.test)):
        rated = np.union1d(
            tasks.support_items[tasks.support_mask], tasks.query_items[tasks.query_mask]
        )
        counts[f"{split}_items"] = len(rated)
        counts[split] = int((~trained[rated]).sum())
    return counts


def adapted_per_user(
    options: ColdNASOptions, data: ColdStartData, structure: np.ndarray
) -> int | None:
    """Return how many numbers of the predictor a user's support set decides; None for networks."""
    if structure.dtype != bool:
        return None
    fields = len(data.item_features.fields) + len(data.user_features.fields)
    widths = np.array([fields * options.embedding_dim, *options.hidden_units])
    return int((structure.sum(axis=1) * widths).sum())


def pruning_results(objective: str, pruning: Pruning) -> dict[str, Any]:
    """Return what each operation of the best structure is worth, and the smallest that keeps it."""
    factor = sign(objective)
    cells = np.argwhere(pruning.chain[0])
    return {
        "structure": pruning.structure.tolist(),
        "formula": structure_text(pruning.structure),
        "importance": [
            {
                "position": int(position),
                "operation": OPERATIONS[operation],
                "loss_without": float(pruning.importance[position, operation]),
            }
            for position, operation in cells
        ],
        "chain": [
            {"formula": structure_text(one), objective: float(factor * score)}
            for one, score in zip(pruning.chain, pruning.scores, strict=True)
        ],
    }


def planted_results(planted: np.ndarray, found: np.ndarray) -> dict[str, Any]:
    """Return how a found structure stands to the one that generated the data, bool[C, 4] each."""
    if planted.shape != found.shape:
        return {"formula": structure_text(planted), "recovered": False}
    return {
        "structure": planted.tolist(),
        "formula": structure_text(planted),
        "recovered": bool(np.array_equal(planted, found)),
        "missing": _cells(planted & ~found),
        "added": _cells(found & ~planted),
    }


def _cells(marked: np.ndarray) -> list[str]:
    return [f"{OPERATIONS[operation]} at {position}" for position, operation in np.argwhere(marked)]


def _describe(results: Mapping[str, Any]) -> Sequence[str]:
    lines = []
    if "pruning" in results:
        lines.append(f"smallest as good     {results['pruning']['formula']}")
    items = results.get("unseen_items", {})
    if items.get("test"):
        lines.append(
            f"not in training      {items['test']} of {items.get('test_items', '?')} test items"
        )
    if "planted" in results:
        planted = results["planted"]
        verdict = "found again" if planted.get("recovered") else "not found"
        lines.append(f"planted              {planted.get('formula', '')}: {verdict}")
    return lines


COLDNAS = Method(
    name="coldnas",
    settings=ColdNASSettings,
    kind=RATINGS,
    load=load_data,
    space=make_space,
    options=training_options,
    problem=ColdNASProblem,
    summary=_summary,
    describe=_describe,
    predictor=lambda model: ColdNASRecommender(RatingModel(model)),
    predicts=UserQuestion,
    explains=UserExplanationQuestion,
    presentation=PRESENTATION,
    embedded="planted",
    suggested=SUGGESTED,
    objective=attrgetter("objective"),
    stages=(train_landscape, add_pruned),
    relaxation=relaxation,
)
