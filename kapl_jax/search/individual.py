"""Individuals: a candidate with its hyperparameters and seed, and cohorts of them as arrays."""

from __future__ import annotations

import dataclasses
import hashlib
import zlib
from collections.abc import Mapping, Sequence
from typing import Any

import flax.struct
import jax
import jax.numpy as jnp
import numpy as np

from kapl_jax.search.problem import EpochKeys


@dataclasses.dataclass(frozen=True)
class Individual:
    """One thing to train.

    Attributes:
        candidate: The candidate's array.
        hyperparameters: Numbers that keep shapes, by name; the same names in a whole cohort.
        seed: Seed of its initial values and of the order of its data.
        name: A name for people, where the candidate has one.
    """

    candidate: np.ndarray
    hyperparameters: Mapping[str, float]
    seed: int
    name: str | None = None

    @property
    def stamp(self) -> int:
        """A 32-bit number made of the candidate alone, from which its keys are derived."""
        array = np.ascontiguousarray(self.candidate)
        return zlib.crc32(array.tobytes(), zlib.crc32(str(array.shape).encode()))

    @property
    def id(self) -> str:
        """Twelve hexadecimal digits that tell this individual from all others."""
        array = np.ascontiguousarray(self.candidate)
        numbers = [f"{name}={value!r}" for name, value in sorted(self.hyperparameters.items())]
        text = f"{array.dtype}{array.shape}{numbers}{self.seed}{self.name or ''}"
        return hashlib.sha256(text.encode() + array.tobytes()).hexdigest()[:12]


@flax.struct.dataclass
class Cohort:
    """Individuals as arrays with the population axis first.

    Attributes:
        candidate: `[P, ...]`.
        hyperparameters: float32[P] by name.
        stamp: uint32[P], see `Individual.stamp`.
        seed: uint32[] when all individuals share it, else uint32[P].
    """

    candidate: Any
    hyperparameters: dict[str, Any]
    stamp: Any
    seed: Any

    @property
    def axes(self) -> Cohort:
        """The population axis of every leaf, for `vmap`: 0, or None for a shared seed."""
        return Cohort(
            candidate=0,
            hyperparameters=dict.fromkeys(self.hyperparameters, 0),
            stamp=0,
            seed=0 if np.ndim(self.seed) else None,
        )


def make_cohort(individuals: Sequence[Individual], size: int) -> Cohort:
    """Stack individuals, repeating the last one up to `size`.

    A seed shared by all is kept as a scalar, so that what depends on it alone is computed once.
    """
    padded = [*individuals, *[individuals[-1]] * (size - len(individuals))]
    seeds = np.array([one.seed for one in padded], np.uint32)
    names = padded[0].hyperparameters
    return Cohort(
        candidate=np.stack([one.candidate for one in padded]),
        hyperparameters={
            name: np.array([one.hyperparameters[name] for one in padded], np.float32)
            for name in names
        },
        stamp=np.array([one.stamp for one in padded], np.uint32),
        seed=seeds[0] if np.all(seeds == seeds[0]) else seeds,
    )


def initial_key(seed: jax.Array, stamp: jax.Array) -> jax.Array:
    """Return the key from which an individual is initialised."""
    return jax.random.fold_in(jax.random.fold_in(jax.random.key(seed), stamp), 0)


def epoch_keys(seed: jax.Array, stamp: jax.Array, epoch: jax.Array) -> EpochKeys:
    """Return the keys of one epoch (int32[] from 0)."""
    root = jax.random.key(seed)
    later = jnp.asarray(epoch, jnp.uint32) + 1
    own = jax.random.fold_in(jax.random.fold_in(root, stamp), later)
    return EpochKeys(order=jax.random.fold_in(jax.random.fold_in(root, 0), later), own=own)
