"""The space of ColdNAS+: modulation by small networks, whose weights are the structure."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any

import numpy as np

from kapl_jax.errors import UserError
from kapl_jax.methods.coldnas.space import ModulationSpace
from kapl_jax.modulation.networks import INPUTS, network_size
from kapl_jax.modulation.structures import OPERATIONS

_NUM = len(INPUTS)
_PROBES = 24
_SPREAD = 0.5
_STEP = 0.2
_SHARE_OF_IDENTITIES = 0.4


@dataclass(frozen=True)
class NetworkSpace:
    """Weights float32[C, n] of a network at each position, a `kapl_jax.search.space.Space`.

    Permuting hidden units, or turning the sign of one (tanh is odd), gives the same function:
    canonical forms order units and give each a positive outgoing weight.

    Attributes:
        positions: C.
        hidden: Hidden units of a network.
    """

    positions: int = 4
    hidden: int = 4

    @property
    def identity(self) -> np.ndarray:
        """The weights float32[C, n] that leave every value untouched."""
        weights = np.zeros((self.positions, network_size(self.hidden)), np.float32)
        weights[:, 0] = 1.0
        return weights

    def of_operations(self, structure: np.ndarray) -> np.ndarray:
        """Return the weights that do what a structure bool[C, 4] of scale and shift does.

        Raises:
            ValueError: It has a maximum or a minimum, which a network can only come near.
        """
        scale, shift = OPERATIONS.index("scale"), OPERATIONS.index("shift")
        if structure[:, : min(scale, shift)].any():
            raise ValueError("only scale and shift can be written as a network")
        weights = self.identity
        weights[:, INPUTS.index("φ4")] = structure[:, shift]
        weights[:, INPUTS.index("x (φ3 - 1)")] = structure[:, scale]
        return weights

    def sample(self, rng: np.random.Generator, count: int) -> np.ndarray:
        """Draw weights around the identity; some positions are left untouched."""
        shape = (count, self.positions, network_size(self.hidden))
        noise = rng.normal(0, _SPREAD, shape)
        untouched = rng.random(shape[:2]) < _SHARE_OF_IDENTITIES
        return (self.identity + np.where(untouched[..., None], 0, noise)).astype(np.float32)

    def mutate(self, rng: np.random.Generator, candidate: np.ndarray) -> np.ndarray:
        """Move the weights of one position, or of all, a little; at times reset a position."""
        moved = candidate + rng.normal(0, _STEP, candidate.shape)
        chosen = rng.integers(self.positions)
        here = (np.arange(self.positions) == chosen)[:, None]
        if rng.random() < 0.2:
            return np.where(here, self.identity, candidate).astype(np.float32)
        everywhere = rng.random() < 0.3
        return np.where(here | everywhere, moved, candidate).astype(np.float32)

    def cross_over(
        self, rng: np.random.Generator, first: np.ndarray, second: np.ndarray
    ) -> np.ndarray:
        """Take each position from one of two structures."""
        return np.where(rng.random((self.positions, 1)) < 0.5, first, second)

    def canonical(self, candidates: np.ndarray) -> np.ndarray:
        """Return the representatives: outgoing weights positive, units in order of them."""
        linear, units = self._units(candidates)
        signs = np.where(units[..., -1:] < 0, -1, 1).astype(units.dtype)
        units = units * signs
        order = np.argsort(units[..., -1], axis=-1, kind="stable")
        units = np.take_along_axis(units, order[..., None], axis=-2)
        matrix = units[..., :_NUM].reshape(*units.shape[:-2], -1)
        return np.concatenate([linear, matrix, units[..., -2], units[..., -1]], axis=-1)

    def is_valid(self, candidates: np.ndarray) -> np.ndarray:
        """Tell which have only finite weights."""
        return np.isfinite(candidates).all(axis=(1, 2))

    def features(self, candidates: np.ndarray) -> np.ndarray:
        """Return the networks' values at fixed points: what they do, not how they are written."""
        points = np.random.default_rng(0).normal(size=(_PROBES, _NUM))
        linear, units = self._units(candidates)
        inner = np.einsum("ncui,pi->ncup", units[..., :_NUM], points) + units[..., -2, None]
        values = np.einsum("ncup,ncu->ncp", np.tanh(inner), units[..., -1])
        values += np.einsum("nci,pi->ncp", linear, points)
        return values.reshape(len(candidates), -1).astype(np.float32)

    def describe(self, candidate: np.ndarray) -> str:
        """Return one line: at each position the slopes of the function at the origin."""
        linear, units = self._units(candidate[None])
        factor = (1 - np.tanh(units[..., -2]) ** 2) * units[..., -1]
        slopes = (linear + np.einsum("ncu,ncui->nci", factor, units[..., :_NUM]))[0]
        names = [name.replace(" ", "") for name in INPUTS]
        return "; ".join(
            "-"
            if np.array_equal(weights, untouched)
            else " ".join(f"{name}:{slope:+.1f}" for name, slope in zip(names, row, strict=True))
            for weights, untouched, row in zip(candidate, self.identity, slopes, strict=True)
        )

    def start(self, rng: np.random.Generator, count: int) -> np.ndarray:
        """Return what evolution starts from: samples."""
        return self.sample(rng, count)

    def presets(self) -> dict[str, np.ndarray]:
        """Return the known structures by name; a maximum or minimum has no equal here."""
        known = ModulationSpace(self.positions).presets()
        return {
            name: self.of_operations(one) for name, one in known.items() if not one[:, :2].any()
        }

    def parse(self, text: str, source: str) -> np.ndarray:
        """Refuse text: weights are not written by hand.

        Raises:
            UserError: Always.
        """
        raise UserError(f"{source}: found {text!r}, expected one of {', '.join(self.presets())}")

    def record(self, candidate: np.ndarray) -> dict[str, Any]:
        """Return the weights as lists, and what they do at the origin."""
        return {"structure": candidate.tolist(), "formula": self.describe(candidate)}

    def read(self, record: Mapping[str, Any]) -> np.ndarray:
        """Return the weights of such a record, float32[C, n]; see `StructureSpace.read`."""
        weights = np.array(record["structure"], np.float32)
        if weights.shape != self.identity.shape:
            raise ValueError(f"structure of shape {weights.shape}")
        return weights

    def _units(self, candidates: np.ndarray) -> tuple[np.ndarray, np.ndarray]:
        """Return linear parts [n, C, I] and units [n, C, H, I + 2]: weights, bias, weight out."""
        linear, matrix, bias, out = np.split(
            candidates,
            [_NUM, _NUM + self.hidden * _NUM, _NUM + self.hidden * (_NUM + 1)],
            axis=-1,
        )
        matrix = matrix.reshape(*matrix.shape[:-1], self.hidden, _NUM)
        return linear, np.concatenate([matrix, bias[..., None], out[..., None]], axis=-1)
