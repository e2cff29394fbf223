"""Trains populations: many individuals by one compiled program, over all devices, in chunks."""

from __future__ import annotations

import dataclasses
import math
from collections import deque
from collections.abc import Callable, Iterable, Iterator, Sequence
from concurrent.futures import ThreadPoolExecutor
from functools import cached_property
from typing import Any, Generic, TypeVar, cast

import jax
import numpy as np

from kapl_jax.search.compiling import is_out_of_memory, memory_bytes
from kapl_jax.search.individual import Individual, make_cohort
from kapl_jax.search.population import Best, Chunk, Population
from kapl_jax.search.problem import Problem, PyTree, Split
from kapl_jax.search.programs import Placement, Programs, bytes_of, is_resident, map_init

P = TypeVar("P", bound=Problem)
T = TypeVar("T")
# On CPUs a small chunk per core stays in its cache: larger ones were measured to be slower. So many
# individuals, fewer where their states are large, but not one alone, which compiles to worse code.
_CPU_CHUNK_PER_DEVICE = 4
_CPU_SMALLEST_CHUNK = 2
_CPU_STATE_BYTES = 8 << 20
_USABLE_MEMORY = 0.7
# How many blocks are prepared ahead: enough to hide the host's work, few enough to be held.
_AHEAD = 2


class PopulationTrainer(Generic[P]):
    """Trains individuals of a problem side by side.

    Programs are compiled for a chunk size and used for every chunk of it; what an individual
    becomes depends neither on the size nor on its company, up to rounding.
    """

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
                evaluated is computed in full float32.
        """
        self.problem = problem
        self.devices = list(devices or jax.local_devices())
        self.chunk_size = chunk_size
        self.precision = precision
        self._programs: dict[tuple[int, bool], Programs] = {}
        # The problem's arrays on the first so many devices, by their identity.
        self._placed: dict[tuple[int, int], Any] = {}

    @property
    def platform(self) -> str:
        """The kind of the devices: "cpu", "gpu" or "tpu"."""
        return str(self.devices[0].platform)

    @cached_property
    def is_resident(self) -> bool:
        """Whether the data of training lie on the devices: many epochs then are one call."""
        return is_resident(next(iter(self.problem.blocks("train"))))

    def chunk_limit(self, individuals: Sequence[Individual], keeps_best: bool = False) -> int:
        """Return how many of these individuals fit on the devices at once, compiling for it.

        Args:
            individuals: What is to be trained.
            keeps_best: Whether the best variables are kept beside the states in training.
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
        for the time being, and the best variables where they are kept. What is not known before it
        is tried, such as what the compiler of an accelerator needs for itself, is left to the
        margin.
        """
        try:
            programs = self._get_programs(individuals, size)
            working = programs.working_bytes
        except (MemoryError, jax.errors.JaxRuntimeError) as error:
            smaller = self.smaller_chunk(size)
            if not is_out_of_memory(error) or not smaller:
                raise
        else:
            return working + (programs.variables_bytes if keeps_best else 0)
        # Where it cannot even be compiled, as much more than a smaller one as it is larger.
        part = self.bytes_needed(individuals[:smaller], smaller, keeps_best)
        return part * size // smaller

    def layout(self, count: int, limit: int) -> tuple[int, list[slice]]:
        """Split `count` individuals into chunks of equal size, at most `limit`.

        Every size is a program to compile: the limit, its half, its quarter and so on are taken
        where that trains no more than a third more than chunks as small as they could be.

        Returns:
            The size of a chunk, and which individuals go into each: the last chunk may have fewer
            than its size, and is then filled with repetitions.
        """
        width = self._num_devices(min(count, limit))
        smallest = _multiple(math.ceil(count / math.ceil(count / limit)), width)
        size = _multiple(limit, width)
        while _multiple(size // 2, width) >= smallest and size > width:
            size = _multiple(size // 2, width)
        if 3 * size * math.ceil(count / size) > 4 * smallest * math.ceil(count / smallest):
            size = smallest
        return size, [slice(start, min(start + size, count)) for start in range(0, count, size)]

    def start(self, individuals: Sequence[Individual], size: int) -> Chunk:
        """Put individuals on the devices as a chunk of `size`, initialised."""
        programs = self._get_programs(individuals, size)
        cohort = programs.placement.place_cohort(make_cohort(individuals, size))
        losses = np.full(len(individuals), np.nan, np.float32)
        return Chunk(individuals, cohort, programs, Population(programs.init(cohort), losses))

    def place(
        self,
        individuals: Sequence[Individual],
        size: int,
        population: Population,
        epoch: int,
        done: float = 0.0,
    ) -> Chunk:
        """Put individuals back on the devices where they stand, as `fetch` gives it."""
        programs = self._get_programs(individuals, size)
        cohort = programs.placement.place_cohort(make_cohort(individuals, size))

        def fill(leaf: np.ndarray) -> np.ndarray:
            return np.concatenate([leaf, np.repeat(leaf[-1:], size - len(leaf), axis=0)])

        def place(tree: PyTree) -> PyTree:
            return programs.placement.place_split(jax.tree.map(fill, tree))

        best = population.best
        if best is not None:
            best = dataclasses.replace(best, variables=place(best.variables))
        placed = dataclasses.replace(
            population, state=place(population.state), shares=tuple(population.shares), best=best
        )
        return Chunk(individuals, cohort, programs, placed, epoch, done)

    def fetch(self, chunk: Chunk) -> Population:
        """Return where a chunk's individuals stand as NumPy arrays."""
        return self.fetch_arrays(chunk, chunk.population)

    def fetch_arrays(self, chunk: Chunk, tree: PyTree) -> Any:
        """Return arrays of a chunk as NumPy arrays, without those of repetitions."""
        count = len(chunk.individuals)
        return jax.tree.map(lambda leaf: np.asarray(leaf)[:count], tree)

    def population_shape(
        self,
        individuals: Sequence[Individual],
        blocks: int = 0,
        metrics: Sequence[str] | None = None,
    ) -> Population:
        """Return the shapes and dtypes that `fetch` gives.

        Args:
            individuals: Who is trained; one stands for all as to shapes, except the first axis.
            blocks: Trained of an epoch in progress.
            metrics: Names of the best's metrics; None where there is no best.
        """
        count = len(individuals)
        one = make_cohort(individuals[:1], 1)
        state = jax.tree.map(
            lambda leaf: jax.ShapeDtypeStruct((count, *leaf.shape[1:]), leaf.dtype),
            jax.eval_shape(map_init(self.problem, one), one),
        )
        losses, numbers = np.zeros(count, np.float32), np.zeros(count)
        best = None
        if metrics is not None:
            epochs = numbers.astype(int)
            best = Best(state.variables, numbers, epochs, dict.fromkeys(metrics, numbers))
        return Population(state, losses, (losses,) * blocks, best)

    def train(
        self, chunk: Chunk, epochs: int, after_part: Callable[[], bool] | None = None
    ) -> None:
        """Train a chunk further.

        Args:
            chunk: The chunk.
            epochs: How many epochs further; one that is in progress is one of them.
            after_part: Asked after each block of an epoch, where epochs have blocks of arrays,
                whether to stop there; the chunk's `shares` then are not empty.
        """
        stop = chunk.epoch + epochs
        if self.is_resident:
            state, losses = self._train(chunk, stop, ())
            self._set(chunk, state=state, losses=np.asarray(losses)[: len(chunk.individuals)])
            chunk.epoch = stop
            return
        while chunk.epoch < stop and not self._train_epoch(chunk, after_part):
            shares = self.fetch_arrays(chunk, chunk.population.shares)
            self._set(chunk, losses=np.sum(shares, axis=0, dtype=np.float32), shares=())
            chunk.epoch, chunk.done = chunk.epoch + 1, 0.0

    def evaluate(self, chunk: Chunk, split: Split, variables: PyTree | None = None) -> list[PyTree]:
        """Return what `Problem.evaluate_block` gives for each block of a split.

        Args:
            chunk: The chunk.
            split: What to evaluate.
            variables: Of the model, on the devices; those of the last state by default.

        Returns:
            Of each block NumPy arrays with the population axis first.
        """
        programs, values = chunk.programs, list[PyTree]()
        if variables is None:
            variables = chunk.population.state.variables
        for block in prefetched(self.problem.blocks(split)):
            placed = programs.placement.place_shared(block)
            found = programs.evaluate(variables, chunk.cohort, split, placed)
            values.append(self.fetch_arrays(chunk, found))
        return values

    def _train(self, chunk: Chunk, stop: int, block: PyTree) -> Any:
        placed = chunk.programs.placement.place_shared(block)
        state = chunk.population.state
        return chunk.programs.train(state, chunk.cohort, chunk.epoch, stop, placed)

    def _train_epoch(self, chunk: Chunk, after_part: Callable[[], bool] | None) -> bool:
        """Train to the end of an epoch, or tell that it was asked to stop before."""
        problem, shares, stopped = self.problem, list(chunk.population.shares), False
        for block in prefetched(problem.blocks("train", chunk.epoch, len(shares))):
            state, share = self._train(chunk, chunk.epoch + 1, block)
            self._set(chunk, state=state)
            shares.append(share)
            chunk.done += problem.weight(block)
            if stopped := after_part is not None and after_part():
                break
        # Once, not block by block: an epoch may have very many.
        self._set(chunk, shares=tuple(shares))
        return stopped

    def _set(self, chunk: Chunk, **parts: Any) -> None:
        chunk.population = dataclasses.replace(chunk.population, **parts)

    def _cpu_chunk(self, individuals: Sequence[Individual]) -> int:
        """Return how many individuals suit a core's cache."""
        leaves = jax.tree.leaves(self.population_shape(individuals[:1]).state)
        fitting = _CPU_STATE_BYTES // max(1, sum(map(bytes_of, leaves)))
        return min(_CPU_CHUNK_PER_DEVICE, max(_CPU_SMALLEST_CHUNK, fitting))

    def _num_devices(self, count: int) -> int:
        return min(len(self.devices), count)

    def _get_programs(self, individuals: Sequence[Individual], size: int) -> Programs:
        shared_seed = len({one.seed for one in individuals}) == 1
        key = (size, shared_seed)
        if key not in self._programs:
            cohort = make_cohort(individuals, size)
            devices = self.devices[: self._num_devices(size)]
            self._programs[key] = Programs(
                self.problem,
                cohort,
                devices,
                self.precision,
                lambda split: self._data(split, devices),
            )
        return self._programs[key]

    def _data(self, split: Split, devices: Sequence[jax.Device]) -> PyTree:
        """Return the data of a split on these devices; an array of several is placed once."""

        def place(array: Any) -> Any:
            key = (len(devices), id(array))
            if key not in self._placed:
                self._placed[key] = Placement(devices).place_shared(array)
            return self._placed[key]

        return jax.tree.map(place, self.problem.data[split])


def _multiple(number: int, width: int) -> int:
    """Return the least multiple of `width` that is at least `number`."""
    return math.ceil(number / width) * width


def prefetched(items: Iterable[T], ahead: int = _AHEAD) -> Iterator[T]:
    """Yield items that a thread draws while the caller works.

    Args:
        items: Drawn from in another thread; what it raises is raised here.
        ahead: How many items may wait.
    """
    source, end = iter(items), object()
    with ThreadPoolExecutor(1, thread_name_prefix="prefetch") as thread:
        waiting = deque(thread.submit(next, source, end) for _ in range(ahead))
        while (item := waiting.popleft().result()) is not end:
            waiting.append(thread.submit(next, source, end))
            yield cast(T, item)
