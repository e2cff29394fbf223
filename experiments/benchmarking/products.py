"""The matrix products alone that training cannot do without: the limit of its speed."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from functools import partial
from types import MappingProxyType
from typing import Any, NamedTuple

import jax
import jax.numpy as jnp
import numpy as np
from jax.typing import DTypeLike

from experiments.benchmarking.measures import Case
from experiments.benchmarking.populations import PopulationTimer
from kapl_jax.bilinear.scoring import contract
from kapl_jax.search.problem import (
    CandidateOfStep,
    EpochKeys,
    Problem,
    Split,
    TrainingState,
)
from kapl_jax.search.trainer import PopulationTrainer


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
        count: Individuals.
        chunk_size: Individuals on the devices at once.
        epochs: Epochs per measurement.
        units: Units of work per epoch of an individual.
        dtype: That operands are rounded to; None for float32.
        precision: Of the products, of `search.compiling.PRECISIONS`.
    """
    trainer = partial(PopulationTrainer, precision=precision)
    timer = PopulationTimer(_ProductsOnly(products, steps, dtype), {}, epochs, units, trainer)
    return timer.case(name, np.zeros((count, 1), np.int8), chunk_size)


_Operands = list[tuple[jax.Array, jax.Array]]


class _ProductsOnly(Problem):
    """A problem of nothing but matrix products."""

    data: Mapping[Split, object] = MappingProxyType({"train": (), "valid": (), "test": ()})
    objective = "none"

    def __init__(self, products: Sequence[Product], steps: int, dtype: DTypeLike | None) -> None:
        self._products = products
        self._steps = steps
        self._dtype = dtype

    def init(
        self, key: jax.Array, candidate: jax.Array, hyperparameters: dict[str, jax.Array]
    ) -> TrainingState:
        """Return random operands."""
        del candidate, hyperparameters
        operands = [
            (
                jax.random.normal(key, (one.rows, one.inputs)),
                jax.random.normal(key, (one.outputs, one.inputs)),
            )
            for one in self._products
        ]
        return TrainingState({"params": operands}, ())

    def train_block(
        self,
        state: TrainingState,
        candidate_of_step: CandidateOfStep,
        hyperparameters: dict[str, jax.Array],
        epoch: jax.Array,
        keys: EpochKeys,
        data: object,
        block: object,
    ) -> tuple[TrainingState, jax.Array]:
        """Multiply as often as an epoch does; each step's operands depend on the step before."""
        del candidate_of_step, hyperparameters, epoch, keys, data, block

        def step(operands: _Operands, _: None) -> tuple[_Operands, None]:
            return [self._multiply(left, right) for left, right in operands], None

        operands, _ = jax.lax.scan(step, state.variables["params"], None, length=self._steps)
        return TrainingState({"params": operands}, ()), operands[0][0][0, 0]

    def evaluate_block(
        self, variables: dict[str, Any], candidate: jax.Array, data: object, block: object
    ) -> jax.Array:
        """Return nothing of worth; see `Problem`."""
        del variables, candidate, data, block
        return jnp.zeros(())

    def metrics(self, split: Split, values: Sequence[np.ndarray]) -> dict[str, np.ndarray]:
        """Return nothing of worth; see `Problem`."""
        del split
        return {self.objective: np.asarray(values[0], np.float64)}

    def _multiply(self, left: jax.Array, right: jax.Array) -> tuple[jax.Array, jax.Array]:
        out = contract("qd,nd->qn", left, right, self._dtype)
        return (
            contract("qn,nd->qd", out, right, self._dtype),
            contract("qn,qd->nd", out, left, self._dtype),
        )
