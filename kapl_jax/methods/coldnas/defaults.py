"""Defaults that fit a registered data set better than those that fit most."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

SUGGESTED: Mapping[str, Mapping[str, Any]] = {
    # One number a feature and layers narrower than the number of features tell where the modulation
    # was planted; small networks end at different minima: several seeds and a falling rate.
    "planted": {
        "candidates": 48,
        "round_size": 24,
        "embedding_dim": 1,
        "hidden_units": "3,3,3",
        "context_dim": 64,
        "batch_size": 12,
        "learning_rate": 0.02,
        "decay": 0.97,
        "unseen_rate": 0.0,
        "weight_decay": 0.0,
        "redraw": False,
        "epochs": 100,
        "evaluate_search_every": 0,
        "one_shot_epochs": 100,
        "final_epochs": 100,
        "evaluate_every": 20,
        "tuning_samples": 1,
        "finalists": 3,
        "seeds": 3,
    },
}
"""By the name of the data set, settings that differ from the defaults of `ColdNASSettings`."""
