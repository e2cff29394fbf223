"""Run directories as searches would leave them, finished or interrupted, made up in no time.

One of a search for scoring structures on a graph, and one of a search for modulation by ratings,
where lower is better and there is more to tell.
"""

from __future__ import annotations

import json
from collections.abc import Callable, Mapping, Sequence
from pathlib import Path
from typing import Any

import numpy as np

# Names that break a page or a figure which takes them for markup or mathematics.
NASTY_RELATION = """<b onload="x">part_of & 'co' $a$ $b$</b>"""
NASTY_DATASET = 'my <graph> & "co"'
NASTY_USER = 'u<1> & "co" $a$'
NASTY_ITEM = "i<b>7</b> $x$ $y$"
OPERATIONS = ("max", "min", "scale", "shift")

Structure = list[list[Any]]

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
_MODULATIONS = {
    "film": ([[0, 0, 1, 1]] * 4, 0.2114),
    "scale": ([[0, 0, 1, 0]] * 4, 0.2131),
    "shift": ([[0, 0, 0, 1]] * 4, 0.2102),
    "none": ([[0, 0, 0, 0]] * 4, 0.2262),
}
_FOUND_MODULATION = [[0, 0, 0, 1], [0, 0, 0, 1], [1, 0, 0, 1], [0, 0, 0, 0]]
_SECOND_MODULATION = [[0, 0, 1, 1], [0, 1, 0, 0], [0, 0, 0, 1], [0, 0, 1, 0]]


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
    """Write the run of a search for scoring structures; return `path`.

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
    config = _config(searcher, dataset, embedding_dim)
    events = [{"event": "stage", "stage": "search", "status": "start", "seconds": 0.1}]
    events += _search(candidates, lambda index: _scored_structure(rng, index))
    known = {"dataset": dataset, "searcher": searcher, "candidates_trained": candidates}
    results = {**known, **_results(rng, best, embedding_dim)} if finished else None
    return _write_run(path, config, events, results)


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
    """Write the run of a search for modulation; return `path`.

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
    config = {
        "method": "coldnas",
        "settings": {"searcher": searcher, "objective": objective, "seeds": 10},
        "dataset": {"name": dataset, "users": 1872, "items": 3846, "train": 1310},
    }
    events = _search(candidates, lambda index: _scored_modulation(rng, index, objective))
    known = {"dataset": dataset, "searcher": searcher, "candidates_trained": candidates}
    results = {**known, **_cold_results(rng, landscape_points)} if finished else None
    return _write_run(path, config, events, results)


def _write_run(
    path: Path,
    config: Mapping[str, Any],
    events: Sequence[Mapping[str, Any]],
    results: Mapping[str, Any] | None,
) -> Path:
    """Write config.json, metrics.jsonl and, where there are results, results.json."""
    path.mkdir(parents=True, exist_ok=True)
    (path / "config.json").write_text(json.dumps(config, ensure_ascii=False), encoding="utf-8")
    lines = "".join(json.dumps(event, ensure_ascii=False) + "\n" for event in events)
    (path / "metrics.jsonl").write_text(lines, encoding="utf-8")
    if results is not None:
        told = json.dumps(results, ensure_ascii=False)
        (path / "results.json").write_text(told, encoding="utf-8")
    return path


def _search(count: int, scored: Callable[[int], dict[str, Any]]) -> list[dict[str, Any]]:
    """Return the events of a search of `count` candidates, of which a few diverge."""
    events: list[dict[str, Any]] = []
    for index in range(count):
        seconds = 1.4 * index
        event = {
            **{"event": "candidate", "stage": "search", "round": index // 16, "id": f"c{index}"},
            **{"seed": 0, "epochs": 20, "complete": True, "loss": 1.2, "name": None},
            **scored(index),
            "seconds": seconds,
        }
        if index % 31 == 30:
            event |= {"score": None, "valid": {}}
        events.append(event)
        if index % 16 == 15:
            epoch = {"event": "epoch", "stage": "search", "round": index // 16, "epoch": 20}
            events.append({**epoch, "loss": 5.0 / (1 + index / 16) + 1, "seconds": seconds})
    return events


def _spread(
    rng: np.random.Generator, means: Mapping[str, float], low: float, high: float
) -> dict[str, dict[str, float]]:
    """Return metrics with standard deviations between `low` and `high`."""
    return {
        name: {"mean": mean, "std": float(rng.uniform(low, high))} for name, mean in means.items()
    }


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


def formula(structure: Structure) -> str:
    """Return a structure as the sum of its terms."""
    terms = [
        f"{'−' if entry < 0 else '+'} ⟨h{i},r{abs(entry)},t{j}⟩"
        for i, row in enumerate(structure, start=1)
        for j, entry in enumerate(row, start=1)
        if entry
    ]
    return " ".join(terms).removeprefix("+ ")


def _scored_structure(rng: np.random.Generator, index: int) -> dict[str, Any]:
    score = float(0.55 + 0.12 * np.log1p(index) / np.log(128) + 0.25 * rng.beta(3, 2))
    drawn = rng.integers(-4, 5, (4, 4)) * (rng.random((4, 4)) < 0.5)
    hits = {f"hits_at_{most}": score for most in (1, 3, 10)}
    return {
        **{"candidate": drawn.tolist(), "describe": formula(drawn.tolist())},
        **{"hyperparameters": _hyperparameters(rng), "score": score},
        "valid": {"mrr": score, **hits, "mean_rank": 2.5},
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
    return _spread(rng, means, 0.001, 0.005)


def _model(rng: np.random.Generator, structure: Structure, mrr: float, dim: int) -> dict[str, Any]:
    return {
        "structure": structure,
        "formula": formula(structure),
        "hyperparameters": _hyperparameters(rng),
        "valid": _metrics(rng, mrr),
        "test": _metrics(rng, mrr - float(rng.uniform(-0.002, 0.008))),
        "parameters": (135 + 46) * dim,
    }


def _results(rng: np.random.Generator, best: str, dim: int) -> dict[str, Any]:
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
        "seeds": 3,
        "seconds": 188.4,
        "device": "2 x cpu",
    }


def _part(size: int, mrr: float) -> dict[str, Any]:
    means = {"mrr": mrr, "hits_at_1": mrr - 0.05, "hits_at_3": mrr, "hits_at_10": 0.99}
    return {"count": size, **means, "mean_rank": 1.5}


def _relation(size: int, mrr: float) -> dict[str, Any]:
    return {"pattern": "antisymmetric", "cardinality": "N-N", **_part(size, mrr)}


def _scored_modulation(rng: np.random.Generator, index: int, objective: str) -> dict[str, Any]:
    structure = (rng.random((4, 4)) < 0.4).tolist()
    mse = float(0.205 + 0.05 * rng.beta(1.5, 4) / np.log(index + 3))
    valid = _values(mse)
    score = -mse if objective == "mse" else valid[objective]
    return {"candidate": structure, "describe": text(structure), "score": score, "valid": valid}


def text(structure: Structure) -> str:
    """Return a structure on one line."""
    rows = (
        " ".join(o for o, used in zip(OPERATIONS, row, strict=True) if used) for row in structure
    )
    return " | ".join(f"{index}: {row or '-'}" for index, row in enumerate(rows))


def _values(mse: float) -> dict[str, float]:
    return {"mse": mse, "mae": 1.9 * mse, "ndcg_at_3": 1 - mse, "ndcg_at_5": 1 - 0.9 * mse}


def _cold_metrics(rng: np.random.Generator, mse: float) -> dict[str, dict[str, float]]:
    return _spread(rng, _values(mse), 0.0004, 0.0015)


def _modulated(rng: np.random.Generator, structure: Structure, mse: float) -> dict[str, Any]:
    return {
        "structure": [[bool(used) for used in row] for row in structure],
        "formula": text(structure),
        "hyperparameters": {"learning_rate": round(float(rng.uniform(1e-5, 1e-3)), 6)},
        "valid": _cold_metrics(rng, mse),
        "test": _cold_metrics(rng, mse + float(rng.uniform(-0.001, 0.002))),
        "parameters": 312_000 + 16_000 * sum(map(sum, structure)),
    }


def _cold_results(rng: np.random.Generator, points: int) -> dict[str, Any]:
    baselines = {name: _modulated(rng, s, mse) for name, (s, mse) in _MODULATIONS.items()}
    found = [("searched-1", _FOUND_MODULATION, 0.2071), ("searched-2", _SECOND_MODULATION, 0.2084)]
    searched = [{"name": name, **_modulated(rng, s, mse)} for name, s, mse in found]
    best = searched[0]
    return {
        "method": "coldnas",
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
        **{"seeds": 10, "seconds": 612.0, "device": "2 x cpu"},
        "landscape": _landscape(rng, points),
        "published": _published(rng),
        "reasons": {"users": [_user(rng, index) for index in range(4)]},
    }


def _landscape(rng: np.random.Generator, count: int) -> dict[str, Any]:
    points = []
    for index in range(count):
        structure = rng.random((4, 4)) < rng.random()
        truth = 0.214 - 0.004 * structure[1, 3] + 0.003 * structure[3, 2] + rng.normal() * 0.001
        points.append(
            {
                "structure": structure.tolist(),
                "truth": None if index % 50 == 49 else float(truth),  # some diverge
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
            "validation": {
                "searched-1": _cold_metrics(rng, 0.2083),
                "film": _cold_metrics(rng, 0.2108),
            },
            "test": {"searched-1": _cold_metrics(rng, 0.2055), "film": _cold_metrics(rng, 0.2084)},
        },
    }


def _user(rng: np.random.Generator, index: int) -> dict[str, Any]:
    sizes = [0, 1, 2, 5, 10, 20 + index]
    steps = np.cumsum(rng.normal(size=(len(sizes), 2)) / np.arange(1, len(sizes) + 1)[:, None], 0)
    items = [
        {"item": f"i{k}", "rating": float(rng.integers(0, 2)), "effect": float(rng.normal() * 0.03)}
        for k in range(12)
    ]
    return {
        "user": NASTY_USER if index == 0 else f"user {index}",
        "support_sizes": sizes,
        "phi": {
            "positions": [0, 1, 2, 2],
            "operations": ["shift", "shift", "max", "shift"],
            "norms": rng.random((len(sizes), 4)).tolist(),
            "projection": (steps - steps[0]).tolist(),
        },
        "influence": {"query_item": NASTY_ITEM, "prediction": 0.8123, "items": items},
    }
