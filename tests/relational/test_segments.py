"""First positions of values against a slow search, alone and mapped over."""

from __future__ import annotations

import jax
import jax.numpy as jnp
import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from kapl_jax.relational.segments import first_positions

ROWS, WIDTH, BOUND = 3, 7, 5  # one shape: compiled once
TABLES = st.lists(
    st.lists(st.integers(0, BOUND - 1), min_size=WIDTH, max_size=WIDTH),
    min_size=ROWS,
    max_size=ROWS,
)

compiled = jax.jit(first_positions, static_argnums=1)


def slow_first_positions(values):
    return np.array([[row.index(value) for value in row] for row in values.tolist()])


@settings(max_examples=100, deadline=None)
@given(TABLES)
def test_equals_a_slow_search(table):
    values = np.array(table, np.int32)
    np.testing.assert_array_equal(compiled(values, BOUND), slow_first_positions(values))


def test_mapped_over_a_population_each_has_its_own_map():
    values = np.random.default_rng(0).integers(0, BOUND, (4, ROWS, WIDTH)).astype(np.int32)
    found = jax.jit(jax.vmap(lambda table: first_positions(table, BOUND)))(values)
    np.testing.assert_array_equal(found, [slow_first_positions(table) for table in values])


def test_refuses_more_places_than_32_bits_count():
    table = jax.ShapeDtypeStruct((1 << 16, 1 << 15), jnp.int32)
    with pytest.raises(ValueError, match="65536 rows of 32768"):
        jax.eval_shape(lambda values: first_positions(values, BOUND), table)
