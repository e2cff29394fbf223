"""The three ways in which a candidate modulates, each with its slow counterpart."""

from __future__ import annotations

import dataclasses
from collections.abc import Callable

import jax
import numpy as np

from kapl_jax.modulation.networks import network_modulate, network_size
from kapl_jax.modulation.operations import Modulate, modulate, relaxed_modulate
from tests.modulation.slow import SlowModulate, slow_modulate, slow_network, slow_relaxed

HIDDEN = 2


@dataclasses.dataclass(frozen=True)
class Kind:
    """How candidates of a kind modulate, how they are drawn, and the slow way."""

    modulate: Callable[[jax.Array], Modulate]
    draw: Callable[[np.random.Generator, int], np.ndarray]
    slow: Callable[[np.ndarray], SlowModulate]


def random_structure(rng: np.random.Generator, positions: int) -> np.ndarray:
    return rng.random((positions, 4)) < 0.5


def random_gates(rng: np.random.Generator, positions: int) -> np.ndarray:
    return rng.random((positions, 4)).astype(np.float32)


def random_networks(rng: np.random.Generator, positions: int) -> np.ndarray:
    return rng.normal(0, 0.5, (positions, network_size(HIDDEN))).astype(np.float32)


def networks(weights: jax.Array) -> Modulate:
    return network_modulate(weights, HIDDEN)


KINDS = {
    "structure": Kind(modulate, random_structure, slow_modulate),
    "relaxed": Kind(relaxed_modulate, random_gates, slow_relaxed),
    "networks": Kind(networks, random_networks, lambda weights: slow_network(weights, HIDDEN)),
}
