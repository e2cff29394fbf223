"""The matrix products alone that training cannot do without: the limit of its speed."""

from __future__ import annotations

from collections.abc import Sequence
from functools import partial
from typing import Any, NamedTuple

import jax
import jax.numpy as jnp
import numpy as np
from jax.typing import DTypeLike

from experiments.benchmarking.populations import PopulationTimer
from experiments.benchmarking.timing import Case
from kapl_jax.bilinear.scoring import contract
from kapl_jax.search.population import PopulationTrainer


class Product(NamedTuple):
    """A product `[rows, inputs] x [outputs, inputs]`, of which both operands are trained.

    Attributes:
        rows: Rows of the left operand.
        inputs: Columns of both.
        outputs: Rows of the right operand.
    """

    rows: int
    inputs: int
    outputs: int


def products_case(
    name: str,
    products: Sequence[Product],
    steps: int,
    count: int,
    chunk_size: int,
    epochs: int,
    units: int = 1,
    dtype: DTypeLike | None = None,
    precision: str = "float32",
) -> Case:
    """Return the case of the products of an epoch: each one, and its gradient in both operands.

    Args:
        name: Of the case.
        products: The products of a step.
        steps: Steps of an epoch.
        count: Candidates.
        chunk_size: Candidates on the devices at once.
        epochs: Epochs a measurement.
        units: Units of work in an epoch of a candidate.
        dtype: That operands are rounded to; None for float32.
        precision: Of the products, of `search.compiling.PRECISIONS`.
    """
    trainer = partial(PopulationTrainer, precision=precision)
    timer = PopulationTimer(_ProductsOnly(products, steps, dtype), {}, epochs, units, trainer)
    return timer.case(name, np.zeros((count, 1), np.int8), chunk_size)


_Operands = list[tuple[jax.Array, jax.Array]]


class _ProductsOnly:
    """A problem of nothing but matrix products."""

    def __init__(self, products: Sequence[Product], steps: int, dtype: DTypeLike | None) -> None:
        self.data = ()
        self._products = products
        self._steps = steps
        self._dtype = dtype

    def init(
        self, key: jax.Array, candidate: jax.Array, hyperparameters: dict[str, jax.Array]
    ) -> _Operands:
        """Return random operands."""
        del candidate, hyperparameters
        return [
            (
                jax.random.normal(key, (one.rows, one.inputs)),
                jax.random.normal(key, (one.outputs, one.inputs)),
            )
            for one in self._products
        ]

    def train_epoch(
        self,
        state: _Operands,
        candidate: jax.Array,
        hyperparameters: dict[str, jax.Array],
        epoch: jax.Array,
        keys: object,
        data: object,
    ) -> tuple[_Operands, jax.Array]:
        """Multiply as often as an epoch does; each step's operands depend on the step before."""
        del candidate, hyperparameters, epoch, keys, data

        def step(state: _Operands, _: None) -> tuple[_Operands, None]:
            return [self._multiply(left, right) for left, right in state], None

        state, _ = jax.lax.scan(step, state, None, length=self._steps)
        return state, state[0][0][0, 0]

    def _multiply(self, left: jax.Array, right: jax.Array) -> tuple[jax.Array, jax.Array]:
        out = contract("qd,nd->qn", left, right, self._dtype)
        return (
            contract("qn,nd->qd", out, right, self._dtype),
            contract("qn,qd->nd", out, left, self._dtype),
        )

    def evaluate(self, state: object, candidate: jax.Array, data: object) -> dict[str, jax.Array]:
        """Return nothing; see `Problem.evaluate`."""
        del state, candidate, data
        return {"none": jnp.zeros(())}

    def score(self, metrics: dict[str, Any]) -> Any:
        """Return nothing of worth; see `Problem.score`."""
        return metrics["none"]
