"""The search strategies, by name."""

from __future__ import annotations

from collections.abc import Callable

from kapl_jax.search.archive import Archive
from kapl_jax.search.searcher import Searcher
from kapl_jax.search.searchers.context import Proxy, Relaxation, SearchContext, Start
from kapl_jax.search.searchers.decoupled import Decoupled
from kapl_jax.search.searchers.differentiable import Differentiable
from kapl_jax.search.searchers.evolutionary import Evolutionary
from kapl_jax.search.searchers.one_shot import OneShot
from kapl_jax.search.searchers.progressive import Progressive
from kapl_jax.search.searchers.random import Random

__all__ = [
    "REGISTRY",
    "Decoupled",
    "Differentiable",
    "Evolutionary",
    "Factory",
    "OneShot",
    "Progressive",
    "Proxy",
    "Random",
    "Relaxation",
    "SearchContext",
    "Start",
]

Factory = Callable[[SearchContext], Searcher[Archive]]

REGISTRY: dict[str, Factory] = {
    "random": lambda given: Random(given.space),
    "progressive": lambda given: Progressive(given.space),
    "evolutionary": lambda given: Evolutionary(given.space, start=given.start),
    "one_shot": lambda given: OneShot(given.space, given.proxy, given.seed, given.pool_size),
    "decoupled": lambda given: Decoupled(given.space, given.proxy, given.seed, given.pool_size),
    "differentiable": lambda given: Differentiable(given.space, given.relaxation),
}
