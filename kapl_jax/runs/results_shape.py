"""The shape of results.json: what readers may rely on, whoever wrote it."""

from __future__ import annotations

from kapl_jax.runs.shapes import Shape, array, number, structure, texts


def _any(value: object) -> bool:
    del value
    return True


def _metric(value: object) -> bool:
    """A number, or mean and deviation, which may be null."""
    if not isinstance(value, dict):
        return number(value)
    return number(value.get("mean")) and (value.get("std") is None or number(value["std"]))


_METRICS: Shape = {str: _metric}
_MODEL: Shape = {
    "name?": str,
    "structure?": structure,
    "formula?": str,
    "expressions?": texts,
    "latex?": str,
    "equivalent_to?": texts,
    "hyperparameters?": {str: _any},
    "embedding_dim?": number,
    "valid?": _METRICS,
    "test?": _METRICS,
    "parameters?": number,
}
_PARTS: Shape = {str: {"count?": number}}


def _steps(value: object) -> bool:
    return isinstance(value, list) and all(texts(step) and len(step) == 3 for step in value)


def _layers(value: object) -> bool:
    return isinstance(value, list) and all(
        isinstance(layer, list)
        and all(
            isinstance(edge, dict)
            and all(isinstance(edge.get(name), str) for name in ("source", "relation", "target"))
            and number(edge.get("weight"))
            for edge in layer
        )
        for layer in value
    )


RESULTS: Shape = {
    "method?": str,
    "dataset?": str,
    "searcher?": str,
    "objective?": str,
    "best?": _MODEL,
    "valid?": _METRICS,
    "test?": _METRICS,
    "baselines?": {str: _MODEL},
    "searched?": [_MODEL],
    "by_relation?": _PARTS,
    "by_pattern?": _PARTS,
    "by_file?": {str: _METRICS},
    "reach?": {str: number},
    "parameters?": number,
    "adapted_per_user?": number,
    "flops_per_query?": number,
    "candidates_trained?": int,
    "seeds?": int,
    "seconds?": number,
    "unseen_items?": {str: number},
    "planted?": {"formula?": str, "recovered?": bool, "missing?": texts, "added?": texts},
    "pruning?": {
        "formula": str,
        "importance": [{"position": number, "operation": str, "loss_without": number}],
        "chain": [{"formula": str}],
    },
    "landscape?": {
        "metric": str,
        "points?": [{"truth": number, "structure": array, "proxies?": {str: _any}}],
        "agreement?": {str: {str: _any}},
    },
    "published?": {
        "source?": str,
        "rows?": [{"name": str}],
        "protocols?": {str: {str: _METRICS}},
    },
    "reasons?": {
        "users?": [
            {
                "user": str,
                "support_sizes": array,
                "phi?": {
                    "positions": array,
                    "operations": texts,
                    "norms": array,
                    "projection": array,
                },
                "influence?": {
                    "query_item": str,
                    "prediction": number,
                    "items": [{"item": str, "rating": number, "effect": number}],
                },
            }
        ]
    },
    "paths?": [
        {
            "query": {"entity": str, "relation": str},
            "answer": str,
            "score?": number,
            "layers?": _layers,
            "left_out?": array,
            "paths?": [{"steps": _steps, "walk?": _steps, "weight": number, "walks?": int}],
            "rules?": [{"rule": str, "confidence?": number}],
        }
    ],
    "rules?": {
        "mrr?": {"rules?": number, "model?": number},
        "table?": [
            {
                "relation": str,
                "rule": str,
                "latex?": str,
                "answers": number,
                "weight": number,
                "support": number,
                "confidence": number,
                "head_coverage": number,
                "counted?": number,
            }
        ],
    },
}
