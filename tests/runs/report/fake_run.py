"""Run directories as a finished or interrupted search would leave them, made up in no time."""

from __future__ import annotations

import json
from collections.abc import Mapping
from pathlib import Path
from typing import Any

import numpy as np

# Names that break a page or a figure which takes them for markup or mathematics.
NASTY_RELATION = """<b onload="x">part_of & 'co' $a$ $b$</b>"""
NASTY_DATASET = 'my <graph> & "co"'

_PRESETS = {
    "distmult": ([[1, 0, 0, 0], [0, 2, 0, 0], [0, 0, 3, 0], [0, 0, 0, 4]], 0.891),
    "complex": ([[1, 0, 3, 0], [0, 2, 0, 4], [-3, 0, 1, 0], [0, -4, 0, 2]], 0.934),
    "analogy": ([[1, 0, 0, 0], [0, 2, 0, 0], [0, 0, 3, 4], [0, 0, -4, 3]], 0.929),
    "simple": ([[0, 0, 1, 0], [0, 0, 0, 2], [3, 0, 0, 0], [0, 4, 0, 0]], 0.921),
    "quate": ([[1, -2, -3, -4], [2, 1, -4, 3], [3, 4, 1, -2], [4, -3, 2, 1]], 0.915),
}
_FOUND = [[1, 0, 3, 0], [0, 2, 0, 4], [3, 0, -1, 0], [0, -4, 0, 2]]
_SECOND = [[0, 0, 0, 1], [0, 0, 2, 0], [0, -2, 3, 0], [4, 0, 0, -3]]
_PATTERNS = {
    "symmetric": (41, 0.97),
    "antisymmetric": (402, 0.95),
    "inverse": (92, 0.93),
    "general": (126, 0.91),
    "1-1": (12, 0.88),
    "1-N": (130, 0.94),
    "N-1": (119, 0.93),
    "N-N": (400, 0.955),
}


def write_fake_run(
    path: Path,
    *,
    seed: int = 0,
    finished: bool = True,
    candidates: int = 128,
    searcher: str = "evolutionary",
    dataset: str = "umls",
    best: str = "searched-1",
    embedding_dim: int = 64,
) -> Path:
    """Write config.json, metrics.jsonl and, where finished, results.json; return `path`.

    Args:
        path: The run directory, made with its parents.
        seed: What the made-up numbers are drawn from.
        finished: Whether there are results.
        candidates: Number of candidates of the search; 0 for a run that has just begun.
        searcher: Name of the searcher.
        dataset: Name of the dataset.
        best: `searched-1`, or the name of a preset that nothing searched beats.
        embedding_dim: Dimension of the final models.
    """
    rng = np.random.default_rng(seed)
    path.mkdir(parents=True, exist_ok=True)
    _write_json(path / "config.json", _config(searcher, dataset, embedding_dim))
    events = _events(rng, candidates)
    lines = "".join(json.dumps(event, ensure_ascii=False) + "\n" for event in events)
    (path / "metrics.jsonl").write_text(lines, encoding="utf-8")
    if finished:
        numbers = (rng, candidates, searcher, dataset)
        results = _results(*numbers, best=best, dim=embedding_dim)
        _write_json(path / "results.json", results)
    return path


def _write_json(path: Path, value: Mapping[str, Any]) -> None:
    path.write_text(json.dumps(value, indent=2, ensure_ascii=False), encoding="utf-8")


def _config(searcher: str, dataset: str, embedding_dim: int) -> dict[str, Any]:
    return {
        "method": "autoblm",
        "settings": {
            "dataset": dataset,
            "searcher": searcher,
            "seed": 0,
            "seeds": 3,
            "embedding_dim": embedding_dim,
            "learning_rate": 0.1,
            "reciprocal": False,
            "data_dir": None,
        },
        "versions": {"kapl_jax": "0.1.0", "jax": "0.10.2", "python": "3.11.2"},
        "device": {"name": "2 x cpu", "platform": "cpu"},
        "dataset": {
            "name": dataset,
            "entities": 135,
            "relations": 46,
            "train": 5216,
            "valid": 652,
            "test": 661,
        },
    }


def formula(structure: list[list[int]]) -> str:
    """Return a structure as the sum of its terms."""
    terms = [
        f"{'−' if entry < 0 else '+'} ⟨h{i},r{abs(entry)},t{j}⟩"
        for i, row in enumerate(structure, start=1)
        for j, entry in enumerate(row, start=1)
        if entry
    ]
    return " ".join(terms).removeprefix("+ ")


def _events(rng: np.random.Generator, count: int) -> list[dict[str, Any]]:
    events: list[dict[str, Any]] = [
        {"event": "stage", "stage": "search", "status": "start", "seconds": 0.1}
    ]
    for place in range(count):
        score = _score(rng, place)
        events.append(_candidate(rng, place, score))
        if place % 16 == 15:
            loss = 5.0 / (1 + place / 16) + 1
            events.append(
                {
                    **{"event": "epoch", "stage": "search", "round": place // 16, "epoch": 20},
                    **{"loss": loss, "seconds": 1.4 * place},
                }
            )
    return events


def _score(rng: np.random.Generator, place: int) -> float | None:
    if place % 31 == 30:
        return None  # diverged
    return float(0.55 + 0.12 * np.log1p(place) / np.log(128) + 0.25 * rng.beta(3, 2))


def _candidate(rng: np.random.Generator, place: int, score: float | None) -> dict[str, Any]:
    structure = rng.integers(-4, 5, (4, 4)) * (rng.random((4, 4)) < 0.5)
    valid = {"mrr": score, "hits_at_1": score, "hits_at_3": score, "hits_at_10": score}
    return {
        **{"event": "candidate", "stage": "search", "round": place // 16, "id": f"c{place}"},
        **{"candidate": structure.tolist(), "describe": formula(structure.tolist())},
        **{"hyperparameters": _hyperparameters(rng), "seed": 0, "epochs": 20, "score": score},
        **{"complete": True},
        **{"valid": {**valid, "mean_rank": 2.5}, "loss": 1.2, "name": None, "seconds": 1.4 * place},
    }


def _hyperparameters(rng: np.random.Generator) -> dict[str, float]:
    return {
        "learning_rate": round(float(rng.uniform(0.05, 0.5)), 4),
        "regularisation": float(10 ** rng.uniform(-5, -2)),
        "decay": round(float(rng.uniform(0.98, 1)), 4),
        "dropout": round(float(rng.uniform(0, 0.3)), 3),
    }


def _metrics(rng: np.random.Generator, mrr: float) -> dict[str, dict[str, float]]:
    means = {
        "mrr": mrr,
        "hits_at_1": mrr - 0.06,
        "hits_at_3": min(mrr + 0.03, 1.0),
        "hits_at_10": min(mrr + 0.055, 0.999),
        "mean_rank": 1.2 + 10 * (1 - mrr),
    }
    return {
        name: {"mean": mean, "std": float(rng.uniform(0.001, 0.005))}
        for name, mean in means.items()
    }


def _model(
    rng: np.random.Generator, structure: list[list[int]], mrr: float, dim: int
) -> dict[str, Any]:
    return {
        "structure": structure,
        "formula": formula(structure),
        "hyperparameters": _hyperparameters(rng),
        "valid": _metrics(rng, mrr),
        "test": _metrics(rng, mrr - float(rng.uniform(-0.002, 0.008))),
        "parameters": (135 + 46) * dim,
    }


def _results(
    rng: np.random.Generator, candidates: int, searcher: str, dataset: str, *, best: str, dim: int
) -> dict[str, Any]:
    baselines = {name: _model(rng, s, mrr, dim) for name, (s, mrr) in _PRESETS.items()}
    found = [("searched-1", _FOUND, 0.941), ("searched-2", _SECOND, 0.937)]
    searched = [{"name": name, **_model(rng, s, mrr, dim)} for name, s, mrr in found]
    if best in baselines:
        searched, chosen = [], baselines[best]
    else:
        chosen = searched[0]
    relations = {NASTY_RELATION: _relation(61, 0.93)}
    relations |= {f"relation_{i}": _relation(60 - i, 0.99 - 0.01 * i) for i in range(1, 46)}
    return {
        "method": "autoblm",
        "dataset": dataset,
        "searcher": searcher,
        "best": {
            "name": best if best in baselines else None,
            "structure": chosen["structure"],
            "formula": chosen["formula"],
            "latex": r"\langle h_{1}, r_{1}, t_{1}\rangle + \dots",
            "hyperparameters": chosen["hyperparameters"],
            "embedding_dim": dim,
        },
        "valid": chosen["valid"],
        "test": chosen["test"],
        "baselines": baselines,
        "searched": searched,
        "by_relation": relations,
        "by_pattern": {name: _part(size, mrr) for name, (size, mrr) in _PATTERNS.items()},
        "parameters": chosen["parameters"],
        "flops_per_query": 2.0 * 135 * dim,
        "candidates_trained": candidates,
        "seeds": 3,
        "seconds": 188.4,
        "device": "2 x cpu",
    }


def _part(size: int, mrr: float) -> dict[str, Any]:
    means = {"mrr": mrr, "hits_at_1": mrr - 0.05, "hits_at_3": mrr, "hits_at_10": 0.99}
    return {"count": size, **means, "mean_rank": 1.5}


def _relation(size: int, mrr: float) -> dict[str, Any]:
    return {"pattern": "antisymmetric", "cardinality": "N-N", **_part(size, mrr)}
