"""Algebra of scoring structures: equivalence, degeneracy, and the relations they can model.

For a relation embedding r a structure A gives the bilinear form f(h, r, t) = h' G(r) t. Its block
(i, j) is sign(A_ij) diag(r_|A_ij|), so that the coordinates inside a block never mix: whatever is
asked of G below is answered by the K×K matrix G(r) of numbers, for r in R^K. Definitions follow
Zhang, Yao, Kwok (TPAMI 2022, arXiv 2107.00184), sections on expressiveness, filter and predictor.

**Equivalence.** Three kinds of change of A are undone by changing the embeddings: permuting the
entity blocks (the same way for heads and tails), permuting the relation blocks, and flipping the
sign of relation blocks. Structures that differ by such changes score alike and are trained only
once. (Flipping the sign of entity blocks, A_ij -> s_i s_j A_ij, is undone just as well; the paper
does not count it, and neither does this module, so that figures stay comparable.)

**Degeneracy.** A structure is degenerate if some non-zero h gives f(h, r, t) = 0 for all r and t,
or some non-zero t for all h and r, or some non-zero r for all h and t. The published test, that A
as a matrix of the numbers -K..K has determinant 0 or lacks a relation block, differs in three ways:
it also rejects structures that are not degenerate (rows [1, 2] and [2, 4] are proportional as
numbers, but not as forms); its verdict depends on how relation blocks are numbered, so that one of
two equivalent structures may pass; and in floating point a determinant of 0 may miss zero. The test
here is exact. Passing the published one in exact arithmetic implies passing this one.
"""

from __future__ import annotations

from dataclasses import dataclass
from functools import lru_cache
from itertools import permutations

import numpy as np

from kapl_jax.bilinear.structures import used_relation_blocks

# --- equivalence ---------------------------------------------------------------------------------


def canonical_form(structures: np.ndarray) -> np.ndarray:
    """Return the representative of each structure's equivalence class.

    For every order of the entity blocks, relation blocks are numbered as they first appear when
    reading row by row, each with sign + at its first appearance. The lexicographically largest of
    the K! results represents the class.

    Args:
        structures: `int8[n, K, K]`.

    Returns:
        `int8[n, K, K]`; two rows are equal if and only if the structures are equivalent.
    """
    num_blocks = structures.shape[-1]
    best = _relabel(structures)
    for order in list(permutations(range(num_blocks)))[1:]:
        other = _relabel(structures[:, order, :][:, :, order])
        best = np.where(_comes_before(best, other)[:, None], other, best)
    return best.reshape(structures.shape)


def _relabel(structures: np.ndarray) -> np.ndarray:
    """Number relation blocks by first appearance, first sign +: `[n, K, K]` -> `int8[n, K²]`."""
    count, num_blocks, _ = structures.shape
    flat = structures.reshape(count, num_blocks**2)
    labels = np.arange(1, num_blocks + 1, dtype=np.int8)
    occurs = np.abs(flat)[:, None, :] == labels[:, None]
    first = occurs.argmax(axis=-1)
    sign = np.sign(np.take_along_axis(flat, first, axis=1))
    # A block that is absent must not take a number; what its own entry says is never read.
    first = np.where(occurs.any(axis=-1), first, flat.shape[1])
    new_label = ((first[:, None, :] < first[:, :, None]).sum(axis=-1, dtype=np.int8) + 1) * sign
    zero = np.zeros((count, 1), np.int8)
    table = np.concatenate([-new_label[:, ::-1], zero, new_label], axis=1, dtype=np.int8)
    return np.take_along_axis(table, flat.astype(np.intp) + num_blocks, axis=1)


def _comes_before(first: np.ndarray, second: np.ndarray) -> np.ndarray:
    """Compare rows of `int8[n, m]` lexicographically, `bool[n]`: first < second."""
    position = (first != second).argmax(axis=1)[:, None]
    smaller = np.take_along_axis(first, position, 1) < np.take_along_axis(second, position, 1)
    return smaller[:, 0]


def are_equivalent(first: np.ndarray, second: np.ndarray) -> bool:
    """Tell whether two structures `int8[K, K]` differ only by the three kinds of equivalence."""
    if first.shape != second.shape:
        return False
    forms = canonical_form(np.stack([first, second]))
    return bool((forms[0] == forms[1]).all())


# --- degeneracy ----------------------------------------------------------------------------------


def is_degenerate(structures: np.ndarray) -> np.ndarray:
    """Tell which structures are degenerate (see the module's text), exactly.

    Args:
        structures: `int8[n, K, K]`.

    Returns:
        `bool[n]`.
    """
    unused = ~used_relation_blocks(structures).all(axis=-1)
    return unused | _has_head_kernel(structures) | _has_head_kernel(structures.swapaxes(-1, -2))


def _has_head_kernel(structures: np.ndarray) -> np.ndarray:
    """Tell whether some non-zero h gives score 0 with all r and t, `bool[n]`.

    f vanishes for all r and t if for each relation block k and tail block j the sum of
    sign(A_ij) h_i over the i with |A_ij| = k is 0. The Gram matrix of this linear system has the
    entries sum over j of sign(A_ij A_lj) [|A_ij| = |A_lj|], and it is singular if and only if a
    solution other than 0 exists.
    """
    above, below = structures[:, :, None, :], structures[:, None, :, :]
    same = (above == below) & (above != 0)
    opposite = (above == -below) & (above != 0)
    return ~_is_positive_definite(same.sum(-1) - opposite.sum(-1))


def _is_positive_definite(gram: np.ndarray) -> np.ndarray:
    """Tell which positive semidefinite integer matrices `int64[n, K, K]` are definite, exactly.

    Fraction-free (Bareiss) elimination turns the pivots into the leading principal minors, which
    are all positive if and only if the matrix is definite (Sylvester). No pivoting is needed: a
    minor of 0 settles the matter, and what is computed after it does not count.
    """
    gram = gram.astype(np.int64)
    definite = np.ones(len(gram), bool)
    previous = np.ones((len(gram), 1, 1), np.int64)
    for _ in range(gram.shape[-1]):
        pivot = gram[:, :1, :1]
        definite &= pivot[:, 0, 0] > 0
        rest = pivot * gram[:, 1:, 1:] - gram[:, 1:, :1] * gram[:, :1, 1:]
        gram = np.where(definite[:, None, None], rest // previous, 0)
        previous = np.where(definite[:, None, None], pivot, 1)
    return definite


# --- relations that can be modelled --------------------------------------------------------------


@dataclass(frozen=True)
class RelationPatterns:
    """Kinds of relation that a structure can model by some choice of real r.

    Attributes:
        symmetric: some r has G(r) = G(r)' ≠ 0, so that f(h, r, t) = f(t, r, h).
        antisymmetric: some r has G(r) = -G(r)' ≠ 0, so that f(h, r, t) = -f(t, r, h).
        inverse: two different relations can be inverse to each other: some r and q have
            G(q) = G(r)' ≠ G(r). (G(q) = G(r)' = G(r) would be a symmetric relation that is its
            own inverse.) Then G(r - q) is antisymmetric and not 0; and if G(r) is antisymmetric
            then q = -r will do: the same structures as `antisymmetric`.
        general: some r has G(r) neither symmetric nor antisymmetric: a relation that holds in both
            directions for some pairs and in one for others.
        general_inverse: as `inverse`, with G(r) neither symmetric nor antisymmetric. From
            r + q and r - q one sees that this is `symmetric` and `antisymmetric` together, the
            paper's condition for a structure that handles all common kinds of relation.
    """

    symmetric: bool
    antisymmetric: bool
    inverse: bool
    general: bool
    general_inverse: bool


def relation_patterns(structure: np.ndarray) -> RelationPatterns:
    """Return what kinds of relation `int8[K, K]` can model, exactly."""
    symmetric, antisymmetric, nonzero = (rows[0] for rows in _behaviours(structure[None]))
    can_symmetric = bool((symmetric & nonzero).any())
    can_antisymmetric = bool((antisymmetric & nonzero).any())
    return RelationPatterns(
        symmetric=can_symmetric,
        antisymmetric=can_antisymmetric,
        inverse=can_antisymmetric,
        general=bool((nonzero & ~symmetric & ~antisymmetric).any()),
        general_inverse=can_symmetric and can_antisymmetric,
    )


def symmetry_features(structures: np.ndarray) -> np.ndarray:
    """Compute the symmetry-related features of the performance predictor.

    Relation values r in R^K are grouped by the shape of r: how many blocks are 0 and how the others
    fall into classes of equal absolute value (for K = 4: 4, 3+1, 2+2, 2+1+1, 1+1+1+1, 3, 2+1, ...).
    Two features per group tell whether some r in it makes G(r) ≠ 0 symmetric, and whether some
    r makes it antisymmetric. AutoSF (ICDE 2020) uses these 22 for K = 4; AutoBLM+'s code merges
    groups with the same number of zeros and of classes into 20.

    Args:
        structures: `int8[n, K, K]`.

    Returns:
        `float32[n, F]` of zeros and ones, all symmetric features first; F = 12, 22, 36 for
        K = 3, 4, 5. Equivalent structures have equal features.
    """
    symmetric, antisymmetric, nonzero = _behaviours(structures)
    starts = _value_classes(structures.shape[-1]).group_starts
    found = [
        np.logical_or.reduceat(rows & nonzero, starts, axis=1)
        for rows in (symmetric, antisymmetric)
    ]
    return np.concatenate(found, axis=1).astype(np.float32)


def _behaviours(structures: np.ndarray) -> tuple[np.ndarray, np.ndarray, np.ndarray]:
    """Tell for each class of relation values what G(r) is like.

    Args:
        structures: `int8[n, K, K]`.

    Returns:
        Three `bool[n, C]`: G(r) = G(r)', G(r) = -G(r)', G(r) ≠ 0.
    """
    classes = _value_classes(structures.shape[-1])
    num_blocks = structures.shape[-1]
    codes = structures.astype(np.intp) + num_blocks
    shape = (len(structures), len(classes.values))
    symmetric, antisymmetric = np.ones(shape, bool), np.ones(shape, bool)
    for i in range(num_blocks):
        for j in range(i + 1):
            symmetric &= classes.equal[codes[:, i, j], codes[:, j, i]]
            antisymmetric &= classes.opposite[codes[:, i, j], codes[:, j, i]]
    used = used_relation_blocks(structures).astype(np.float32)
    nonzero = used @ (classes.values != 0).astype(np.float32).T > 0
    return symmetric, antisymmetric, nonzero


@dataclass(frozen=True)
class _ValueClasses:
    """All ways in which the K values of r can be zero, equal or opposite, without repetition.

    Whether G(r) is (anti)symmetric depends on r only through which r_k are 0 and which r_k = ±r_l:
    a handful of classes (23, 115, 647 for K = 3, 4, 5) instead of all of R^K or of {-K..K}^K.

    Attributes:
        values: `int8[C, K]`, one r a class, sorted by group.
        group_starts: `int[G]`, the first class of each group (see `symmetry_features`).
        equal: `bool[2K+1, 2K+1, C]`, whether entries a and b (shifted by K) give equal values.
        opposite: the same for opposite values.
    """

    values: np.ndarray
    group_starts: np.ndarray
    equal: np.ndarray
    opposite: np.ndarray


@lru_cache(maxsize=8)
def _value_classes(num_blocks: int) -> _ValueClasses:
    rows = sorted((row for row in _value_rows(num_blocks) if any(row)), key=_group_of)
    groups = [_group_of(row) for row in rows]
    starts = [k for k, group in enumerate(groups) if k == 0 or group != groups[k - 1]]
    values = np.array(rows, np.int8)
    zero = np.zeros((len(rows), 1), np.int8)
    entry = np.concatenate([-values[:, ::-1], zero, values], axis=1).T
    return _ValueClasses(
        values=values,
        group_starts=np.array(starts),
        equal=entry[:, None] == entry[None],
        opposite=entry[:, None] == -entry[None],
    )


def _value_rows(length: int) -> list[tuple[int, ...]]:
    """List r up to relabelling absolute values: new ones in order 1, 2, ..., and positive first."""
    if length == 0:
        return [()]
    rows = []
    for row in _value_rows(length - 1):
        largest = max(map(abs, row), default=0)
        rows += [(*row, value) for value in range(-largest, largest + 2)]
    return rows


def _group_of(row: tuple[int, ...]) -> tuple[int, ...]:
    """Return the number of zeros and the sizes of the classes of equal absolute value."""
    sizes = [sum(abs(value) == k for value in row) for k in range(1, len(row) + 1)]
    return (row.count(0), *sorted(sizes, reverse=True))
