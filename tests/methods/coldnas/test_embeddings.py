from __future__ import annotations

import jax
import jax.numpy as jnp
import numpy as np

from kapl_jax.methods.coldnas.embeddings import UNSEEN, FieldEmbeddings
from tests.methods.coldnas.slow import slow_embedding

SIZES, DIM = (6, 5, 4), 3
MODULE = FieldEmbeddings(SIZES, DIM)
apply = jax.jit(MODULE.apply)
# An id, up to three values anywhere in the row, up to two.
FIELDS = [
    [[5], [1, 2, 4], [3]],
    [[0], [3], []],
    [[2], [], [1, 2]],
    [[2], [4, 4], [0]],
]
VALUES = (
    np.array([[5], [0], [2], [2]], np.int32),
    np.array([[1, 2, 4], [-1, 3, -1], [-1, -1, -1], [4, -1, 4]], np.int32),
    np.array([[3, -1], [-1, -1], [1, 2], [0, -1]], np.int32),
)


def start(seed=0):
    """Return tables, their unseen rows as if trained."""
    variables = jax.jit(MODULE.init)(jax.random.key(seed), VALUES)
    variables = jax.tree.map(np.array, variables)
    for table in variables["params"].values():
        table[UNSEEN] = 0.7
    return variables


def test_a_field_is_the_mean_of_its_values():
    variables = start()
    tables = jax.tree.map(np.float64, variables["params"])
    found = apply(variables, VALUES)
    assert (found.shape, found.dtype) == ((4, 3 * DIM), jnp.float32)
    for row, fields in zip(found, FIELDS, strict=True):
        np.testing.assert_allclose(row, slow_embedding(tables, fields), rtol=1e-6, atol=1e-7)


def test_neither_order_nor_room_for_more_values_matters():
    variables = start()
    wide = tuple(
        np.pad(one[:, ::-1], ((0, 0), (1, 2)), constant_values=-1) if one.shape[1] > 1 else one
        for one in VALUES
    )
    expected = apply(variables, VALUES)
    np.testing.assert_allclose(apply(variables, wide), expected, rtol=1e-6, atol=1e-7)


def test_any_leading_axes():
    variables = start()
    stacked = tuple(np.stack([one, one[::-1]]) for one in VALUES)
    found = apply(variables, stacked)
    expected = apply(variables, VALUES)
    np.testing.assert_allclose(found[0], expected, rtol=1e-6)
    np.testing.assert_allclose(found[1], np.asarray(expected)[::-1], rtol=1e-6)


def test_only_rows_in_use_are_trained_each_with_its_share():
    gradient = jax.jit(jax.grad(lambda at: jnp.sum(MODULE.apply(at, VALUES))))(start())
    expected = [np.zeros(size) for size in SIZES]
    for fields in FIELDS:
        for total, rows in zip(expected, fields, strict=True):
            for row in rows:
                total[row] += 1 / len(rows)
    for index, shares in enumerate(expected):
        found = gradient["params"][f"field_{index}"]
        np.testing.assert_allclose(found, np.tile(shares[:, None], DIM), rtol=1e-6)


def test_tables_start_uniform_with_nothing_for_unseen_values():
    module = FieldEmbeddings((400, 25), 20)
    variables = jax.jit(module.init)(
        jax.random.key(0), (np.zeros((1, 1), int), np.zeros((1, 2), int))
    )
    for index, rows in enumerate((400, 25)):
        table = np.asarray(variables["params"][f"field_{index}"])
        assert (table.shape, table.dtype) == ((rows, 20), np.float32)
        assert not table[UNSEEN].any()
        bound = rows**-0.5
        assert np.abs(table).max() <= bound
        np.testing.assert_allclose(table[1:].std(), bound / np.sqrt(3), rtol=0.07)
