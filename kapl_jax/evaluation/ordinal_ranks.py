"""Ranks as RED-GNN's published program counted them until August 2022, to compare with its tables.

They are too good. Entities out of reach all score the same, and the program told equal scores apart
by the order of entities, among all entities and among the known answers alike. The difference of
the two places leaves an answer out of reach behind those reached entities only that are listed
after it, often behind none. The figures of the paper's transductive tables (WWW 2022) are of that
kind; ranks of this library are realistic, see `kapl_jax.evaluation.ranking`.
"""

from __future__ import annotations

import numpy as np
from scipy.stats import rankdata


def ordinal_ranks(scores: np.ndarray, known: np.ndarray, answers: np.ndarray) -> np.ndarray:
    """Return the rank int64[K] of each answer.

    Args:
        scores: float[B, N], of all entities for each query.
        known: bool[B, N], right answers of all splits, those to rank among them.
        answers: bool[B, N], those to rank, K in all; the ranks are in their order.
    """
    above_worst = scores - scores.min(axis=1, keepdims=True)
    among_all = rankdata(-above_worst, method="ordinal", axis=1)
    among_known = rankdata(-above_worst * known, method="ordinal", axis=1)
    ranks: np.ndarray = (among_all - among_known + 1)[answers]
    return ranks
