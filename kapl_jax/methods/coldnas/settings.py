"""Every setting of ColdNAS, with its default and meaning."""

from __future__ import annotations

import dataclasses
from collections.abc import Mapping
from typing import Any

import numpy as np

from kapl_jax.data.cold_start import ColdStartData
from kapl_jax.data.cold_start_loading import load_cold_start
from kapl_jax.data.cold_start_protocol import SCENARIOS, Protocol
from kapl_jax.data.rating_range import OUT_OF_RANGE, AllowedRatings, parse_allowed_ratings
from kapl_jax.errors import UserError
from kapl_jax.methods.coldnas.network_space import NetworkSpace
from kapl_jax.methods.coldnas.problem import ColdNASOptions
from kapl_jax.methods.coldnas.space import ModulationSpace
from kapl_jax.methods.settings import SearchSettings, fixed, inherited, log
from kapl_jax.runs.settings import setting
from kapl_jax.search.searchers import REGISTRY

METRICS = ("mse", "mae", "ndcg_at_3", "ndcg_at_5")
_LARGEST_WIDTH, _MOST_LAYERS = 65_536, 16


@dataclasses.dataclass(frozen=True)
class ColdNASSettings(SearchSettings):
    """The settings of one ColdNAS run; the program's flags are made from them."""

    dataset: str = setting(
        "planted", "Registered ratings (lastfm, ml-100k, ml-1m, planted), a folder or a CSV file."
    )
    workdir: str = inherited("workdir", "runs/coldnas")
    objective: str = setting("mse", "Metric by which structures are compared.", choices=METRICS)
    search_space: str = setting(
        "operations",
        "What a structure is: operations at each position (ColdNAS) or small networks (ColdNAS+).",
        choices=["operations", "networks"],
    )
    searcher: str = setting(
        "evolutionary",
        "How structures are proposed; differentiable is ColdNAS's own, decoupled ColdNAS+'s.",
        choices=list(REGISTRY),
    )
    candidates: int = inherited("candidates", 96)
    structure: str = setting(
        "",
        "Skip the search: preset names or structures like 'shift; -; max scale; -', separated by "
        "'|'.",
    )
    epochs: int = inherited("epochs", 40)
    evaluate_search_every: int = inherited("evaluate_search_every", 5)
    one_shot_pool: int = inherited("one_shot_pool", 256)
    one_shot_epochs: int = inherited(
        "one_shot_epochs", 60, meaning="Most epochs of training of a supernet."
    )
    supernets: int = setting(
        4, "Supernets to train, with one seed each (differentiable searcher).", low=1, high=1000
    )
    landscape: int = setting(
        0,
        "Random structures to train, to see how well one-shot scores rank them; 0: none.",
        low=0,
        high=100_000,
    )
    keep_gain: float = setting(
        0.95,
        "Also train the smallest part of the best structure that keeps this share of its "
        "gain over no modulation; 0: no pruning.",
        low=0,
        high=1,
    )
    pruning_seeds: int = setting(
        3, "Seeds per structure in pruning (--keep_gain).", low=1, high=1000
    )
    tuning_samples: int = inherited("tuning_samples", 4)
    evaluate_every: int = inherited("evaluate_every", 5)
    seeds: int = inherited("seeds", 10)
    published_protocol: bool = setting(
        False, "Also train with epochs selected on test users, as the published program does."
    )

    embedding_dim: int = setting(
        32, "Embedding dimension of each field.", low=1, high=_LARGEST_WIDTH
    )
    hidden_units: str = setting(
        "128,64,32", "Widths of the predictor's hidden layers, separated by commas."
    )
    context_dim: int = setting(256, "Width of the set encoder.", low=1, high=_LARGEST_WIDTH)
    network_units: int = setting(
        4, "Hidden units of a modulation network (--search_space=networks).", low=1, high=64
    )
    batch_size: int = setting(32, "Users per batch.", low=1, high=2**20)
    learning_rate: float = setting(
        1e-4, "Learning rate of the first epoch.", low=1e-8, high=10, tuned=log(3.0)
    )
    decay: float = setting(
        1.0,
        "Factor that multiplies the learning rate after each epoch.",
        low=0.1,
        high=1,
        tuned=fixed,
    )
    weight_decay: float = setting(0.5, "Decoupled weight decay.", low=0, high=1e4, tuned=log(10.0))
    unseen_rate: float = setting(
        0.1,
        "Share of users and items that training hides, as if never seen.",
        low=0,
        high=1,
        tuned=lambda settings, value, at: min(1.0, value * (1 + at)),
    )
    redraw: bool = setting(
        True, "Draw the support and query sets of the training users anew each epoch."
    )

    rating_range: str = setting(
        "",
        "Smallest and largest rating, such as 1,5; empty: those of the format, or else of "
        "the data.",
    )
    out_of_range: str = setting(
        "refuse", "What to do with ratings outside the range.", choices=OUT_OF_RANGE
    )
    split_seed: int = setting(
        0, "Seed of the split into tasks, for data that come without tasks.", low=0
    )
    min_ratings: int = setting(13, "Users with fewer ratings are left out.", low=2)
    max_ratings: int = setting(100, "Users with more ratings are left out.", low=2)
    query_items: int = setting(
        10,
        "Ratings per user that are to be predicted (query); the others are given (support).",
        low=1,
    )
    train_share: float = setting(
        0.7, "Share of the users to train on. Allowed: more than 0, less than 1."
    )
    valid_share: float = setting(
        0.1,
        "Share of the users to validate on; the rest are test users. Allowed: more than 0, less "
        "than 1 with --train_share.",
    )
    scenario: str = setting(
        "user_cold", "What is new in a test task: the user, the items or both.", choices=SCENARIOS
    )
    new_items_since: int = setting(
        1998, "Year from which items are new (item_cold and user_and_item_cold)."
    )

    def __post_init__(self) -> None:
        """Check every value.

        Raises:
            UserError: A value is out of range or does not fit another.
        """
        super().__post_init__()
        if self.search_space == "networks" and self.structure:
            raise UserError(
                "--structure: given with --search_space=networks, expected "
                "--search_space=operations"
            )
        if self.search_space == "networks" and self.searcher in ("differentiable", "progressive"):
            raise UserError(
                f"--searcher={self.searcher}: does not search --search_space=networks, expected "
                "random, evolutionary, one_shot or decoupled"
            )
        if self.search_space == "networks" and self.landscape:
            raise UserError(
                "--landscape: given with --search_space=networks, expected "
                "--search_space=operations"
            )
        self.protocol()
        self.allowed_ratings()
        self.widths()

    @property
    def positions(self) -> int:
        """C, the number of positions that can be modulated."""
        return len(self.widths()) + 1

    @property
    def is_symbolic(self) -> bool:
        """Whether a structure is operations, not networks."""
        return self.search_space == "operations"

    def protocol(self) -> Protocol:
        """Return the settings of the cold-start protocol."""
        return Protocol(
            seed=self.split_seed,
            min_ratings=self.min_ratings,
            max_ratings=self.max_ratings,
            query_items=self.query_items,
            train_share=self.train_share,
            valid_share=self.valid_share,
            scenario=self.scenario,
            new_items_since=self.new_items_since,
        )

    def allowed_ratings(self) -> AllowedRatings:
        """Return which ratings are allowed."""
        return parse_allowed_ratings(self.rating_range, self.out_of_range)

    def widths(self) -> tuple[int, ...]:
        """Return the widths of the predictor's hidden layers.

        Raises:
            UserError: --hidden_units does not say them.
        """
        parts = [part.strip() for part in self.hidden_units.split(",")]
        if len(parts) > _MOST_LAYERS or not all(
            part.isdecimal() and 0 < int(part) <= _LARGEST_WIDTH for part in parts
        ):
            raise UserError(
                f"--hidden_units={self.hidden_units!r}: expected widths separated by commas, such "
                f"as 128,64,32, none above {_LARGEST_WIDTH} and at most {_MOST_LAYERS}"
            )
        return tuple(int(part) for part in parts)


def load_data(settings: ColdNASSettings, config: Mapping[str, Any]) -> ColdStartData:
    """Return the data that the settings name.

    Raises:
        UserError: They cannot be used.
    """
    del config
    return load_cold_start(
        settings.dataset, settings.data_dir or None, settings.protocol(), settings.allowed_ratings()
    )


def make_space(settings: ColdNASSettings) -> ModulationSpace | NetworkSpace:
    """Return the space that is searched."""
    if settings.is_symbolic:
        return ModulationSpace(settings.positions)
    return NetworkSpace(settings.positions, settings.network_units)


def training_options(
    settings: ColdNASSettings, structure: np.ndarray, final: bool
) -> ColdNASOptions:
    """Return what is fixed for programs, the same in all stages; see `Method.options`."""
    del structure, final
    return ColdNASOptions(
        embedding_dim=settings.embedding_dim,
        hidden_units=settings.widths(),
        context_dim=settings.context_dim,
        batch_size=settings.batch_size,
        objective=settings.objective,
        redraw=settings.redraw,
        network_units=0 if settings.is_symbolic else settings.network_units,
    )
