"""The search strategies, by name."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

from kapl_jax.search.archive import Archive
from kapl_jax.search.searcher import Searcher
from kapl_jax.search.searchers.evolutionary import Evolutionary
from kapl_jax.search.searchers.one_shot import OneShot, Proxy
from kapl_jax.search.searchers.progressive import Progressive
from kapl_jax.search.searchers.random import Random

__all__ = ["REGISTRY", "Evolutionary", "Factory", "OneShot", "Progressive", "Proxy", "Random"]

Factory = Callable[[Any, Proxy, int], Searcher[Archive]]
"""`(space, proxy, seed) -> searcher`; all but the one-shot searcher leave proxy and seed alone."""

REGISTRY: dict[str, Factory] = {
    "random": lambda space, proxy, seed: Random(space),
    "progressive": lambda space, proxy, seed: Progressive(space),
    "evolutionary": lambda space, proxy, seed: Evolutionary(space),
    "one_shot": OneShot,
}
