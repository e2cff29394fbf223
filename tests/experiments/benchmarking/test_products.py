"""The matrix products alone."""

import types

import jax
import numpy as np
import pytest

from experiments.benchmarking import populations
from experiments.benchmarking.products import Product, _ProductsOnly, products_case

_PRODUCTS = [Product(3, 2, 4), Product(5, 3, 2)]


@pytest.mark.parametrize("steps", [1, 2])
def test_a_step_computes_each_product_and_both_gradients(steps):
    problem = _ProductsOnly(_PRODUCTS, steps, dtype=None)
    start = problem.init(jax.random.key(0), None, {})
    end, _ = problem.train_block(start, None, {}, 0, None, (), ())
    operands = (state.variables["params"] for state in (start, end))
    for (left, right), found in zip(*operands, strict=True):
        expected = np.asarray(left), np.asarray(right)
        for _ in range(steps):
            out = expected[0] @ expected[1].T
            expected = out @ expected[1], out.T @ expected[0]
        for one, other in zip(found, expected, strict=True):
            np.testing.assert_allclose(one, other, rtol=1e-5)


def test_the_case_trains_every_candidate_and_counts_units(monkeypatch):
    clock = iter([10.0, 34.0])
    clock_module = types.SimpleNamespace(perf_counter=lambda: next(clock))
    monkeypatch.setattr(populations, "time", clock_module)
    case = products_case(
        "limit", _PRODUCTS, steps=2, count=3, chunk_size=2, epochs=2, units=4
    )  # fmt: skip
    assert case.name == "limit"
    # 24 seconds for 3 candidates, 2 epochs of 4 units each.
    assert case.measure() == pytest.approx(1.0)
