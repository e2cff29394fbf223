"""Populations of problems whose data the host prepares while the devices work."""

from __future__ import annotations

from collections import deque
from collections.abc import Callable, Iterable, Iterator
from concurrent.futures import ThreadPoolExecutor
from types import MappingProxyType
from typing import Any, TypeVar, cast

import jax
import numpy as np

from kapl_jax.search.compiling import compile_lowered, matmul_precision, program_bytes
from kapl_jax.search.individual import Cohort, epoch_keys
from kapl_jax.search.population import SPLIT, WHOLE, Chunk, Placement, PopulationTrainer, Programs
from kapl_jax.search.problem import PyTree, StreamedProblem

S = TypeVar("S", bound=StreamedProblem)
T = TypeVar("T")
# How many blocks are prepared ahead: enough to hide the host's work, few enough to be held.
_AHEAD = 2


class StreamedTrainer(PopulationTrainer[S]):
    """A `PopulationTrainer` that feeds its programs block by block.

    One program is compiled for each shape of a block. The host prepares the next blocks in a thread
    of its own, once for the whole population.
    """

    # With its library for CPUs XLA keeps what it could compute on the way: measured to take a fifth
    # more time and a half more memory on gathered rows of different numbers.
    cpu_options = MappingProxyType({"xla_cpu_experimental_ynn_fusion_type": ""})

    def evaluate(self, chunk: Chunk) -> dict[str, np.ndarray]:
        """Return validation metrics by name, float32[P] each."""
        problem = self.problem
        blocks, values = self.apply_blocks(
            chunk, problem.evaluate_block, problem.validation_blocks()
        )
        return problem.metrics(blocks, values)

    def apply_blocks(
        self, chunk: Chunk, function: Callable[..., PyTree], blocks: Iterable[PyTree]
    ) -> tuple[list[PyTree], list[PyTree]]:
        """Apply `function(state, candidate, data, block)` of every individual to blocks.

        Returns:
            The blocks, and the values for each as NumPy arrays with the population axis first.
        """
        programs, seen, values = chunk.programs, list[PyTree](), list[PyTree]()
        for block in prefetched(blocks):
            placed = programs.placement.place_shared(block)
            compiled = self._applied(programs, function, placed)
            found = compiled(chunk.state, chunk.cohort.candidate, programs.data, placed)
            seen.append(block)
            values.append(jax.tree.map(np.asarray, found))
        count = len(chunk.individuals)
        return seen, jax.tree.map(lambda leaf: leaf[:count], values)

    def train(
        self, chunk: Chunk, epochs: int, after_part: Callable[[], bool] | None = None
    ) -> np.ndarray:
        """Train a chunk further, block by block; see `PopulationTrainer.train`."""
        stop, count = chunk.epoch + epochs, len(chunk.individuals)
        losses = np.full(count, np.nan, np.float32)
        while chunk.epoch < stop:
            if self._train_epoch(chunk, after_part):
                break
            shares = [np.asarray(share)[:count] for share in chunk.shares]
            losses = np.sum(shares, axis=0, dtype=np.float32)
            chunk.shares, chunk.done = [], 0.0
            chunk.epoch += 1
        return losses

    def _applied(self, programs: Programs, function: Callable[..., PyTree], placed: PyTree) -> Any:
        """Return `function` compiled for blocks like `placed`."""
        key = (function, shapes(placed))
        if key not in programs.applied:
            programs.applied[key] = programs.compile_function(function, placed)
        return programs.applied[key]

    def _evaluation_bytes(self, programs: Programs) -> int:
        first = next(iter(self.problem.validation_blocks()))
        placed = programs.placement.place_shared(first)
        return program_bytes(self._applied(programs, self.problem.evaluate_block, placed))

    def _train_epoch(self, chunk: Chunk, after_part: Callable[[], bool] | None) -> bool:
        """Train to the end of an epoch, or tell that it was asked to stop before."""
        problem, programs, epoch = self.problem, chunk.programs, np.int32(chunk.epoch)
        for block in prefetched(problem.training_blocks(chunk.epoch, len(chunk.shares))):
            placed = programs.placement.place_shared(block)
            chunk.state, share = programs.train(
                chunk.state, chunk.cohort, epoch, programs.data, placed
            )
            chunk.shares.append(share)
            chunk.done += problem.weight(block)
            if after_part is not None and after_part():
                return True
        return False

    def _compile_training(
        self, placement: Placement, state: PyTree, cohort: Cohort, data: PyTree
    ) -> tuple[Callable[..., tuple[PyTree, jax.Array]], int]:
        problem, programs = self.problem, dict[Any, Any]()
        inputs = (SPLIT, placement.cohort, WHOLE, WHOLE, WHOLE)
        mapped = placement.over_devices(_map_train_block(problem, cohort), inputs)
        jitted = jax.jit(mapped, donate_argnums=0)

        def program(block: PyTree) -> Any:
            key = shapes(block)
            if key not in programs:
                with matmul_precision(self.precision, self.platform):
                    lowered = jitted.lower(state, cohort, np.int32(0), data, block)
                programs[key] = compile_lowered(lowered, self.platform, **self.cpu_options)
            return programs[key]

        def train(
            state: PyTree, cohort: Cohort, epoch: np.int32, data: PyTree, block: PyTree
        ) -> tuple[PyTree, jax.Array]:
            trained: tuple[PyTree, jax.Array] = program(block)(state, cohort, epoch, data, block)
            return trained

        first = placement.place_shared(next(iter(problem.training_blocks(0))))
        return train, program_bytes(program(first))


def shapes(block: PyTree) -> Any:
    """Return what tells programs for blocks apart: structure, shapes and dtypes; hashable."""
    leaves, structure = jax.tree.flatten(block)
    return structure, tuple((np.shape(leaf), jax.dtypes.result_type(leaf)) for leaf in leaves)


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


def _map_train_block(problem: StreamedProblem, like: Cohort) -> Callable[..., Any]:
    def train_one(
        state: PyTree, one: Cohort, epoch: jax.Array, data: PyTree, block: PyTree
    ) -> tuple[PyTree, jax.Array]:
        keys = epoch_keys(one.seed, one.stamp, epoch)
        return problem.train_block(
            state, one.candidate, one.hyperparameters, epoch, keys, data, block
        )

    return jax.vmap(train_one, in_axes=(0, like.axes, None, None, None))
