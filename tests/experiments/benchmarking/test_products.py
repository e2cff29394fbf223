"""The matrix products alone."""

import jax
import numpy as np

from experiments.benchmarking.products import Product, _ProductsOnly, products_case


def test_a_step_computes_each_product_and_both_gradients():
    problem = _ProductsOnly([Product(3, 2, 4), Product(5, 3, 2)], steps=1, dtype=None)
    start = problem.init(jax.random.key(0), None, {})
    end, _ = problem.train_epoch(start, None, {}, 0, None, ())
    for (left, right), (for_left, for_right) in zip(start, end, strict=True):
        out = np.asarray(left) @ np.asarray(right).T
        np.testing.assert_allclose(for_left, out @ right, rtol=1e-5)
        np.testing.assert_allclose(for_right, out.T @ left, rtol=1e-5)


def test_the_case_measures_a_time():
    case = products_case("limit", [Product(3, 2, 4)], steps=2, count=3, chunk_size=2, epochs=1)
    assert case.name == "limit"
    assert case.measure() > 0
