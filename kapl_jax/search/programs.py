"""The compiled programs of a problem for chunks of one size, and how arrays lie on the devices."""

from __future__ import annotations

import math
from collections.abc import Callable, Sequence
from functools import cached_property
from types import MappingProxyType
from typing import Any

import jax
import jax.numpy as jnp
import numpy as np
from jax.sharding import AxisType, Mesh, NamedSharding, PartitionSpec

from kapl_jax.search.compiling import (
    compile_lowered,
    full_precision,
    matmul_precision,
    program_bytes,
)
from kapl_jax.search.individual import Cohort, epoch_keys, initial_key
from kapl_jax.search.problem import Problem, PyTree, Split, TrainingState

AXIS = "population"
SPLIT, WHOLE = PartitionSpec(AXIS), PartitionSpec()
# On CPUs, for what runs once per chunk: measured to compile four to six times as fast as with all
# of LLVM's optimisations, with the same numbers to the bit.
_RUNS_ONCE = MappingProxyType({"xla_backend_optimization_level": 1})


class Placement:
    """How the arrays of a chunk lie on the devices: split along the population axis, or whole.

    Attributes:
        mesh: The devices.
    """

    def __init__(self, devices: Sequence[jax.Device]) -> None:
        """Place chunks on `devices`."""
        self.mesh = Mesh(np.array(devices), (AXIS,), axis_types=(AxisType.Auto,))

    def over_devices(self, function: Callable[..., Any], inputs: tuple[Any, ...]) -> Any:
        """Return `function` of arrays so partitioned, each device working on its part."""
        # There are no collectives, so the check of varying axes has nothing to find.
        return jax.shard_map(
            function, mesh=self.mesh, in_specs=inputs, out_specs=SPLIT, check_vma=False
        )

    def place_cohort(self, cohort: Cohort) -> Cohort:
        """Put a cohort on the devices; a shared seed is whole."""
        return jax.tree.map(
            lambda leaf, spec: jax.device_put(leaf, NamedSharding(self.mesh, spec)),
            cohort,
            cohort_specs(cohort),
        )

    def place_split(self, tree: PyTree) -> PyTree:
        """Put arrays that lead with the population axis on the devices."""
        return jax.device_put(tree, NamedSharding(self.mesh, SPLIT))

    def place_shared(self, tree: PyTree) -> PyTree:
        """Put arrays that all individuals share on every device."""
        return jax.device_put(tree, NamedSharding(self.mesh, WHOLE))


def cohort_specs(cohort: Cohort) -> Cohort:
    """Return the partition of each of a cohort's leaves."""
    return jax.tree.map(
        lambda axis: WHOLE if axis is None else SPLIT,
        cohort.axes,
        is_leaf=lambda axis: axis is None,
    )


class Programs:
    """The compiled programs for chunks like a cohort.

    There is a program for each shape of a block, compiled when such a block comes first.

    Attributes:
        placement: Where arrays go.
        init: `(cohort) -> state`.
        state_shape: Shapes, dtypes and shardings of a state.
    """

    def __init__(
        self,
        problem: Problem,
        cohort: Cohort,
        devices: Sequence[jax.Device],
        precision: str,
        data: Callable[[Split], PyTree],
    ) -> None:
        """Compile what chunks like `cohort` need first.

        Args:
            problem: What is trained.
            cohort: Of the chunk's size.
            devices: What it is spread over.
            precision: Of matrix products in training; evaluation is of full float32.
            data: Returns the data of a split as they lie on these devices.
        """
        self.placement = Placement(devices)
        self._problem = problem
        self._precision = precision
        self._platform = str(devices[0].platform)
        self._data = data
        self._cohort = self.placement.place_cohort(cohort)
        self._specs = cohort_specs(cohort)
        self._compiled: dict[Any, Any] = {}
        mapped = map_init(problem, cohort)
        init = self.placement.over_devices(mapped, (self._specs,))
        lowered = jax.jit(init).lower(self._cohort)
        self.init = compile_lowered(lowered, self._platform, **_RUNS_ONCE)
        self.state_shape = jax.tree.map(
            lambda leaf, sharding: jax.ShapeDtypeStruct(leaf.shape, leaf.dtype, sharding=sharding),
            jax.eval_shape(mapped, self._cohort),
            self.init.output_shardings,
        )

    def train(
        self, state: TrainingState, cohort: Cohort, epoch: int, stop: int, block: PyTree
    ) -> tuple[TrainingState, jax.Array]:
        """Train on a block, or where blocks hold no arrays on those of several epochs.

        Args:
            state: The state before, which is given up.
            cohort: Who is trained.
            epoch: The epoch.
            stop: One behind the last epoch.
            block: A block, placed.

        Returns:
            The state, and float32[P]: the block's share of the mean loss, or the last epoch's loss.
        """
        program = self._training(block)
        trained: tuple[TrainingState, jax.Array] = program(
            state, cohort, np.int32(epoch), np.int32(stop), self._data("train"), block
        )
        return trained

    def evaluate(self, variables: PyTree, cohort: Cohort, split: Split, block: PyTree) -> PyTree:
        """Return what `Problem.evaluate_block` gives for a placed block, population axis first."""
        program = self._evaluation(split, block)
        return program(variables, cohort.candidate, self._data(split), block)

    @cached_property
    def state_bytes(self) -> int:
        """Memory of the state on one device."""
        return self._bytes(self.state_shape)

    @cached_property
    def variables_bytes(self) -> int:
        """Memory of the variables on one device."""
        return self._bytes(self.state_shape.variables)

    @cached_property
    def working_bytes(self) -> int:
        """Memory that one device needs to train or to validate, arguments included."""
        first = {split: self._first_block(split) for split in ("train", "valid")}
        training = program_bytes(self._training(first["train"]))
        validating = program_bytes(self._evaluation("valid", first["valid"]))
        # In evaluation only the variables are an argument, but all of the state is there.
        rest = self.state_bytes - self.variables_bytes
        return max(training, validating + rest)

    def _first_block(self, split: Split) -> PyTree:
        return self.placement.place_shared(next(iter(self._problem.blocks(split))))

    def _bytes(self, tree: PyTree) -> int:
        return sum(map(bytes_of, jax.tree.leaves(tree))) // self.placement.mesh.size

    def _training(self, block: PyTree) -> Any:
        key = ("train", shapes(block))
        if key not in self._compiled:
            epoch, data = np.int32(0), self._data("train")
            inputs = (SPLIT, self._specs, WHOLE, WHOLE, WHOLE, WHOLE)
            function = _map_training(self._problem, self._cohort, is_resident(block))
            mapped = self.placement.over_devices(function, inputs)
            with matmul_precision(self._precision, self._platform):
                lowered = jax.jit(mapped, donate_argnums=0).lower(
                    self.state_shape, self._cohort, epoch, epoch, data, block
                )
                self._compiled[key] = self._compile(lowered)
        return self._compiled[key]

    def _evaluation(self, split: Split, block: PyTree) -> Any:
        data = self._data(split)
        # Splits whose data and blocks have the same shapes share a program.
        key = ("evaluate", shapes(data), shapes(block))
        if key not in self._compiled:
            function = jax.vmap(self._problem.evaluate_block, in_axes=(0, 0, None, None))
            mapped = self.placement.over_devices(function, (SPLIT, SPLIT, WHOLE, WHOLE))
            variables, candidate = self.state_shape.variables, self._cohort.candidate
            with full_precision():
                lowered = jax.jit(mapped).lower(variables, candidate, data, block)
            self._compiled[key] = self._compile(lowered)
        return self._compiled[key]

    def _compile(self, lowered: Any) -> Any:
        return compile_lowered(lowered, self._platform, **self._problem.cpu_options)


def shapes(block: PyTree) -> Any:
    """Return what tells programs for blocks apart: structure, shapes and dtypes; hashable."""
    leaves, structure = jax.tree.flatten(block)
    return structure, tuple((np.shape(leaf), jax.dtypes.result_type(leaf)) for leaf in leaves)


def is_resident(block: PyTree) -> bool:
    """Tell whether a block holds no arrays: all data lie on the devices."""
    return not jax.tree.leaves(block)


def bytes_of(array: Any) -> int:
    """Return the memory of an array, or of what has its shape and dtype."""
    return math.prod(array.shape) * int(array.dtype.itemsize)


def map_init(problem: Problem, like: Cohort) -> Callable[[Cohort], TrainingState]:
    """Return the function that initialises cohorts like `like`."""

    def init(one: Cohort) -> TrainingState:
        key = initial_key(one.seed, one.stamp)
        return problem.init(key, one.candidate, one.hyperparameters)

    return jax.vmap(init, in_axes=(like.axes,))


def _map_training(
    problem: Problem, like: Cohort, resident: bool
) -> Callable[..., tuple[TrainingState, jax.Array]]:
    def train_one(
        state: TrainingState, one: Cohort, epoch: jax.Array, data: PyTree, block: PyTree
    ) -> tuple[TrainingState, jax.Array]:
        keys = epoch_keys(one.seed, one.stamp, epoch)
        return problem.train_block(
            state, lambda key: one.candidate, one.hyperparameters, epoch, keys, data, block
        )

    mapped = jax.vmap(train_one, in_axes=(0, like.axes, None, None, None))

    def train(
        state: TrainingState,
        cohort: Cohort,
        epoch: jax.Array,
        stop: jax.Array,
        data: PyTree,
        block: PyTree,
    ) -> tuple[TrainingState, jax.Array]:
        if not resident:
            return mapped(state, cohort, epoch, data, block)
        losses = jnp.full(cohort.stamp.shape, jnp.nan, jnp.float32)
        return jax.lax.fori_loop(
            epoch,
            stop,
            lambda at, carry: mapped(carry[0], cohort, at, data, block),
            (state, losses),
        )

    return train
