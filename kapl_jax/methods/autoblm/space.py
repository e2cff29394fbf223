"""The search space of AutoBLM and AutoBLM+: all scoring structures of K blocks."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from itertools import permutations
from typing import Any

import numpy as np

from kapl_jax.bilinear.algebra import (
    are_equivalent,
    canonical_form,
    is_degenerate,
    symmetry_features,
)
from kapl_jax.bilinear.presets import preset, preset_names
from kapl_jax.bilinear.structures import (
    MAX_BLOCKS,
    count_blocks,
    parse_structure,
    random_structures,
)
from kapl_jax.errors import UserError
from kapl_jax.explain.formulas import formula_latex, formula_text

_PROPOSALS = 4096


@dataclass(frozen=True)
class BlockSpace:
    """Structures `int8[K, K]`, a `kapl_jax.search.space` that grows its candidates.

    The operators are those of Zhang, Yao, Kwok (TPAMI 2022): progressive search starts from one
    block per row and adds two per stage; evolution changes each entry with probability 2/K² and
    crosses entry by entry.

    Attributes:
        num_blocks: K, 1 to 6.
        max_nonzero: most non-zero blocks of a valid structure; None for K².
        growth: blocks added by `grow`.
    """

    num_blocks: int = 4
    max_nonzero: int | None = None
    growth: int = 2

    def __post_init__(self) -> None:
        """Check the settings.

        Raises:
            UserError: a setting is out of range.
        """
        if not 1 <= self.num_blocks <= MAX_BLOCKS:
            raise UserError(f"num_blocks={self.num_blocks}: expected 1 to {MAX_BLOCKS}")
        if not self.num_blocks <= self._largest <= self.num_blocks**2:
            raise UserError(
                f"max_nonzero={self.max_nonzero}: expected {self.num_blocks} to "
                f"{self.num_blocks**2} for {self.num_blocks} blocks"
            )
        if self.growth < 1:
            raise UserError(f"growth={self.growth}: expected at least 1")

    @property
    def _largest(self) -> int:
        return self.num_blocks**2 if self.max_nonzero is None else self.max_nonzero

    def sample(self, rng: np.random.Generator, count: int) -> np.ndarray:
        """Draw valid structures, `int8[count, K, K]`.

        The number of non-zero blocks is uniform over K..max_nonzero (drawn entry by entry, nearly
        all structures would be nearly full); given it, all valid structures are equally likely.
        """
        sizes = rng.integers(self.num_blocks, self._largest, count, endpoint=True)
        found = np.zeros((count, self.num_blocks, self.num_blocks), np.int8)
        missing = np.arange(count)
        while missing.size:
            slots = np.resize(missing, max(_PROPOSALS, missing.size))
            proposals = random_structures(rng, self.num_blocks, sizes[slots])
            valid = self.is_valid(proposals)
            filled, where = np.unique(slots[valid], return_index=True)
            found[filled] = proposals[valid][where]
            missing = np.setdiff1d(missing, filled)
        return found

    def mutate(self, rng: np.random.Generator, candidate: np.ndarray) -> np.ndarray:
        """Redraw each entry with probability 2/K², as 0 or a signed block with equal chance.

        The published code draws from all of -K..K alike, which fills structures up: the good ones
        are sparse.
        """
        chosen = rng.random(candidate.shape) < 2 / candidate.size
        blocks = rng.integers(1, self.num_blocks, candidate.shape, endpoint=True)
        drawn = blocks * rng.choice([-1, 0, 0, 1], candidate.shape)
        return np.where(chosen, drawn, candidate).astype(np.int8)

    def cross_over(
        self, rng: np.random.Generator, first: np.ndarray, second: np.ndarray
    ) -> np.ndarray:
        """Take each entry from one of the two structures with equal chance."""
        return np.where(rng.random(first.shape) < 0.5, first, second)

    def canonical(self, candidates: np.ndarray) -> np.ndarray:
        """Return the representative of each structure's class (`bilinear.algebra`)."""
        return canonical_form(candidates)

    def is_valid(self, candidates: np.ndarray) -> np.ndarray:
        """Tell which structures are not degenerate and not too large, `bool[n]`.

        A structure that lacks a relation block is degenerate; so is one with fewer than K
        non-zero blocks.
        """
        return ~is_degenerate(candidates) & (count_blocks(candidates) <= self._largest)

    def features(self, candidates: np.ndarray) -> np.ndarray:
        """Return the symmetry features and the share of non-zero blocks, `float32[n, F + 1]`."""
        share = count_blocks(candidates)[:, None] / self.num_blocks**2
        return np.concatenate([symmetry_features(candidates), share], axis=1, dtype=np.float32)

    def describe(self, candidate: np.ndarray) -> str:
        """Return the scoring function as a formula."""
        return formula_text(candidate)

    def seeds(self, rng: np.random.Generator, count: int) -> np.ndarray:
        """Return up to `count` structures of K blocks, in random order, no two equivalent.

        A valid structure of K blocks is a permutation in which each relation block occurs
        once; up to equivalence there is one for each type of cycles (5 for K = 4).
        """
        orders = np.array(list(permutations(range(self.num_blocks))))
        structures = np.zeros((len(orders), self.num_blocks, self.num_blocks), np.int8)
        labels = np.arange(1, self.num_blocks + 1, dtype=np.int8)
        np.put_along_axis(structures, orders[:, :, None], labels[None, :, None], axis=2)
        distinct = np.unique(self.canonical(structures), axis=0)
        return rng.permutation(distinct)[:count]

    def grow(self, rng: np.random.Generator, candidate: np.ndarray) -> np.ndarray:
        """Fill `growth` empty entries (or all, if fewer are left) with random signed blocks."""
        empty = np.flatnonzero(candidate == 0)
        chosen = rng.permutation(empty)[: self.growth]
        relations = rng.integers(1, self.num_blocks, len(chosen), endpoint=True)
        grown = candidate.copy()
        grown.flat[chosen] = relations * rng.choice([-1, 1], len(chosen))
        return grown

    def size(self, candidates: np.ndarray) -> np.ndarray:
        """Count the non-zero blocks, `int64[n]`."""
        return count_blocks(candidates)

    def start(self, rng: np.random.Generator, count: int) -> np.ndarray:
        """Return what evolution starts from: as published the structures of K blocks."""
        return self.seeds(rng, count)

    def presets(self) -> dict[str, np.ndarray]:
        """Return the known scoring functions by name."""
        names = preset_names(self.num_blocks)
        return {name: preset(name, self.num_blocks) for name in names}

    def parse(self, text: str, source: str) -> np.ndarray:
        """Return the structure of text such as `1 0; 0 2`, int8[K, K].

        Raises:
            UserError: It is none, or one of another number of blocks.
        """
        if text[0].isalpha():
            known = ", ".join(self.presets())
            raise UserError(f"{source}: preset {text!r} is not known, expected one of {known}")
        structure = parse_structure(text, source)
        if len(structure) != self.num_blocks:
            raise UserError(
                f"{source}={text!r}: found {len(structure)} blocks, expected "
                f"--num_blocks={self.num_blocks}"
            )
        return structure

    def record(self, candidate: np.ndarray) -> dict[str, Any]:
        """Return the structure as lists, its formula, and presets that are the same."""
        presets = self.presets().items()
        return {
            "structure": candidate.tolist(),
            "formula": formula_text(candidate),
            "latex": formula_latex(candidate),
            "equivalent_to": [name for name, one in presets if are_equivalent(candidate, one)],
        }

    def read(self, record: Mapping[str, Any]) -> np.ndarray:
        """Return the structure of such a record, int8[K, K]; see `StructureSpace.read`."""
        structure = np.array(record["structure"], np.int8)
        if structure.shape != (self.num_blocks, self.num_blocks):
            raise ValueError(f"structure of shape {structure.shape}")
        return structure
