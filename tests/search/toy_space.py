"""A space without any graph: strings of bits, equivalent when one is a rotation of the other."""

from __future__ import annotations

import dataclasses

import numpy as np


@dataclasses.dataclass(frozen=True)
class BitStrings:
    """Strings `int8[length]` with at least `fewest` ones."""

    length: int = 12
    fewest: int = 2

    def sample(self, rng, count):
        drawn = rng.integers(0, 2, (count, self.length)).astype(np.int8)
        return np.where(self.is_valid(drawn)[:, None], drawn, np.int8(1))

    def mutate(self, rng, candidate):
        flips = rng.random(self.length) < 2 / self.length
        return candidate ^ flips.astype(np.int8)

    def cross_over(self, rng, first, second):
        return np.where(rng.random(self.length) < 0.5, first, second)

    def canonical(self, candidates):
        shifts = (np.arange(self.length)[:, None] + np.arange(self.length)) % self.length
        rotations = candidates[:, shifts]
        values = rotations @ (1 << np.arange(self.length))
        return rotations[np.arange(len(candidates)), values.argmin(axis=1)]

    def is_valid(self, candidates):
        return candidates.sum(axis=1) >= self.fewest

    def features(self, candidates):
        """How many pairs of ones lie d apart, d = 0.. length / 2: blind to rotation."""
        pairs = [
            (candidates & np.roll(candidates, distance, axis=1)).sum(axis=1)
            for distance in range(self.length // 2 + 1)
        ]
        return np.stack(pairs, axis=1).astype(np.float32)

    def describe(self, candidate):
        return "".join(map(str, candidate))

    def seeds(self, rng, count):
        pairs = np.zeros((self.length // 2, self.length), np.int8)
        pairs[:, 0] = 1
        pairs[np.arange(len(pairs)), np.arange(len(pairs)) + 1] = 1
        return rng.permutation(pairs)[:count]

    def grow(self, rng, candidate):
        grown = candidate.copy()
        empty = np.flatnonzero(candidate == 0)
        if len(empty):
            grown[rng.choice(empty)] = 1
        return grown

    def size(self, candidates):
        return candidates.sum(axis=1)

    def all_classes(self):
        """One valid string of each class."""
        values = np.arange(2**self.length)[:, None] >> np.arange(self.length)
        strings = (values & 1).astype(np.int8)
        return np.unique(self.canonical(strings[self.is_valid(strings)]), axis=0)


def planted_objective(space, seed, ones):
    """Return a score with a hidden best: how near the features are to those of a random string."""
    order = np.random.default_rng([seed, 77]).permutation(space.length)
    target = space.features((order < ones).astype(np.int8)[None])
    return lambda candidates: -np.abs(space.features(candidates) - target).sum(axis=1)
