from __future__ import annotations

import jax
import jax.numpy as jnp
import numpy as np
import pytest

from kapl_jax.bilinear.model import BilinearModel
from kapl_jax.bilinear.scoring import signed_one_hot

N, R, D = 7, 3, 8
STRUCTURE = np.array([[1, 0, -2, 0], [0, 2, 0, 3], [4, 0, -1, 0], [0, -3, 0, 1]], np.int8)
TRIPLES = np.array([[0, 0, 1], [2, 1, 3], [6, 2, 6], [0, 2, 5]], np.int32)


def slow_score(structure, head, relation, tail):
    """f(h, r, t) = sum_ij sign(A_ij) <h_i, r_|A_ij|, t_j>, as it is written."""
    blocks = len(structure)
    h, r, t = (np.split(np.asarray(row, np.float64), blocks) for row in (head, relation, tail))
    total = 0.0
    for i in range(blocks):
        for j in range(blocks):
            if structure[i, j]:
                k = abs(structure[i, j]) - 1
                total += np.sign(structure[i, j]) * (h[i] * r[k] * t[j]).sum()
    return total


def make(reciprocal=False, seed=0):
    model = BilinearModel(N, R, D, reciprocal)
    signs = signed_one_hot(STRUCTURE)
    return model, signs, model.init(jax.random.key(seed), signs, TRIPLES)


@pytest.mark.parametrize("reciprocal", [False, True])
def test_scores_of_all_entities_in_both_directions(reciprocal):
    model, signs, variables = make(reciprocal)
    tails, heads = model.apply(variables, signs, TRIPLES)
    entity, relation = (np.asarray(variables["params"][name]) for name in ("entity", "relation"))
    for row, (h, r, t) in enumerate(TRIPLES):
        for n in range(N):
            as_tail = slow_score(STRUCTURE, entity[h], relation[r], entity[n])
            if reciprocal:
                as_head = slow_score(STRUCTURE, entity[t], relation[r + R], entity[n])
            else:
                as_head = slow_score(STRUCTURE, entity[n], relation[r], entity[t])
            np.testing.assert_allclose(tails[row, n], as_tail, rtol=1e-4, atol=1e-6)
            np.testing.assert_allclose(heads[row, n], as_head, rtol=1e-4, atol=1e-6)


def test_both_directions_score_the_triple_itself_alike():
    model, signs, variables = make()
    tails, heads = model.apply(variables, signs, TRIPLES)
    rows = np.arange(len(TRIPLES))
    np.testing.assert_allclose(
        tails[rows, TRIPLES[:, 2]], heads[rows, TRIPLES[:, 0]], rtol=1e-5, atol=1e-6
    )


@pytest.mark.parametrize("reciprocal", [False, True])
def test_tables_are_drawn_as_glorot_and_bengio_have_it(reciprocal):
    model = BilinearModel(400, 60, 20, reciprocal)
    variables = model.init(jax.random.key(1), signed_one_hot(STRUCTURE), TRIPLES)
    rows = {"entity": 400, "relation": 120 if reciprocal else 60}
    assert set(variables["params"]) == set(rows)
    for name, count in rows.items():
        table = variables["params"][name]
        assert (table.shape, table.dtype) == ((count, 20), jnp.float32)
        bound = np.sqrt(6 / (count + 20))
        assert np.abs(table).max() <= bound
        np.testing.assert_allclose(np.std(table), bound / np.sqrt(3), rtol=0.05)
        assert abs(np.mean(table)) < 0.05 * bound


def test_another_key_draws_other_tables():
    first, second = make(seed=0)[2], make(seed=1)[2]
    assert not np.allclose(first["params"]["entity"], second["params"]["entity"])
