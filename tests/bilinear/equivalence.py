"""What changes a structure, and leaves what it can model as it was."""

from __future__ import annotations

import numpy as np


def transform(
    structures: np.ndarray,
    entity_order: np.ndarray,
    relation_labels: np.ndarray,
    relation_signs: np.ndarray,
) -> np.ndarray:
    """Apply one element of the group of equivalences.

    If B is the result then f_B(h', r', t') = f_A(h, r, t) for h'_i = h_{e_i}, t'_i = t_{e_i} and
    r'_{p_k} = s_k r_k, with e, p and s the three arguments.

    Args:
        structures: `int8[..., K, K]`.
        entity_order: `int[K]`, a permutation e of 0..K-1; block i of the result is block e_i.
        relation_labels: `int[K]`, a permutation p of 1..K; relation block k becomes p_k.
        relation_signs: `int[K]`, s_k in {-1, 1}, the factor on relation block k.

    Returns:
        `int8[..., K, K]`.
    """
    signed = np.asarray(relation_labels) * np.asarray(relation_signs)
    table = np.concatenate([-signed[::-1], [0], signed]).astype(np.int8)
    permuted = structures[..., entity_order, :][..., entity_order]
    return table[permuted + len(signed)]
