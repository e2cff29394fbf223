"""Costs of models whose costs are known."""

from __future__ import annotations

import jax
import jax.numpy as jnp
import pytest

from kapl_jax.evaluation.parsimony import compiled_flops, count_parameters, flops_of_analysis


def test_counts_all_numbers_of_a_pytree():
    parameters = {"entities": jnp.zeros((5, 8)), "rest": [jnp.zeros((3,)), jnp.float32(1.0)]}
    assert count_parameters(parameters) == 44
    assert count_parameters(jax.eval_shape(lambda: parameters)) == 44
    assert count_parameters({}) == 0


def test_counts_the_operations_of_a_matrix_product():
    shapes = [jax.ShapeDtypeStruct(shape, jnp.float32) for shape in ((16, 32), (32, 64))]
    flops = compiled_flops(jnp.dot, *shapes)
    if flops is None:
        pytest.skip("the compiler for this device does not count operations")
    assert flops == pytest.approx(2 * 16 * 32 * 64, rel=0.1)


@pytest.mark.parametrize(
    ("analysis", "flops"),
    [
        ({"flops": 12.0, "bytes accessed": 3.0}, 12.0),
        ([{"flops": 12.0}, {"flops": 30}], 42.0),
        ([{"flops": 12.0}, {}], 12.0),
        ({"flops": -1.0}, None),  # a compiler's mark for not known
        ({}, None),
        ([], None),
        (None, None),
    ],
)
def test_reads_every_form_of_analysis(analysis, flops):
    assert flops_of_analysis(analysis) == flops
