"""Run directories as a search for modulation would leave them: lower is better, more to tell."""

from __future__ import annotations

import json
from pathlib import Path
from typing import Any

import numpy as np

OPERATIONS = ("max", "min", "scale", "shift")
NASTY_USER = 'u<1> & "co" $a$'
NASTY_ITEM = "i<b>7</b> $x$ $y$"

_PRESETS = {
    "film": ([[0, 0, 1, 1]] * 4, 0.2114),
    "scale": ([[0, 0, 1, 0]] * 4, 0.2131),
    "shift": ([[0, 0, 0, 1]] * 4, 0.2102),
    "none": ([[0, 0, 0, 0]] * 4, 0.2262),
}
_FOUND = [[0, 0, 0, 1], [0, 0, 0, 1], [1, 0, 0, 1], [0, 0, 0, 0]]
_SECOND = [[0, 0, 1, 1], [0, 1, 0, 0], [0, 0, 0, 1], [0, 0, 1, 0]]


def write_fake_cold_run(
    path: Path,
    *,
    seed: int = 0,
    finished: bool = True,
    candidates: int = 64,
    searcher: str = "one_shot",
    dataset: str = "lastfm",
    objective: str = "mse",
    landscape_points: int = 256,
) -> Path:
    """Write config.json, metrics.jsonl and, where finished, results.json; return `path`.

    Args:
        path: The run directory, made with its parents.
        seed: What the made-up numbers are drawn from.
        finished: Whether there are results.
        candidates: Number of candidates of the search.
        searcher: Name of the searcher.
        dataset: Name of the dataset.
        objective: The metric that is searched for: `mse`, or an nDCG, which is made 1 - MSE.
        landscape_points: Structures of the landscape.
    """
    rng = np.random.default_rng(seed)
    path.mkdir(parents=True, exist_ok=True)
    config = {
        "method": "coldnas",
        "settings": {"searcher": searcher, "objective": objective, "seeds": 10},
        "dataset": {"name": dataset, "users": 1872, "items": 3846, "train": 1310},
    }
    (path / "config.json").write_text(json.dumps(config), encoding="utf-8")
    lines = "".join(json.dumps(one) + "\n" for one in _events(rng, candidates, objective))
    (path / "metrics.jsonl").write_text(lines, encoding="utf-8")
    if finished:
        results = _results(rng, candidates, searcher, dataset, landscape_points)
        (path / "results.json").write_text(json.dumps(results), encoding="utf-8")
    return path


def _events(rng: np.random.Generator, count: int, objective: str) -> list[dict[str, Any]]:
    events = []
    for place in range(count):
        structure = rng.random((4, 4)) < 0.4
        mse = float(0.205 + 0.05 * rng.beta(1.5, 4) / np.log(place + 3))
        valid = _values(mse)
        score: float | None = -mse if objective == "mse" else valid[objective]
        if place % 31 == 30:
            score, valid = None, {}
        events.append(
            {
                **{"event": "candidate", "stage": "search", "round": 0, "id": f"c{place}"},
                **{"candidate": structure.tolist(), "describe": text(structure.tolist())},
                **{"score": score, "valid": valid, "complete": True, "seconds": 0.5 * place},
            }
        )
    return events


def text(structure: list[list[Any]]) -> str:
    """Return a structure on one line."""
    rows = (
        " ".join(o for o, used in zip(OPERATIONS, row, strict=True) if used) for row in structure
    )
    return " | ".join(f"{place}: {row or '-'}" for place, row in enumerate(rows))


def _values(mse: float) -> dict[str, float]:
    return {"mse": mse, "mae": 1.9 * mse, "ndcg_at_3": 1 - mse, "ndcg_at_5": 1 - 0.9 * mse}


def _metrics(rng: np.random.Generator, mse: float) -> dict[str, dict[str, float]]:
    return {
        name: {"mean": mean, "std": float(rng.uniform(0.0004, 0.0015))}
        for name, mean in _values(mse).items()
    }


def _model(rng: np.random.Generator, structure: list[list[int]], mse: float) -> dict[str, Any]:
    return {
        "structure": [[bool(used) for used in row] for row in structure],
        "formula": text(structure),
        "hyperparameters": {"learning_rate": round(float(rng.uniform(1e-5, 1e-3)), 6)},
        "valid": _metrics(rng, mse),
        "test": _metrics(rng, mse + float(rng.uniform(-0.001, 0.002))),
        "parameters": 312_000 + 16_000 * sum(map(sum, structure)),
    }


def _results(
    rng: np.random.Generator, candidates: int, searcher: str, dataset: str, points: int
) -> dict[str, Any]:
    baselines = {name: _model(rng, s, mse) for name, (s, mse) in _PRESETS.items()}
    found = [("searched-1", _FOUND, 0.2071), ("searched-2", _SECOND, 0.2084)]
    searched = [{"name": name, **_model(rng, s, mse)} for name, s, mse in found]
    best = searched[0]
    return {
        **{"method": "coldnas", "dataset": dataset, "searcher": searcher},
        "best": {
            **{key: best[key] for key in ("name", "structure", "hyperparameters")},
            "formula": best["formula"],
            "expressions": [
                "h0 = leaky_relu([item, user] + φ4)",
                "h1 = leaky_relu(W1 h0 + b1 + φ4)",
                "h2 = leaky_relu(max(W2 h1 + b2, φ1) + φ4)",
                "h3 = leaky_relu(W3 h2 + b3)",
            ],
            "latex": r"\begin{aligned} h_{0} &= \dots \end{aligned}",
        },
        **{key: best[key] for key in ("valid", "test", "parameters")},
        "adapted_per_user": 256,
        **{"baselines": baselines, "searched": searched},
        **{"candidates_trained": candidates, "seeds": 10, "seconds": 612.0, "device": "2 x cpu"},
        "landscape": _landscape(rng, points),
        "published": _published(rng),
        "reasons": {"users": [_user(rng, place) for place in range(4)]},
    }


def _landscape(rng: np.random.Generator, count: int) -> dict[str, Any]:
    points = []
    for place in range(count):
        structure = rng.random((4, 4)) < rng.random()
        truth = 0.214 - 0.004 * structure[1, 3] + 0.003 * structure[3, 2] + rng.normal() * 0.001
        points.append(
            {
                "structure": structure.tolist(),
                "truth": None if place % 50 == 49 else float(truth),  # some diverge
                "proxies": {
                    "inherited_weights": float(truth + 0.01 + 0.002 * rng.normal()),
                    "alpha": float(-300 * truth + 60 + rng.normal()),
                },
                "operations": int(structure.sum()),
            }
        )
    return {
        "metric": "mse",
        "points": points,
        "agreement": {
            "inherited_weights": {"kendall_tau": 0.52, "p_value": 1e-18},
            "alpha": {"kendall_tau": 0.38, "p_value": 2.5e-9},
        },
    }


def _published(rng: np.random.Generator) -> dict[str, Any]:
    return {
        "source": "a paper & its <table> 2",
        "rows": [
            {"name": "ColdNAS", "mse": 0.2012, "mae": 0.35, "ndcg_at_3": 0.91, "ndcg_at_5": 0.93},
            {"name": "TaNP", "mse": 0.2087, "mae": 0.37},
        ],
        "protocols": {
            "validation": {"searched-1": _metrics(rng, 0.2083), "film": _metrics(rng, 0.2108)},
            "test": {"searched-1": _metrics(rng, 0.2055), "film": _metrics(rng, 0.2084)},
        },
    }


def _user(rng: np.random.Generator, place: int) -> dict[str, Any]:
    sizes = [0, 1, 2, 5, 10, 20 + place]
    steps = np.cumsum(rng.normal(size=(len(sizes), 2)) / np.arange(1, len(sizes) + 1)[:, None], 0)
    items = [
        {"item": f"i{k}", "rating": float(rng.integers(0, 2)), "effect": float(rng.normal() * 0.03)}
        for k in range(12)
    ]
    return {
        "user": NASTY_USER if place == 0 else f"user {place}",
        "support_sizes": sizes,
        "phi": {
            "positions": [0, 1, 2, 2],
            "operations": ["shift", "shift", "max", "shift"],
            "norms": rng.random((len(sizes), 4)).tolist(),
            "projection": (steps - steps[0]).tolist(),
        },
        "influence": {"query_item": NASTY_ITEM, "prediction": 0.8123, "items": items},
    }
