"""Every setting of ColdNAS, with its default and meaning."""

from __future__ import annotations

import dataclasses

import numpy as np

from kapl_jax.data.cold_start import ColdStartData
from kapl_jax.data.cold_start_loading import load_cold_start
from kapl_jax.data.cold_start_protocol import SCENARIOS, Protocol
from kapl_jax.data.rating_range import OUT_OF_RANGE, AllowedRatings, parse_allowed_ratings
from kapl_jax.errors import UserError
from kapl_jax.methods.coldnas.problem import ColdNASOptions
from kapl_jax.methods.settings import SearchSettings
from kapl_jax.modulation.structures import parse_structure, preset, preset_names
from kapl_jax.runs.settings import setting
from kapl_jax.search.searchers import REGISTRY

METRICS = ("mse", "mae", "ndcg_at_3", "ndcg_at_5")
# How far tuning goes from the given hyperparameters: a factor, drawn log-uniformly.
_LEARNING_RATE_FACTOR = 3.0
_WEIGHT_DECAY_FACTOR = 10.0
_LARGEST_WIDTH, _MOST_LAYERS = 65_536, 16


@dataclasses.dataclass(frozen=True)
class ColdNASSettings(SearchSettings):
    """The settings of one ColdNAS run; the program's flags are made from them."""

    dataset: str = setting(
        "planted", "Registered ratings (lastfm, ml-100k, ml-1m, planted), a folder or a CSV file."
    )
    workdir: str = setting(
        "runs/coldnas", "Run directory; continued if it exists.", path=True, identity=False
    )
    objective: str = setting("mse", "Metric to search for.", choices=METRICS)
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
    candidates: int = setting(96, "Structures to train in the search, at least.", low=1)
    structure: str = setting(
        "",
        "Skip the search: preset names or structures like 'shift; -; max scale; -', separated by "
        "'|'.",
    )
    epochs: int = setting(40, "Epochs of a structure in the search and in tuning.", low=1)
    evaluate_search_every: int = setting(
        5, "Epochs between validations in search and tuning; the best counts. 0: the last.", low=0
    )
    one_shot_pool: int = setting(
        256, "Structures that a supernet scores at a time.", low=2, high=100_000
    )
    one_shot_epochs: int = setting(60, "Most epochs of a supernet.", low=1)
    supernets: int = setting(
        4, "Supernets, of one seed each (differentiable searcher).", low=1, high=1000
    )
    landscape: int = setting(
        0,
        "Structures to train to see how well one-shot scores rank them; 0: none.",
        low=0,
        high=100_000,
    )
    keep_gain: float = setting(
        0.95,
        "Also train the smallest part of the best structure that keeps so much of its gain over no "
        "modulation; 0: do not.",
        low=0,
        high=1,
    )
    pruning_seeds: int = setting(
        3, "Seeds of each structure on the way to that part.", low=1, high=1000
    )
    tuning_samples: int = setting(
        4, "Hyperparameters tried a structure; 1: none.", low=1, high=10_000
    )
    final_epochs: int = setting(60, "Most epochs at the end; validation picks the best.", low=1)
    evaluate_every: int = setting(5, "Epochs between validations at the end.", low=1)
    seeds: int = setting(10, "Seeds of each structure at the end.", low=1, high=10_000)
    published_protocol: bool = setting(
        False, "Also train with epochs selected on test users, as the published program does."
    )

    embedding_dim: int = setting(
        32, "Embedding dimension of each field.", low=1, high=_LARGEST_WIDTH
    )
    hidden_units: str = setting("128,64,32", "Widths of the predictor's hidden layers.")
    context_dim: int = setting(256, "Width of the set encoder.", low=1, high=_LARGEST_WIDTH)
    network_units: int = setting(
        4, "Hidden units of a modulation network (--search_space=networks).", low=1, high=64
    )
    batch_size: int = setting(32, "Users in a batch.", low=1, high=2**20)
    learning_rate: float = setting(1e-4, "Learning rate of the first epoch.", low=1e-8, high=10)
    decay: float = setting(1.0, "Factor on the learning rate after each epoch.", low=0.1, high=1)
    weight_decay: float = setting(0.5, "Decoupled weight decay.", low=0, high=1e4)
    unseen_rate: float = setting(
        0.1, "Share of users and items that training hides, as if never seen.", low=0, high=1
    )
    redraw: bool = setting(True, "Draw support and query of the training users anew each epoch.")

    rating_range: str = setting(
        "", "The least and the largest rating, such as 1,5; empty: as found, or usual."
    )
    out_of_range: str = setting(
        "refuse", "What becomes of ratings out of the range.", choices=OUT_OF_RANGE
    )
    split_seed: int = setting(0, "Seed of the split into tasks, where the data have none.", low=0)
    min_ratings: int = setting(13, "Users with fewer ratings are left out.", low=2)
    max_ratings: int = setting(100, "Users with more ratings are left out.", low=2)
    query_items: int = setting(10, "Ratings of a user that are asked; the rest support.", low=1)
    train_share: float = setting(0.7, "Share of the users to train on.", low=0, high=1)
    valid_share: float = setting(0.1, "Share of the users to select on.", low=0, high=1)
    scenario: str = setting("user_cold", "What is new in a test task.", choices=SCENARIOS)
    new_items_since: int = setting(1998, "Year from which items are new (item_cold).")

    def __post_init__(self) -> None:
        """Check every value.

        Raises:
            UserError: A value is out of range or does not fit another.
        """
        super().__post_init__()
        if self.search_space == "networks" and self.structure:
            raise UserError("--structure: given with --search_space=networks, expected operations")
        if self.search_space == "networks" and self.searcher in ("differentiable", "progressive"):
            raise UserError(
                f"--searcher={self.searcher}: does not search --search_space=networks, expected "
                "random, evolutionary, one_shot or decoupled"
            )
        if self.search_space == "networks" and self.landscape:
            raise UserError("--landscape: given with --search_space=networks, expected operations")
        self.protocol()
        self.allowed_ratings()
        self.given_structures()
        self.preset_names()

    @property
    def positions(self) -> int:
        """C, the number of positions that can be modulated."""
        return self.search_options().positions

    def protocol(self) -> Protocol:
        """Return the numbers of the cold-start protocol."""
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

    def given_structures(self) -> dict[str, np.ndarray]:
        """Return the structures of --structure by name, in order; empty for a search."""
        known = preset_names(self.positions)
        named = {}
        given = [part.strip() for part in self.structure.split("|") if part.strip()]
        for number, text in enumerate(given, start=1):
            name = text if text in known else f"given-{number}"
            structure = (
                preset(text, self.positions)
                if text in known
                else parse_structure(text, "--structure")
            )
            if len(structure) != self.positions:
                raise UserError(
                    f"--structure={text!r}: found {len(structure)} positions, expected "
                    f"{self.positions}, one more than --hidden_units={self.hidden_units}"
                )
            named[name] = structure
        return named

    def preset_names(self) -> tuple[str, ...]:
        """Return the presets to compare with."""
        known = preset_names(self.positions)
        if self.presets in ("all", "none"):
            return known if self.presets == "all" else ()
        names = tuple(name.strip() for name in self.presets.split(",") if name.strip())
        for name in names:
            if name not in known:
                raise UserError(
                    f"--presets: found {name!r}, expected 'all', 'none' or some of "
                    f"{', '.join(known)}"
                )
        return names

    def search_options(self) -> ColdNASOptions:
        """Return the training options, the same in all stages."""
        return ColdNASOptions(
            embedding_dim=self.embedding_dim,
            hidden_units=self._hidden_units(),
            context_dim=self.context_dim,
            batch_size=self.batch_size,
            objective=self.objective,
            redraw=self.redraw,
        )

    def final_options(self) -> ColdNASOptions:
        """Return the training options of tuning and of the last stage: those of the search."""
        return self.search_options()

    def base_hyperparameters(self) -> dict[str, float]:
        """Return the hyperparameters of the search."""
        return {
            "learning_rate": self.learning_rate,
            "decay": self.decay,
            "weight_decay": self.weight_decay,
            "unseen_rate": self.unseen_rate,
        }

    def varied_hyperparameters(self, rng: np.random.Generator) -> dict[str, float]:
        """Return hyperparameters around those of the search; see `SearchSettings`."""
        base = self.base_hyperparameters()
        rate, weight_decay, unseen = rng.uniform(-1, 1, 3)
        return {
            "learning_rate": base["learning_rate"] * _LEARNING_RATE_FACTOR**rate,
            "decay": base["decay"],
            "weight_decay": base["weight_decay"] * _WEIGHT_DECAY_FACTOR**weight_decay,
            "unseen_rate": min(1.0, base["unseen_rate"] * (1 + unseen)),
        }

    def _hidden_units(self) -> tuple[int, ...]:
        parts = [part.strip() for part in self.hidden_units.split(",")]
        if len(parts) > _MOST_LAYERS or not all(
            part.isdecimal() and 0 < int(part) <= _LARGEST_WIDTH for part in parts
        ):
            raise UserError(
                f"--hidden_units={self.hidden_units!r}: expected widths separated by commas, such "
                f"as 128,64,32, none above {_LARGEST_WIDTH} and at most {_MOST_LAYERS}"
            )
        return tuple(int(part) for part in parts)


def load_data(settings: ColdNASSettings) -> ColdStartData:
    """Return the data that the settings name.

    Raises:
        UserError: They cannot be used.
    """
    return load_cold_start(
        settings.dataset, settings.data_dir or None, settings.protocol(), settings.allowed_ratings()
    )
