"""ColdNAS's search space: which operations modulate at which position."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any

import numpy as np

from kapl_jax.errors import UserError
from kapl_jax.explain.modulation import modulation_expressions, modulation_latex
from kapl_jax.modulation.structures import (
    OPERATIONS,
    parse_structure,
    preset,
    preset_names,
    structure_text,
)


@dataclass(frozen=True)
class ModulationSpace:
    """Structures bool[C, 4]; all are valid and distinct, and they can be grown.

    Attributes:
        positions: C.
    """

    positions: int = 4

    def sample(self, rng: np.random.Generator, count: int) -> np.ndarray:
        """Draw structures; every number of operations is equally likely."""
        cells = self.positions * len(OPERATIONS)
        sizes = rng.integers(0, cells + 1, count)
        ranks = np.argsort(rng.random((count, cells)), axis=1)
        return (ranks < sizes[:, None]).reshape(count, self.positions, len(OPERATIONS))

    def mutate(self, rng: np.random.Generator, candidate: np.ndarray) -> np.ndarray:
        """Switch operations on or off, one or two on average."""
        flips = rng.random(candidate.shape) < 1.5 / candidate.size
        return candidate ^ flips

    def cross_over(
        self, rng: np.random.Generator, first: np.ndarray, second: np.ndarray
    ) -> np.ndarray:
        """Take each position from one of two structures."""
        return np.where(rng.random((len(first), 1)) < 0.5, first, second)

    def canonical(self, candidates: np.ndarray) -> np.ndarray:
        """Return the candidates: no two are equivalent."""
        return candidates

    def is_valid(self, candidates: np.ndarray) -> np.ndarray:
        """Tell that all are valid."""
        return np.ones(len(candidates), bool)

    def features(self, candidates: np.ndarray) -> np.ndarray:
        """Return each operation's presence, and the numbers by position and by operation."""
        cells = candidates.astype(np.float32)
        return np.concatenate(
            [cells.reshape(len(cells), -1), cells.sum(axis=1), cells.sum(axis=2)], axis=1
        )

    def describe(self, candidate: np.ndarray) -> str:
        """Return one line, such as `max shift; -; scale; -`."""
        return structure_text(candidate)

    def seeds(self, rng: np.random.Generator, count: int) -> np.ndarray:
        """Return the structures of one operation, in random order."""
        cells = self.positions * len(OPERATIONS)
        single = np.eye(cells, dtype=bool).reshape(cells, self.positions, len(OPERATIONS))
        return rng.permutation(single)[:count]

    def grow(self, rng: np.random.Generator, candidate: np.ndarray) -> np.ndarray:
        """Switch on one operation more."""
        free = np.flatnonzero(~candidate)
        grown = candidate.copy()
        if len(free):
            grown.flat[rng.choice(free)] = True
        return grown

    def size(self, candidates: np.ndarray) -> np.ndarray:
        """Count the operations."""
        return candidates.reshape(len(candidates), -1).sum(axis=1)

    def start(self, rng: np.random.Generator, count: int) -> np.ndarray:
        """Return what evolution starts from: structures of one operation, then samples."""
        sampled = self.sample(rng, count)
        return np.concatenate([self.seeds(rng, count), sampled])[:count]

    def presets(self) -> dict[str, np.ndarray]:
        """Return the known structures by name."""
        return {name: preset(name, self.positions) for name in preset_names(self.positions)}

    def parse(self, text: str, source: str) -> np.ndarray:
        """Return the structure of text such as `shift; -; max scale; -`.

        Raises:
            UserError: It is none, or one of another number of positions.
        """
        structure = parse_structure(text, source)
        if len(structure) != self.positions:
            raise UserError(
                f"{source}={text!r}: found {len(structure)} positions, expected {self.positions}, "
                "one more than --hidden_units"
            )
        return structure

    def record(self, candidate: np.ndarray) -> dict[str, Any]:
        """Return the structure as lists, in words and formulas, and presets that are the same."""
        presets = self.presets().items()
        return {
            "structure": candidate.tolist(),
            "formula": structure_text(candidate),
            "expressions": modulation_expressions(candidate),
            "latex": modulation_latex(candidate),
            "equivalent_to": [name for name, one in presets if np.array_equal(one, candidate)],
        }

    def read(self, record: Mapping[str, Any]) -> np.ndarray:
        """Return the structure of such a record, bool[C, 4]; see `StructureSpace.read`."""
        structure = np.array(record["structure"], bool)
        if structure.shape != (self.positions, len(OPERATIONS)):
            raise ValueError(f"structure of shape {structure.shape}")
        return structure
