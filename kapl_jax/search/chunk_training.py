"""Trains one chunk to a given epoch, with checkpoints on the way."""

from __future__ import annotations

import dataclasses
import json
import shutil
import time
import zlib
from collections.abc import Callable, Sequence
from pathlib import Path
from typing import Any

import jax
import jax.numpy as jnp
import numpy as np

from kapl_jax.runs.checkpoints import load_pytree, load_tag, same_tag, save_pytree
from kapl_jax.runs.progress import Progress
from kapl_jax.search.individual import Individual
from kapl_jax.search.population import Chunk, PopulationTrainer, PyTree

# Long enough that a call costs nothing beside its work, short enough for a lively progress bar.
_SECONDS_PER_CALL = 0.5
LogEpoch = Callable[[int, float, np.ndarray | None], None]


@dataclasses.dataclass(frozen=True)
class Trained:
    """The end of an individual's training.

    Attributes:
        epochs: The epoch its state is of.
        trained_to: The epoch its training ended at.
        metrics: Validation metrics by name.
        loss: Mean loss of the last epoch.
        score: The metric searched for; -inf when the training diverged.
    """

    epochs: int
    trained_to: int
    metrics: dict[str, float]
    loss: float
    score: float


@dataclasses.dataclass
class _Best:
    """The best state of each individual of a chunk so far."""

    state: PyTree
    score: np.ndarray
    epoch: np.ndarray


@dataclasses.dataclass
class _Progress:
    """Where the training of a chunk has come to."""

    chunk: Chunk
    losses: np.ndarray
    best: _Best | None


class ChunkTraining:
    """Trains chunks one after the other; the one in training can be continued after a crash.

    How many epochs one call to the devices takes, and how often a checkpoint is written, follow
    the clock; the results do not depend on either.
    """

    def __init__(
        self,
        trainer: PopulationTrainer[Any],
        folder: Path,
        progress: Progress,
        checkpoint_seconds: float,
        evaluate_every: int,
        log_epoch: LogEpoch,
    ) -> None:
        """Prepare to train.

        Args:
            trainer: Trains the individuals.
            folder: Where chunks in training are saved.
            progress: Bar to advance, in candidate-epochs.
            checkpoint_seconds: Time between two checkpoints.
            evaluate_every: Evaluate after this many epochs and keep the best state of each
                individual; 0 keeps the last.
            log_epoch: Called after each call with the epoch, the mean loss of the chunk, and where
                it was evaluated the score of each individual.
        """
        self.trainer = trainer
        self.folder = folder
        self.progress = progress
        self.checkpoint_seconds = checkpoint_seconds
        self.evaluate_every = evaluate_every
        self.log_epoch = log_epoch
        self._saved = time.monotonic()
        # Epochs of the chunk in training that the bar has counted.
        self._shown = 0.0

    def run(
        self,
        tag: dict[str, Any],
        individuals: Sequence[Individual],
        size: int,
        start: tuple[PyTree, int] | None,
        stop: int,
        keep: bool,
    ) -> tuple[list[Trained], Chunk]:
        """Train a chunk up to epoch `stop`.

        Args:
            tag: What tells this chunk from all others in the run.
            individuals: Its individuals.
            size: Its size on the devices.
            start: States (as `PopulationTrainer.fetch` gives them) and epoch to start from; None
                starts afresh.
            stop: The epoch to end at.
            keep: Whether a checkpoint of the end is worth its while, because nothing is recorded
                at the end of this chunk.

        Returns:
            The result of each individual, and the chunk, its state the one the result is of.
        """
        progress = self._restore(tag, individuals, size) or self._begin(individuals, size, start)
        chunk, per_call = progress.chunk, 1

        def after_part() -> bool:
            self._show(chunk)
            return self._is_due()

        while chunk.epoch < stop:
            began = time.monotonic()
            count = min(per_call, self._next_pause(chunk.epoch, stop) - chunk.epoch)
            losses = self.trainer.train(chunk, count, after_part)
            self._show(chunk)
            if chunk.shares:
                self._save(tag, progress)
                continue
            progress.losses = losses
            per_call = max(1, int(count * _SECONDS_PER_CALL / (time.monotonic() - began + 1e-6)))
            scores = None
            if self._is_pause(chunk.epoch, stop):
                scores = self._scores(self.trainer.evaluate(chunk), None)
                progress.best = self._keep_best(chunk, scores, progress.best)
            self.log_epoch(chunk.epoch, float(np.mean(progress.losses)), scores)
            if (keep or chunk.epoch < stop) and self._is_due():
                self._save(tag, progress)
        if progress.best is not None:
            chunk.state = progress.best.state
        return self._results(progress), chunk

    def forget(self) -> None:
        """Remove the checkpoints: what they were of is recorded."""
        shutil.rmtree(self.folder, ignore_errors=True)

    def _begin(
        self, individuals: Sequence[Individual], size: int, start: tuple[PyTree, int] | None
    ) -> _Progress:
        if start is None:
            chunk = self.trainer.start(individuals, size)
        else:
            chunk = self.trainer.resume(individuals, size, *start)
        self._shown = float(chunk.epoch)
        return _Progress(chunk, np.full(len(individuals), np.nan, np.float32), None)

    def _show(self, chunk: Chunk) -> None:
        """Let the bar count what was trained since the last time."""
        now = chunk.epoch + chunk.done
        self.progress.advance((now - self._shown) * len(chunk.individuals))
        self._shown = now

    def _is_due(self) -> bool:
        return time.monotonic() - self._saved >= self.checkpoint_seconds

    def _next_pause(self, epoch: int, stop: int) -> int:
        every = self.evaluate_every or stop
        return min(stop, (epoch // every + 1) * every)

    def _is_pause(self, epoch: int, stop: int) -> bool:
        return bool(self.evaluate_every) and (epoch == stop or epoch % self.evaluate_every == 0)

    def _keep_best(self, chunk: Chunk, scores: np.ndarray, best: _Best | None) -> _Best:
        self.progress.best(float(scores.max()))
        if best is None:
            state = jax.tree.map(jnp.copy, chunk.state)
            return _Best(state, scores, np.full(len(scores), chunk.epoch))
        better = scores > best.score
        filled = np.concatenate([better, np.repeat(better[-1:], _size(chunk) - len(better))])
        return _Best(
            state=_choose(filled, chunk.state, best.state),
            score=np.where(better, scores, best.score),
            epoch=np.where(better, chunk.epoch, best.epoch),
        )

    def _results(self, progress: _Progress) -> list[Trained]:
        chunk, losses, best = progress.chunk, progress.losses, progress.best
        metrics = self.trainer.evaluate(chunk)
        scores = self._scores(metrics, losses if best is None else None)
        epochs = best.epoch if best is not None else np.full(len(scores), chunk.epoch)
        return [
            Trained(
                epochs=int(epochs[i]),
                trained_to=chunk.epoch,
                metrics={name: float(value[i]) for name, value in metrics.items()},
                loss=float(losses[i]),
                score=float(scores[i]),
            )
            for i in range(len(scores))
        ]

    def _scores(self, metrics: dict[str, np.ndarray], losses: np.ndarray | None) -> np.ndarray:
        scores = np.asarray(self.trainer.problem.score(metrics), np.float64)
        sound = np.isfinite(scores) & (True if losses is None else np.isfinite(losses))
        return np.where(sound, scores, -np.inf)

    def _place(self, tag: dict[str, Any]) -> Path:
        digest = zlib.crc32(json.dumps(tag, sort_keys=True).encode())
        return self.folder / f"{digest:08x}"

    def _save(self, tag: dict[str, Any], progress: _Progress) -> None:
        chunk, best = progress.chunk, progress.best
        kept: Any = ()
        if best is not None:
            count = len(chunk.individuals)
            state = jax.tree.map(lambda leaf: np.asarray(leaf)[:count], best.state)
            kept = (state, np.asarray(best.score), np.asarray(best.epoch))
        shares = [np.asarray(share)[: len(chunk.individuals)] for share in chunk.shares]
        tree = (self.trainer.fetch(chunk), progress.losses, kept, shares)
        reached = {"epoch": chunk.epoch, "blocks": len(shares), "done": chunk.done}
        save_pytree(self._place(tag), tree, {"of": tag, **reached, "has_best": best is not None})
        self._saved = time.monotonic()

    def _restore(
        self, tag: dict[str, Any], individuals: Sequence[Individual], size: int
    ) -> _Progress | None:
        saved = load_tag(self._place(tag))
        if saved is None or not same_tag(saved["of"], tag):
            return None
        state = self.trainer.state_shape(individuals)
        numbers = np.zeros(len(individuals))
        best_like = (state, numbers, numbers.astype(int)) if saved["has_best"] else ()
        losses_like = numbers.astype(np.float32)
        like = (state, losses_like, best_like, [losses_like] * saved["blocks"])
        host_state, losses, kept, shares = load_pytree(self._place(tag), like)
        chunk = self.trainer.resume(individuals, size, host_state, saved["epoch"])
        chunk.shares, chunk.done = shares, saved["done"]
        self._shown = 0.0
        self._show(chunk)
        if not saved["has_best"]:
            return _Progress(chunk, losses, None)
        best_state, score, epoch = kept
        placed = self.trainer.place_state(chunk.programs, best_state, size)
        return _Progress(chunk, losses, _Best(placed, score, epoch))


@jax.jit
def _choose(first_is_better: jax.Array, first: PyTree, second: PyTree) -> PyTree:
    """Take each individual's state from `first` where told so, else from `second`."""

    def choose(one: jax.Array, other: jax.Array) -> jax.Array:
        shape = (-1,) + (1,) * (one.ndim - 1)
        return jnp.where(first_is_better.reshape(shape), one, other)

    return jax.tree.map(choose, first, second)


def _size(chunk: Chunk) -> int:
    return int(chunk.cohort.stamp.shape[0])
