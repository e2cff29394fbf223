"""Scoring structures as arrays: checking, reading, writing, drawing at random.

A structure is an `int8[K, K]` array A with entries in -K..K. It defines the score

    f(h, r, t) = sum over i, j of sign(A_ij) <h_i, r_|A_ij|, t_j>,

where h_i is the i-th of K equal consecutive slices of the embedding (Zhang, Yao, Kwok: Bilinear
Scoring Function Search for Knowledge Graph Learning, TPAMI 2022, arXiv 2107.00184). An entry 0
leaves the pair (h_i, t_j) out. Batches of structures are `int8[n, K, K]`.
"""

from __future__ import annotations

from collections.abc import Sequence

import numpy as np

from kapl_jax.errors import UserError

MAX_BLOCKS = 6
"""Largest supported K; canonical forms try all K! orders of the entity blocks."""


def validate_structure(structure: np.ndarray | Sequence[Sequence[int]]) -> np.ndarray:
    """Return `structure` as a fresh `int8[K, K]`.

    Raises:
        ValueError: it is not a square matrix of integers in -K..K with 1 <= K <= 6.
    """
    array = np.asarray(structure)
    if array.ndim != 2 or array.shape[0] != array.shape[1]:
        raise ValueError(f"a structure has as many rows as columns, found shape {array.shape}")
    return validate_structures(array[None])[0]


def validate_structures(structures: np.ndarray) -> np.ndarray:
    """Return a batch of structures as a fresh `int8[n, K, K]`.

    Raises:
        ValueError: the shape is not [n, K, K] with 1 <= K <= 6, or an entry is not an integer in
            -K..K.
    """
    array = np.asarray(structures)
    if array.ndim != 3 or array.shape[1] != array.shape[2]:
        raise ValueError(f"structures have the shape [n, K, K], found {array.shape}")
    num_blocks = array.shape[1]
    if not 1 <= num_blocks <= MAX_BLOCKS:
        raise ValueError(f"a structure has 1 to {MAX_BLOCKS} blocks per side, found {num_blocks}")
    if array.size and not np.issubdtype(array.dtype, np.integer):
        raise ValueError(f"the entries of a structure are integers, found {array.dtype}")
    outside = array[(array < -num_blocks) | (array > num_blocks)]
    if outside.size:
        raise ValueError(
            f"the entries of a structure of {num_blocks} blocks lie in "
            f"{-num_blocks}..{num_blocks}, found {outside[0]}"
        )
    return array.astype(np.int8)


def parse_structure(text: str, source: str = "structure") -> np.ndarray:
    """Read the one-line form: rows separated by `;`, entries by spaces or commas.

    Args:
        text: for instance "1 0 0 0; 0 2 0 0; 0 0 3 4; 0 0 -4 3".
        source: what error messages name as the origin, a flag or a file and line.

    Returns:
        `int8[K, K]`, K the number of rows.

    Raises:
        UserError: the text is not a structure.
    """
    rows = [row.replace(",", " ").split() for row in text.strip().rstrip(";").split(";")]
    num_blocks = len(rows)
    for number, row in enumerate(rows, start=1):
        if len(row) != num_blocks:
            raise UserError(
                f"{source}: row {number} of {num_blocks} has {len(row)} entries, "
                f"expected {num_blocks}, as in '1 0; 0 2'"
            )
    try:
        return validate_structure([[_parse_entry(word) for word in row] for row in rows])
    except ValueError as error:
        raise UserError(f"{source}: {error}") from None


def _parse_entry(word: str) -> int:
    try:
        return int(word)
    except ValueError:
        raise ValueError(f"the entries of a structure are integers, found '{word}'") from None


def from_published(values: Sequence[int], num_blocks: int = 4) -> np.ndarray:
    """Read the flat list in which AutoSF publishes the structures it found.

    The first K values a_1..a_K give the blocks <h_k, r_k, t_{a_k}>; then groups of four follow,
    (relation block, head block, tail block, sign). All blocks count from 0.

    Raises:
        ValueError: the list has a wrong length, a block or sign is out of range, or two terms fall
            on the same pair of head and tail block.
    """
    if len(values) < num_blocks or (len(values) - num_blocks) % 4:
        raise ValueError(f"expected {num_blocks} + 4 n values, found {len(values)}")
    terms = [(block, block, tail, 1) for block, tail in enumerate(values[:num_blocks])]
    groups = values[num_blocks:]
    terms += [
        (groups[i], groups[i + 1], groups[i + 2], groups[i + 3]) for i in range(0, len(groups), 4)
    ]
    structure = np.zeros((num_blocks, num_blocks), np.int8)
    for relation, head, tail, sign in terms:
        if not all(0 <= block < num_blocks for block in (relation, head, tail)):
            raise ValueError(f"blocks lie in 0..{num_blocks - 1}, found {relation, head, tail}")
        if sign not in (-1, 1):
            raise ValueError(f"a sign is 1 or -1, found {sign}")
        if structure[head, tail]:
            raise ValueError(f"head block {head} and tail block {tail} meet twice")
        structure[head, tail] = sign * (relation + 1)
    return structure


def transpose(structures: np.ndarray) -> np.ndarray:
    """Swap the roles of head and tail in `[..., K, K]`: f of the result (h, r, t) is f(t, r, h)."""
    return np.swapaxes(structures, -1, -2)


def count_blocks(structures: np.ndarray) -> np.ndarray:
    """Count the non-zero blocks of each structure, `[..., K, K]` -> `int64[...]`."""
    return np.count_nonzero(structures, axis=(-1, -2))


def used_relation_blocks(structures: np.ndarray) -> np.ndarray:
    """Tell which relation blocks occur, `int8[..., K, K]` -> `bool[..., K]`."""
    num_blocks = structures.shape[-1]
    labels = np.arange(1, num_blocks + 1, dtype=np.int8)
    flat = np.abs(structures).reshape(*structures.shape[:-2], 1, num_blocks**2)
    return (flat == labels[:, None]).any(axis=-1)


def random_structures(
    rng: np.random.Generator, num_blocks: int, sizes: np.ndarray | Sequence[int]
) -> np.ndarray:
    """Draw structures uniformly among those with given numbers of non-zero blocks.

    Args:
        rng: the source of randomness.
        num_blocks: K.
        sizes: `int[n]`, the number of non-zero blocks of each, within 0..K².

    Returns:
        `int8[n, K, K]`; degenerate ones occur.
    """
    sizes = np.asarray(sizes)
    cells = num_blocks * num_blocks
    order = rng.random((len(sizes), cells)).argsort(axis=1).argsort(axis=1)
    relations = rng.integers(1, num_blocks, (len(sizes), cells), dtype=np.int8, endpoint=True)
    signs = 1 - 2 * rng.integers(0, 2, (len(sizes), cells), dtype=np.int8)
    flat = np.where(order < sizes[:, None], relations * signs, 0)
    return flat.astype(np.int8).reshape(-1, num_blocks, num_blocks)
