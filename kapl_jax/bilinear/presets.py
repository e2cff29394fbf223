"""Known bilinear scoring functions as structures, by name.

Textbook functions are built for every number of blocks for which they make sense; the structures
that AutoSF found and published exist for four blocks. A preset need not pass the filter of the
search: CP leaves blocks unused by its nature (see `_cp`).
"""

from __future__ import annotations

from collections.abc import Callable, Sequence
from dataclasses import dataclass

import numpy as np

from kapl_jax.bilinear.structures import MAX_BLOCKS, from_published
from kapl_jax.errors import UserError


@dataclass(frozen=True)
class Preset:
    """A named family of structures.

    Attributes:
        name: what users type.
        title: how papers write it.
        source: where it was published.
        build: makes the `int8[K, K]` structure for a fitting K.
        fits: tells whether the function exists for K blocks.
        needs: the condition on K in words, for error messages.
    """

    name: str
    title: str
    source: str
    build: Callable[[int], np.ndarray]
    fits: Callable[[int], bool]
    needs: str


def preset_names(num_blocks: int = 4) -> tuple[str, ...]:
    """Return the names of all presets that exist for `num_blocks`, textbook functions first."""
    return tuple(name for name, entry in PRESETS.items() if _exists(entry, num_blocks))


def preset(name: str, num_blocks: int = 4) -> np.ndarray:
    """Return the structure of a preset, a fresh `int8[K, K]`.

    Raises:
        UserError: there is no such preset, or not for this number of blocks.
    """
    if name not in PRESETS:
        raise UserError(f"preset '{name}' is not known, expected one of {', '.join(PRESETS)}")
    entry = PRESETS[name]
    if not _exists(entry, num_blocks):
        raise UserError(f"preset '{name}' needs {entry.needs}, found {num_blocks} blocks")
    return entry.build(num_blocks)


def _exists(entry: Preset, num_blocks: int) -> bool:
    return 1 <= num_blocks <= MAX_BLOCKS and entry.fits(num_blocks)


def _distmult(num_blocks: int) -> np.ndarray:
    """Build <h, r, t>: every block meets itself."""
    return np.diag(np.arange(1, num_blocks + 1)).astype(np.int8)


def _complex_pairs(num_blocks: int, num_pairs: int) -> np.ndarray:
    """Build DistMult whose last blocks hold `num_pairs` complex vectors instead.

    All real parts stand before all imaginary parts. Re(h r conj(t)) has the terms (real, real
    part of r, real), (imaginary, real part of r, imaginary), (real, imaginary part of r,
    imaginary) and, negative, (imaginary, imaginary part of r, real).
    """
    structure = _distmult(num_blocks)
    for pair in range(num_pairs):
        real = num_blocks - 2 * num_pairs + pair
        imaginary = real + num_pairs
        structure[imaginary, imaginary] = real + 1
        structure[real, imaginary] = imaginary + 1
        structure[imaginary, real] = -(imaginary + 1)
    return structure


def _complex(num_blocks: int) -> np.ndarray:
    """Build Re(h r conj(t)): the first half of the blocks is real, the second imaginary."""
    return _complex_pairs(num_blocks, num_blocks // 2)


def _analogy(num_blocks: int) -> np.ndarray:
    """Build DistMult on the first blocks and ComplEx on the rest.

    The paper leaves the share of real scalars free; as usual it is half of the blocks where K is a
    multiple of four, else the ComplEx part is the next smaller one, at least one pair.
    """
    return _complex_pairs(num_blocks, max(1, num_blocks // 4))


def _simple(num_blocks: int) -> np.ndarray:
    """Build <h_head, r, t_tail> + <t_head, r_inverse, h_tail>.

    The first half of an entity's blocks is its head part, the second half its tail part; the first
    half of a relation's blocks is r, the second half its inverse. The textbook takes the mean of
    both terms; the factor 1/2 makes no difference to what the function can express.
    """
    half = num_blocks // 2
    return np.roll(_distmult(num_blocks), half, axis=1)


def _cp(num_blocks: int) -> np.ndarray:
    """Build <h_head, r, t_tail> alone, with the parts as in `_simple`.

    The tail part of a head and the head part of a tail do not enter the score, and neither does
    the second half of a relation's blocks, so that this structure is degenerate: at equal embedding
    dimension it trains half of its parameters. That is CP's weakness, not a fault of the encoding.
    """
    structure = _simple(num_blocks)
    structure[num_blocks // 2 :] = 0
    return structure


def _quate(num_blocks: int) -> np.ndarray:
    """Build the inner product of h ⊗ r (Hamilton product) with t.

    Blocks are the parts 1, i, j, k. QuatE also scales each quaternion of the relation to length
    one; that is not bilinear and is left out.
    """
    del num_blocks
    return np.array([[1, 2, 3, 4], [-2, 1, -4, 3], [-3, 4, 1, -2], [-4, -3, 2, 1]], np.int8)


def _is_even(num_blocks: int) -> bool:
    return num_blocks % 2 == 0


def _is_four(num_blocks: int) -> bool:
    return num_blocks == 4


def _searched(graph: str, title: str, values: Sequence[int]) -> Preset:
    """Wrap a structure of the file searched_SFs.txt of AutoSF's repository."""
    return Preset(
        name=f"autosf_{graph}",
        title=f"AutoSF ({title})",
        source="Zhang, Yao, Dai, Chen: AutoSF: Searching Scoring Functions for Knowledge Graph "
        "Embedding, ICDE 2020; values from github.com/AutoML-Research/AutoSF, searched_SFs.txt",
        build=lambda num_blocks: from_published(values, num_blocks),
        fits=_is_four,
        needs="4 blocks",
    )


_TEXTBOOK = (
    Preset(
        name="distmult",
        title="DistMult",
        source="Yang, Yih, He, Gao, Deng: Embedding Entities and Relations for Learning and "
        "Inference in Knowledge Bases, ICLR 2015",
        build=_distmult,
        fits=lambda num_blocks: True,
        needs="any number of blocks",
    ),
    Preset(
        name="complex",
        title="ComplEx",
        source="Trouillon, Welbl, Riedel, Gaussier, Bouchard: Complex Embeddings for Simple Link "
        "Prediction, ICML 2016",
        build=_complex,
        fits=_is_even,
        needs="an even number of blocks",
    ),
    Preset(
        name="analogy",
        title="ANALOGY",
        source="Liu, Wu, Yang: Analogical Inference for Multi-relational Embeddings, ICML 2017",
        build=_analogy,
        fits=lambda num_blocks: num_blocks >= 3,
        needs="at least 3 blocks",
    ),
    Preset(
        name="simple",
        title="SimplE",
        source="Kazemi, Poole: SimplE Embedding for Link Prediction in Knowledge Graphs, "
        "NeurIPS 2018",
        build=_simple,
        fits=_is_even,
        needs="an even number of blocks",
    ),
    Preset(
        name="cp",
        title="CP",
        source="Hitchcock: The Expression of a Tensor or a Polyadic as a Sum of Products, 1927; "
        "Lacroix, Usunier, Obozinski: Canonical Tensor Decomposition for Knowledge Base "
        "Completion, ICML 2018",
        build=_cp,
        fits=_is_even,
        needs="an even number of blocks",
    ),
    Preset(
        name="quate",
        title="QuatE (unnormalised)",
        source="Zhang, Tay, Yao, Liu: Quaternion Knowledge Graph Embeddings, NeurIPS 2019",
        build=_quate,
        fits=_is_four,
        needs="4 blocks",
    ),
)

# Flat lists as published: K values, then groups (relation, head, tail, sign).
_WN18 = [3, 2, 1, 0, 3, 3, 2, -1, 0, 2, 3, -1, 1, 0, 1, 1, 2, 1, 0, 1, 2, 2, 0, -1, 1, 0, 2, -1]
_FB15K = [3, 2, 1, 0, 1, 0, 1, 1, 2, 1, 0, 1]
_WN18RR = [1, 0, 2, 3, 3, 1, 1, 1, 3, 0, 0, 1, 0, 3, 2, -1, 1, 2, 3, -1, 1, 3, 1, -1, 0, 1, 3, -1]
_FB15K237 = [2, 1, 3, 0]
_YAGO310 = [0, 1, 2, 3, 1, 3, 1, -1, 2, 1, 3, -1]

_SEARCHED = (
    _searched("wn18", "WN18", _WN18),
    _searched("fb15k", "FB15k", _FB15K),
    _searched("wn18rr", "WN18RR", _WN18RR),
    _searched("fb15k237", "FB15k-237", _FB15K237),
    _searched("yago310", "YAGO3-10", _YAGO310),
)

PRESETS: dict[str, Preset] = {entry.name: entry for entry in _TEXTBOOK + _SEARCHED}
