"""The contents of results.json: what was found, what it is worth, and why it answers as it does."""

from __future__ import annotations

import dataclasses
from collections.abc import Mapping, Sequence
from typing import Any

import numpy as np

from kapl_jax.data.cold_start import ColdStartData
from kapl_jax.evaluation.objectives import sign
from kapl_jax.evaluation.parsimony import count_parameters
from kapl_jax.explain.modulation import modulation_expressions, modulation_latex
from kapl_jax.methods.coldnas.problem import ColdNASOptions, ColdNASProblem
from kapl_jax.methods.coldnas.pruning import Pruning
from kapl_jax.methods.coldnas.reasons import reasons
from kapl_jax.methods.coldnas.settings import ColdNASSettings
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
from kapl_jax.modulation.structures import OPERATIONS, preset, preset_names, structure_text
from kapl_jax.search.space import Space


def make_results(
    settings: ColdNASSettings,
    data: ColdStartData,
    problem: ColdNASProblem,
    space: Space,
    contenders: Sequence[Contender],
    outcomes: Outcomes,
    store: ModelStore,
) -> dict[str, Any]:
    """Summarise the final stage and keep its best model.

    The best contender has the best mean validation score over seeds; the model kept is its best
    seed by validation. Test figures are reported, never compared.
    """
    symbolic = settings.search_space == "operations"
    sizes = {
        one.name: count_parameters(store.load(outcomes[one.name][0].individual.id)["parameters"])
        for one in contenders
    }
    rows = {
        one.name: {
            **_described(one.structure, space, symbolic),
            **metrics_of_seeds(outcomes[one.name]),
            "parameters": sizes[one.name],
        }
        for one in contenders
    }
    best = best_contender(contenders, outcomes)
    chosen = best_seed(outcomes[best.name])
    parameters = store.load(chosen.individual.id)["parameters"]
    described = _described(best.structure, space, symbolic)
    hyperparameters = rows[best.name]["hyperparameters"]
    description = {"name": best.name, **described, "hyperparameters": hyperparameters}
    store.keep_best(
        parameters,
        {
            **description,
            "options": dataclasses.asdict(problem.options),
            "search_space": settings.search_space,
            "network_units": settings.network_units,
        },
    )
    return {
        "objective": settings.objective,
        "best": {**description, "embedding_dim": problem.options.embedding_dim},
        **result_rows(contenders, outcomes, rows),
        "parameters": sizes[best.name],
        "adapted_per_user": adapted_per_user(problem.options, data, best.structure),
        "unseen_items": unseen_items(data),
        "reasons": reasons(problem, parameters, best.structure),
    }


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


def _described(structure: np.ndarray, space: Space, symbolic: bool) -> dict[str, Any]:
    listed = {"structure": structure.tolist(), "formula": space.describe(structure)}
    if not symbolic:
        return listed
    positions = len(structure)
    known = {name: preset(name, positions) for name in preset_names(positions)}
    return {
        **listed,
        "formula": structure_text(structure),
        "expressions": modulation_expressions(structure),
        "latex": modulation_latex(structure),
        "equivalent_to": [name for name, one in known.items() if np.array_equal(one, structure)],
    }


def pruning_results(objective: str, pruning: Pruning) -> dict[str, Any]:
    """Return what each operation of the best structure is worth, and the smallest that keeps it."""
    factor = sign(objective)
    places = np.argwhere(pruning.chain[0])
    return {
        "structure": pruning.structure.tolist(),
        "formula": structure_text(pruning.structure),
        "importance": [
            {
                "position": int(position),
                "operation": OPERATIONS[place],
                "loss_without": float(pruning.importance[position, place]),
            }
            for position, place in places
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
    return [f"{OPERATIONS[place]} at {position}" for position, place in np.argwhere(marked)]


def describe_results(results: Mapping[str, Any]) -> str:
    """Return a few lines for the terminal: what was found, and how it stands to the presets."""
    objective, best = results.get("objective", "mse"), results.get("best", {})
    same = [name for name in best.get("equivalent_to", []) if name != best.get("name")]
    lines = [best_line(best, f", the same as {same[0]}" if same else "")]
    lines += [f"  {expression}" for expression in best.get("expressions", [])]
    lines += score_lines(results, objective, objective, sign(objective))
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
    return "\n".join(lines)
