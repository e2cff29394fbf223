"""The settings that all searching methods have in common."""

from __future__ import annotations

import dataclasses
from collections.abc import Callable
from typing import Any

import numpy as np

from kapl_jax.data.unseen import UNSEEN_ENTITIES
from kapl_jax.runs.compilation_cache import cache_setting
from kapl_jax.runs.settings import Settings, setting
from kapl_jax.search.compiling import PRECISIONS
from kapl_jax.search.schedule import Schedule, full_training, successive_halving

Tuned = Callable[["SearchSettings", float, float], float]
"""How tuning varies a hyperparameter, `(settings, its value in the search, at) -> value`; `at` is
drawn from -1 to 1."""


def log(factor: float) -> Tuned:
    """Vary log-uniformly, from the value divided by a factor to the value times it."""
    return lambda settings, value, at: value * factor**at


def between(first: float, last: float) -> Tuned:
    """Vary uniformly between two values, whatever the search had."""
    return lambda settings, value, at: first + (last - first) * (at + 1) / 2


def fixed(settings: SearchSettings, value: float, at: float) -> float:
    """Leave a hyperparameter what it was in the search."""
    del settings, at
    return value


@dataclasses.dataclass(frozen=True)
class SearchSettings(Settings):
    """Search, tuning, final stage and the way of working; a method adds its own and its defaults.

    A method's settings are a frozen dataclass that extends this one. A field declared again has
    another default or meaning there.
    """

    dataset: str = setting("", "Registered data set or a folder.")
    data_dir: str = setting(
        "",
        "Folder of registered data, searched first; then $KAPL_DATA, the user's cache, a download.",
        path=True,
        identity=False,
    )
    workdir: str = setting(
        "runs/run", "Run directory; continued if it exists.", path=True, identity=False
    )
    seed: int = setting(0, "Seed of the search and of all training.", low=0, high=2**31 - 1)

    searcher: str = setting("random", "How structures are proposed.")
    candidates: int = setting(64, "Least number of structures to train in the search.", low=1)
    round_size: int = setting(
        32,
        "Structures proposed and trained together, in each round of the search.",
        low=1,
        high=100_000,
    )
    warm_start: bool = setting(True, "Start the evolutionary search from the presets, too.")
    structure: str = setting("", "Skip the search: preset names or structures, separated by '|'.")
    epochs: int = setting(30, "Epochs per structure in the search and in tuning.", low=1)
    evaluate_search_every: int = setting(
        0,
        "Epochs between validations in the search and in tuning, of which the best counts; "
        "0: validate once, after the last epoch.",
        low=0,
    )
    halving_rungs: int = setting(
        1, "Rungs of successive halving in the search; 1: no halving.", low=1, high=20
    )
    halving_factor: int = setting(
        3, "Each rung of successive halving keeps one structure in this many.", low=2, high=1000
    )
    one_shot_pool: int = setting(
        512, "Structures that a supernet scores at a time.", low=2, high=100_000
    )
    one_shot_epochs: int = setting(60, "Epochs of the supernet.", low=1)

    finalists: int = setting(
        8,
        "Best structures of the search that go on to tuning and the final stage.",
        low=1,
        high=100_000,
    )
    presets: str = setting(
        "all", "Presets to compare with: 'all', 'none', or names separated by commas."
    )
    tuning_samples: int = setting(
        8,
        "Sets of hyperparameters tried per structure; 1: only that of the search.",
        low=1,
        high=10_000,
    )
    final_epochs: int = setting(
        60, "Most epochs in the final stage; validation selects the best.", low=1
    )
    evaluate_every: int = setting(10, "Epochs between validations in the final stage.", low=1)
    seeds: int = setting(3, "Seeds per structure in the final stage.", low=1, high=10_000)

    chunk_size: int = setting(
        0,
        "Most individuals on the devices at once; 0: as many as suit the devices.",
        low=0,
        identity=False,
    )
    precision: str = setting(
        "default",
        "Precision of matrix products in training; 'default' is the device's own. Validation, test "
        "and answers are always in float32.",
        choices=PRECISIONS,
    )
    cpu_devices: int = setting(
        0, "CPU cores to spread a population over; 0: all.", low=0, identity=False
    )
    compilation_cache: str = cache_setting()
    checkpoint_seconds: float = setting(
        60.0, "Seconds between checkpoints in training.", low=0, identity=False
    )
    log_progress: bool = setting(True, "Show a progress bar.", identity=False)

    def search_schedule(self) -> Schedule:
        """Return how long the search trains whom."""
        if self.halving_rungs == 1:
            return full_training(self.epochs)
        return successive_halving(self.epochs, self.halving_factor, self.halving_rungs)

    def hyperparameters(self) -> dict[str, float]:
        """Return the hyperparameters of the search by name: the settings that say how to tune."""
        return {name: float(getattr(self, name)) for name in self._tuned()}

    def sampled_hyperparameters(self) -> list[dict[str, float]]:
        """Return the hyperparameters that tuning tries, those of the search first."""
        rng = np.random.default_rng([self.seed, 1])
        searched = self.hyperparameters()
        varied = [self._varied(searched, rng) for _ in range(self.tuning_samples - 1)]
        return [searched, *varied]

    def _varied(self, searched: dict[str, float], rng: np.random.Generator) -> dict[str, float]:
        tuned = self._tuned()
        drawn = {name: rng.uniform(-1, 1) for name, how in tuned.items() if how is not fixed}
        return {
            name: how(self, searched[name], drawn.get(name, 0.0)) for name, how in tuned.items()
        }

    def _tuned(self) -> dict[str, Tuned]:
        declared = {field.name: field.metadata["tuned"] for field in dataclasses.fields(self)}
        return {name: how for name, how in declared.items() if how is not None}


def inherited(name: str, default: Any, **changes: Any) -> Any:
    """Declare a field of `SearchSettings` again, for a method that has another default.

    Args:
        name: The field.
        default: Its default here.
        **changes: What else differs, as arguments of `setting`.
    """
    metadata = SearchSettings.__dataclass_fields__[name].metadata
    return dataclasses.field(default=default, metadata={**metadata, **changes})


@dataclasses.dataclass(frozen=True)
class GraphSettings(SearchSettings):
    """What methods on knowledge graphs have in common beside that."""

    unseen_entities: str = setting(
        "error",
        "What to do with entities that only validation or test has: refuse them, keep them, "
        "or drop their triples.",
        choices=UNSEEN_ENTITIES,
    )
