"""Whole runs of ColdNAS on a folder of few ratings, and what they record."""

from __future__ import annotations

from pathlib import Path

import numpy as np

from kapl_jax.data.cold_start import ColdStartData
from kapl_jax.data.cold_start_loading import load_cold_start
from kapl_jax.methods.coldnas.method import COLDNAS
from kapl_jax.methods.coldnas.settings import ColdNASSettings
from kapl_jax.runs.run_directory import Run
from tests.data.graph_folders import write
from tests.methods.whole_runs import run_of

USERS, ITEMS, RATED = 12, 9, 6
GENRES = ("war", "love", "crime")
# Six training users, and three each for validation and test. All have as many ratings, so that the
# program that selects on test users is the same.
PROTOCOL = {
    "min_ratings": RATED,
    "query_items": 3,
    "train_share": 0.5,
    "valid_share": 0.25,
}
SIZES = {"embedding_dim": 2, "hidden_units": "3", "context_dim": 4, "batch_size": 2}
# All stages train four at a time, with one program for each kind of chunk.
SMALL = {
    **PROTOCOL,
    **SIZES,
    "candidates": 8,
    "round_size": 4,
    "chunk_size": 4,
    "epochs": 2,
    "evaluate_search_every": 1,
    "one_shot_pool": 12,
    "one_shot_epochs": 2,
    "supernets": 2,
    "keep_gain": 0.0,
    # High enough that two epochs make predictions differ by more than rounding.
    "learning_rate": 0.2,
    "presets": "none",
    "tuning_samples": 1,
    "seeds": 1,
    "finalists": 4,
    "final_epochs": 2,
    "evaluate_every": 1,
    "log_progress": False,
}


def as_flags(settings: dict) -> tuple[str, ...]:
    """Return settings as the programs take them."""
    return tuple(f"--{name}={value}" for name, value in settings.items())


def write_tiny_ratings(folder: Path) -> Path:
    """Write ratings 1..5 of a dozen users, with titles and genres of items and jobs of users."""
    rng = np.random.default_rng(3)
    ratings = ["user,item,rating"]
    for user in range(USERS):
        rated = rng.permutation(ITEMS)[:RATED]
        # All values of the range are there, whoever has the first items.
        ratings += [f"u{user},i{item},{(user + 2 * item) % 5 + 1}" for item in sorted(rated)]
    write(folder / "ratings.csv", ratings)
    items = [f"i{n},Title {n},{GENRES[n % 3]}|{GENRES[n % 2]}" for n in range(ITEMS)]
    write(folder / "items.csv", ["item,title,genre", *items])
    write(folder / "users.csv", ["user,job", *[f"u{n},{'ab'[n % 2]}" for n in range(USERS)]])
    return folder


def small_settings(folder: Path, **changes) -> ColdNASSettings:
    """Return settings of a small run in `folder`, whose ratings are written where they are not."""
    ratings = folder / "ratings"
    if not ratings.is_dir():
        write_tiny_ratings(ratings)
    return ColdNASSettings(
        dataset=str(ratings), workdir=str(folder / "run"), **{**SMALL, **changes}
    )


def run(settings: ColdNASSettings) -> Run:
    return run_of(COLDNAS, settings)


def data_of(settings: ColdNASSettings) -> ColdStartData:
    return load_cold_start(settings.dataset, None, settings.protocol())
