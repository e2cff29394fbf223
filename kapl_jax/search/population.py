"""Populations: many individuals trained by one compiled program, over all devices, in chunks."""

from __future__ import annotations

import dataclasses
import math
from collections.abc import Callable, Mapping, Sequence
from types import MappingProxyType
from typing import Any, Generic, TypeVar, cast

import jax
import jax.numpy as jnp
import numpy as np
from jax.sharding import AxisType, Mesh, NamedSharding, PartitionSpec

from kapl_jax.search.compiling import (
    compile_lowered,
    full_precision,
    is_out_of_memory,
    matmul_precision,
    memory_bytes,
    program_bytes,
)
from kapl_jax.search.individual import Cohort, Individual, epoch_keys, initial_key, make_cohort
from kapl_jax.search.problem import Problem, PyTree, TrainableProblem

P = TypeVar("P", bound=TrainableProblem)
AXIS = "population"
SPLIT, WHOLE = PartitionSpec(AXIS), PartitionSpec()
# On CPUs a small chunk a core stays in its cache: larger ones were measured to be slower. So many
# individuals, fewer where their states are large, but not one alone, which compiles to worse code.
_CPU_CHUNK_PER_DEVICE = 4
_CPU_SMALLEST_CHUNK = 2
_CPU_STATE_BYTES = 8 << 20
_USABLE_MEMORY = 0.7


class Placement:
    """How the arrays of a chunk lie on the devices: split along the population axis, or whole.

    Attributes:
        mesh: The devices.
        cohort: The partition of a cohort's leaves; a shared seed is whole.
    """

    def __init__(self, cohort: Cohort, devices: Sequence[jax.Device]) -> None:
        """Place chunks like `cohort` on `devices`."""
        self.mesh = Mesh(np.array(devices), (AXIS,), axis_types=(AxisType.Auto,))
        self.cohort = jax.tree.map(
            lambda axis: WHOLE if axis is None else SPLIT,
            cohort.axes,
            is_leaf=lambda axis: axis is None,
        )

    def over_devices(self, function: Callable[..., Any], inputs: tuple[Any, ...]) -> Any:
        """Return `function` of arrays so partitioned, each device working on its part."""
        # There are no collectives, so the check of varying axes has nothing to find.
        return jax.shard_map(
            function, mesh=self.mesh, in_specs=inputs, out_specs=SPLIT, check_vma=False
        )

    def place_cohort(self, cohort: Cohort) -> Cohort:
        """Put a cohort on the devices."""
        return jax.tree.map(
            lambda leaf, spec: jax.device_put(leaf, NamedSharding(self.mesh, spec)),
            cohort,
            self.cohort,
        )

    def place_split(self, tree: PyTree) -> PyTree:
        """Put arrays that lead with the population axis on the devices."""
        return jax.device_put(tree, NamedSharding(self.mesh, SPLIT))

    def place_shared(self, tree: PyTree) -> PyTree:
        """Put arrays that all individuals share on every device."""
        return jax.device_put(tree, NamedSharding(self.mesh, WHOLE))


@dataclasses.dataclass(frozen=True)
class Programs:
    """The compiled programs for chunks of one size, and what they need on the devices.

    Attributes:
        data: The problem's data, on every device.
        init: `(cohort) -> state`.
        train: `(state, cohort, first epoch, end, data) -> (state, losses)`; gives up its state.
            Where the host streams, `(state, cohort, epoch, data, block) -> (state, share)`.
        train_bytes: Memory that one device needs to train, arguments included.
        state_bytes: Memory of the state on one device.
        compile_function: Compiles `(state, candidate, data, *more) -> values` of one individual;
            takes the function and what its further arguments are like.
        applied: What was compiled so.
        placement: Where arrays go.
    """

    data: PyTree
    init: Callable[..., PyTree]
    train: Callable[..., tuple[PyTree, jax.Array]]
    train_bytes: int
    state_bytes: int
    compile_function: Callable[..., Any]
    applied: dict[Any, Any]
    placement: Placement


@dataclasses.dataclass
class Chunk:
    """Individuals that are on the devices together.

    Attributes:
        individuals: Those that count; the arrays may hold repetitions of the last behind them.
        cohort: Their arrays, on the devices.
        state: Training state, population axis first.
        epoch: Epochs trained so far.
        programs: The programs compiled for this size.
        shares: Of the epoch in progress, what each block added to its mean losses, float32[P];
            empty between epochs.
        done: How much of that epoch is done, 0 to 1.
    """

    individuals: Sequence[Individual]
    cohort: Cohort
    state: PyTree
    epoch: int
    programs: Programs
    shares: list[Any] = dataclasses.field(default_factory=list)
    done: float = 0.0


class PopulationTrainer(Generic[P]):
    """Trains individuals of a problem side by side.

    One program is compiled for a chunk size and used for every chunk of it; what an individual
    becomes depends neither on the size nor on its company, up to rounding.

    Attributes:
        cpu_options: Options of XLA for this kind of programs on CPUs, by name.
    """

    cpu_options: Mapping[str, Any] = MappingProxyType({})

    def __init__(
        self,
        problem: P,
        chunk_size: int = 0,
        devices: Sequence[jax.Device] | None = None,
        precision: str = "default",
    ) -> None:
        """Prepare to train `problem`.

        Args:
            problem: What to train.
            chunk_size: Most individuals on the devices at once; 0 lets memory decide.
            devices: Devices to spread a chunk over; all of this process by default.
            precision: Of matrix products in training, of `compiling.PRECISIONS`. Whatever is
                applied to trained states is computed in full float32.
        """
        self.problem = problem
        self.devices = list(devices or jax.local_devices())
        self.chunk_size = chunk_size
        self.precision = precision
        self._programs: dict[tuple[int, bool], Programs] = {}
        # The problem's data on the first so many devices.
        self._placed: dict[int, PyTree] = {}

    @property
    def platform(self) -> str:
        """The kind of the devices: "cpu", "gpu" or "tpu"."""
        return str(self.devices[0].platform)

    def chunk_limit(self, individuals: Sequence[Individual], keeps_best: bool = False) -> int:
        """Return how many of these individuals fit on the devices at once, compiling for it.

        Args:
            individuals: What is to be trained.
            keeps_best: Whether the best states are kept beside those in training.
        """
        if self.chunk_size:
            return self.chunk_size
        on_cpu = self.platform == "cpu"
        limit = len(self.devices) * self._cpu_chunk(individuals) if on_cpu else len(individuals)
        size, _ = self.layout(len(individuals), limit)
        memory = memory_bytes(self.devices[0])
        if memory is None:
            return limit
        width = self._num_devices(size)
        # A CPU's devices share one memory; every accelerator has its own.
        needed = self.bytes_needed(individuals[:size], size, keeps_best) * (width if on_cpu else 1)
        usable = int(_USABLE_MEMORY * memory)
        if needed <= usable:
            return limit
        fitting = max(1, int(size * usable / needed))
        return fitting if fitting < width else fitting // width * width

    def smaller_chunk(self, size: int) -> int:
        """Return a chunk size of which a device needs about half the memory; 0 if there is none."""
        width = 1 if self.platform == "cpu" else self._num_devices(size)
        return size // width // 2 * width

    def bytes_needed(
        self, individuals: Sequence[Individual], size: int, keeps_best: bool = False
    ) -> int:
        """Return the memory that one device needs for a chunk of these individuals.

        All that lives at once is counted: the state, the data, what training or evaluation need
        for the time being, and the best states where they are kept. What is not known before it is
        tried, such as what the compiler of an accelerator needs for itself, is left to the margin.
        """
        try:
            programs = self._get_programs(individuals, size)
            working = max(programs.train_bytes, self._evaluation_bytes(programs))
        except (MemoryError, jax.errors.JaxRuntimeError) as error:
            smaller = self.smaller_chunk(size)
            if not is_out_of_memory(error) or not smaller:
                raise
        else:
            return working + (programs.state_bytes if keeps_best else 0)
        # Where it cannot even be compiled, as much more than a smaller one as it is larger.
        part = self.bytes_needed(individuals[:smaller], smaller, keeps_best)
        return part * size // smaller

    def layout(self, count: int, limit: int) -> tuple[int, list[slice]]:
        """Split `count` individuals into chunks of equal size, at most `limit`.

        Returns:
            The size of a chunk, and which individuals go into each: the last chunk may have fewer
            than its size, and is then filled with repetitions.
        """
        width = self._num_devices(min(count, limit))
        size = math.ceil(math.ceil(count / math.ceil(count / limit)) / width) * width
        return size, [slice(start, min(start + size, count)) for start in range(0, count, size)]

    def start(self, individuals: Sequence[Individual], size: int) -> Chunk:
        """Put individuals on the devices as a chunk of `size`, initialised."""
        programs = self._get_programs(individuals, size)
        cohort = programs.placement.place_cohort(make_cohort(individuals, size))
        return Chunk(individuals, cohort, programs.init(cohort), 0, programs)

    def resume(
        self, individuals: Sequence[Individual], size: int, states: PyTree, epoch: int
    ) -> Chunk:
        """Put individuals with their states, as `fetch` gives them, back on the devices."""
        programs = self._get_programs(individuals, size)
        cohort = programs.placement.place_cohort(make_cohort(individuals, size))
        return Chunk(individuals, cohort, self.place_state(programs, states, size), epoch, programs)

    def place_state(self, programs: Programs, states: PyTree, size: int) -> PyTree:
        """Put host states `[m, ...]` on the devices, the last one repeated up to `size`."""

        def fill(leaf: np.ndarray) -> np.ndarray:
            return np.concatenate([leaf, np.repeat(leaf[-1:], size - len(leaf), axis=0)])

        return programs.placement.place_split(jax.tree.map(fill, states))

    def fetch(self, chunk: Chunk) -> PyTree:
        """Return the states of a chunk's individuals as NumPy arrays, population axis first."""
        count = len(chunk.individuals)
        return jax.tree.map(lambda leaf: np.asarray(leaf)[:count], chunk.state)

    def state_shape(self, individuals: Sequence[Individual]) -> PyTree:
        """Return the shapes and dtypes that `fetch` gives for these individuals."""
        cohort = make_cohort(individuals, len(individuals))
        return jax.eval_shape(_map_init(self.problem, cohort.axes), cohort)

    def train(
        self, chunk: Chunk, epochs: int, after_part: Callable[[], bool] | None = None
    ) -> np.ndarray:
        """Train a chunk further.

        Args:
            chunk: The chunk.
            epochs: How many epochs further; one that is in progress is one of them.
            after_part: Asked after each part of an epoch, where epochs have parts, whether to stop
                there; `chunk.shares` then is not empty.

        Returns:
            The mean loss of the last epoch that was ended, float32[P]; NaN if none was.
        """
        del after_part
        start, stop = np.int32(chunk.epoch), np.int32(chunk.epoch + epochs)
        programs = chunk.programs
        chunk.state, losses = programs.train(chunk.state, chunk.cohort, start, stop, programs.data)
        chunk.epoch += epochs
        return np.asarray(losses)[: len(chunk.individuals)]

    def evaluate(self, chunk: Chunk) -> dict[str, np.ndarray]:
        """Return validation metrics by name, float32[P] each."""
        metrics: dict[str, np.ndarray] = self.apply(chunk, cast(Problem, self.problem).evaluate)
        return metrics

    def apply(self, chunk: Chunk, function: Callable[[PyTree, jax.Array, PyTree], PyTree]) -> Any:
        """Return `function(state, candidate, data)` of every individual as NumPy arrays.

        The function is compiled once for a chunk size.
        """
        programs = chunk.programs
        if function not in programs.applied:
            programs.applied[function] = programs.compile_function(function)
        values = programs.applied[function](chunk.state, chunk.cohort.candidate, programs.data)
        return jax.tree.map(lambda leaf: np.asarray(leaf)[: len(chunk.individuals)], values)

    def _evaluation_bytes(self, programs: Programs) -> int:
        """Return the memory that one device needs to evaluate a chunk."""
        function = cast(Problem, self.problem).evaluate
        if function not in programs.applied:
            programs.applied[function] = programs.compile_function(function)
        return program_bytes(programs.applied[function])

    def _cpu_chunk(self, individuals: Sequence[Individual]) -> int:
        """Return how many individuals suit a core's cache."""
        leaves = jax.tree.leaves(self.state_shape(individuals[:1]))
        state = sum(map(_bytes_of, leaves))
        fitting = _CPU_STATE_BYTES // max(1, state)
        return min(_CPU_CHUNK_PER_DEVICE, max(_CPU_SMALLEST_CHUNK, fitting))

    def _num_devices(self, count: int) -> int:
        return min(len(self.devices), count)

    def _get_programs(self, individuals: Sequence[Individual], size: int) -> Programs:
        shared_seed = len({one.seed for one in individuals}) == 1
        key = (size, shared_seed)
        if key not in self._programs:
            cohort = make_cohort(individuals, size)
            width = self._num_devices(size)
            self._programs[key] = self._compile(Placement(cohort, self.devices[:width]), cohort)
        return self._programs[key]

    def _compile(self, placement: Placement, cohort: Cohort) -> Programs:
        """Compile what chunks like this cohort need."""
        problem = self.problem
        placed = placement.place_cohort(cohort)
        width = placement.mesh.size
        if width not in self._placed:
            self._placed[width] = placement.place_shared(problem.data)
        data = self._placed[width]
        mapped = placement.over_devices(_map_init(problem, cohort.axes), (placement.cohort,))
        init = compile_lowered(jax.jit(mapped).lower(placed), self.platform)
        state = jax.tree.map(
            lambda leaf, sharding: jax.ShapeDtypeStruct(leaf.shape, leaf.dtype, sharding=sharding),
            jax.eval_shape(_map_init(problem, cohort.axes), placed),
            init.output_shardings,
        )
        with matmul_precision(self.precision, self.platform):
            train, train_bytes = self._compile_training(placement, state, placed, data)

        def compile_function(function: Callable[..., PyTree], *more: PyTree) -> Any:
            axes = (0, 0, None, *(None for _ in more))
            inputs = (SPLIT, SPLIT, WHOLE, *(WHOLE for _ in more))
            mapped = placement.over_devices(jax.vmap(function, in_axes=axes), inputs)
            with full_precision():
                lowered = jax.jit(mapped).lower(state, placed.candidate, data, *more)
            return compile_lowered(lowered, self.platform, **self.cpu_options)

        return Programs(
            data=data,
            init=init,
            train=train,
            train_bytes=train_bytes,
            state_bytes=sum(_bytes_of(leaf) for leaf in jax.tree.leaves(state)) // width,
            compile_function=compile_function,
            applied={},
            placement=placement,
        )

    def _compile_training(
        self, placement: Placement, state: PyTree, cohort: Cohort, data: PyTree
    ) -> tuple[Callable[..., tuple[PyTree, jax.Array]], int]:
        """Return `Programs.train` for such states and cohorts, and the bytes that it needs."""
        epoch = np.int32(0)
        inputs = (SPLIT, placement.cohort, WHOLE, WHOLE, WHOLE)
        mapped = placement.over_devices(
            _map_train(cast(Problem, self.problem), cohort.axes), inputs
        )
        lowered = jax.jit(mapped, donate_argnums=0).lower(state, cohort, epoch, epoch, data)
        train = compile_lowered(lowered, self.platform, **self.cpu_options)
        return train, program_bytes(train)


def _map_init(problem: TrainableProblem, axes: Cohort) -> Callable[[Cohort], PyTree]:
    def init(one: Cohort) -> PyTree:
        key = initial_key(one.seed, one.stamp)
        return problem.init(key, one.candidate, one.hyperparameters)

    return jax.vmap(init, in_axes=(axes,))


def _map_train(problem: Problem, axes: Cohort) -> Callable[..., tuple[PyTree, jax.Array]]:
    def train_one(
        state: PyTree, one: Cohort, epoch: jax.Array, data: PyTree
    ) -> tuple[PyTree, jax.Array]:
        keys = epoch_keys(one.seed, one.stamp, epoch)
        return problem.train_epoch(state, one.candidate, one.hyperparameters, epoch, keys, data)

    mapped = jax.vmap(train_one, in_axes=(0, axes, None, None))

    def train(
        state: PyTree, cohort: Cohort, start: jax.Array, stop: jax.Array, data: PyTree
    ) -> tuple[PyTree, jax.Array]:
        losses = jnp.full(cohort.stamp.shape, jnp.nan, jnp.float32)
        return jax.lax.fori_loop(
            start, stop, lambda epoch, carry: mapped(carry[0], cohort, epoch, data), (state, losses)
        )

    return train


def _bytes_of(array: Any) -> int:
    return math.prod(array.shape) * int(array.dtype.itemsize)
