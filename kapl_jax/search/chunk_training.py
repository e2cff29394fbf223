"""Trains one chunk to a given epoch, with checkpoints on the way."""

from __future__ import annotations

import contextlib
import dataclasses
import json
import time
import zlib
from collections.abc import Callable, Container, Iterator, Sequence
from pathlib import Path
from typing import Any

import numpy as np

from kapl_jax.runs.checkpoints import (
    CheckpointSaver,
    DamagedCheckpoint,
    load_pytree,
    load_tag,
    reading,
    remove_pytree,
    saved_in,
)
from kapl_jax.runs.interruption import at_once, is_asked, leave_if_asked
from kapl_jax.runs.program import print_warnings
from kapl_jax.runs.progress import Progress
from kapl_jax.search.individual import Individual
from kapl_jax.search.population import Chunk, Population
from kapl_jax.search.trainer import PopulationTrainer

# Long enough that a call costs nothing beside its work, short enough for a lively progress bar.
_SECONDS_PER_CALL = 0.5
LogEpoch = Callable[[int, float, np.ndarray | None], None]


@dataclasses.dataclass(frozen=True)
class Trained:
    """The end of an individual's training.

    Attributes:
        epochs: The epoch its variables are of.
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
class Ended:
    """A chunk at the end of its training.

    Attributes:
        results: Of each individual.
        chunk: The chunk, with the variables that the results are of.
        standing: From which training could go on, on the host; None where nothing follows.
    """

    results: list[Trained]
    chunk: Chunk
    standing: Population | None


class ChunkTraining:
    """Trains chunks one after the other; the one in training can be continued after a crash.

    How many epochs one call to the devices takes, and how often a checkpoint is written, follow
    the clock; the results do not depend on either. Where a signal asks the program to end, a
    checkpoint is written and it ends.
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
        self._saver = CheckpointSaver()
        self._saved = time.monotonic()
        # Ends of chunks that are neither saved nor recorded: tag, standing, epoch.
        self._unsaved = list[tuple[dict[str, Any], Population, int]]()
        # The epoch that the chunk in training started from, and what the bar counted since then.
        self._began = 0
        self._counted = 0.0

    def run(
        self,
        tag: dict[str, Any],
        individuals: Sequence[Individual],
        size: int,
        start: tuple[Population, int] | None,
        stop: int,
        keep: bool,
    ) -> Ended:
        """Train a chunk up to epoch `stop`.

        Args:
            tag: What tells this chunk from all others in the run; `ids` are its individuals.
            individuals: Its individuals.
            size: Its size on the devices.
            start: Where the individuals stand and the epoch; None starts afresh.
            stop: The epoch to end at.
            keep: Whether training may go on from the end, and a checkpoint of it is worth its
                while, because nothing is recorded at the end of this chunk.
        """
        self._began, self._counted = 0 if start is None else start[1], 0.0
        with at_once():
            chunk = self._restore(tag, individuals, size) or self._begin(individuals, size, start)
        per_call = 1
        self._show(chunk)

        def after_part() -> bool:
            self._show(chunk)
            return self._is_due()

        while chunk.epoch < stop:
            began = time.monotonic()
            count = min(per_call, self._next_pause(chunk.epoch, stop) - chunk.epoch)
            self.trainer.train(chunk, count, after_part)
            self._show(chunk)
            if chunk.population.shares:
                self._save(tag, chunk)
                self._leave_if_asked()
                continue
            per_call = max(1, int(count * _SECONDS_PER_CALL / (time.monotonic() - began + 1e-6)))
            scores = self._keep_best(chunk) if self._is_pause(chunk.epoch, stop) else None
            self.log_epoch(chunk.epoch, float(np.mean(chunk.population.losses)), scores)
            if (chunk.epoch < stop and self._is_due()) or is_asked():
                self._save(tag, chunk)
                self._leave_if_asked()
        standing = self.trainer.fetch(chunk) if keep else None
        if standing is not None:
            self._unsaved.append((tag, standing, chunk.epoch))
            if self._is_due():
                self.save_ends()
        results = self._results(chunk)
        chunk.settle()
        return Ended(results, chunk, standing)

    def forget(self, recorded: Container[str]) -> None:
        """Remove the checkpoints of chunks whose individuals are all recorded, by id."""
        self._unsaved.clear()
        for folder, tag in self._checkpoints():
            if all(one in recorded for one in tag["of"]["ids"]):
                remove_pytree(folder)
        with contextlib.suppress(OSError):
            self.folder.rmdir()

    def _begin(
        self, individuals: Sequence[Individual], size: int, start: tuple[Population, int] | None
    ) -> Chunk:
        if start is None:
            return self.trainer.start(individuals, size)
        return self.trainer.place(individuals, size, *start)

    def take_back(self) -> None:
        """Let the bar forget the chunk in training, which is to be trained otherwise."""
        self.progress.advance(-self._counted)

    def _show(self, chunk: Chunk) -> None:
        """Let the bar count what was trained since the last time."""
        trained = (chunk.epoch + chunk.done - self._began) * len(chunk.individuals)
        self.progress.advance(trained - self._counted)
        self._counted = trained

    def _is_due(self) -> bool:
        return is_asked() or time.monotonic() - self._saved >= self.checkpoint_seconds

    def _next_pause(self, epoch: int, stop: int) -> int:
        every = self.evaluate_every or stop
        return min(stop, (epoch // every + 1) * every)

    def _is_pause(self, epoch: int, stop: int) -> bool:
        return bool(self.evaluate_every) and (epoch == stop or epoch % self.evaluate_every == 0)

    def _keep_best(self, chunk: Chunk) -> np.ndarray:
        """Evaluate a chunk, keep each individual's variables where they are its best."""
        metrics = self._evaluate(chunk)
        scores = self._scores(metrics, None)
        self.progress.best(float(scores.max()))
        chunk.keep_best(scores, metrics)
        return scores

    def _results(self, chunk: Chunk) -> list[Trained]:
        losses, best = chunk.population.losses, chunk.population.best
        if best is None:
            metrics = self._evaluate(chunk)
            scores = self._scores(metrics, losses)
            epochs = np.full(len(scores), chunk.epoch)
        else:
            metrics, scores, epochs = best.metrics, best.score, best.epoch
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

    def _evaluate(self, chunk: Chunk) -> dict[str, np.ndarray]:
        metrics = self.trainer.problem.metrics("valid", self.trainer.evaluate(chunk, "valid"))
        # As checkpoints expect them, even of a problem that gives others.
        return {name: np.asarray(values, np.float64) for name, values in metrics.items()}

    def _scores(self, metrics: dict[str, np.ndarray], losses: np.ndarray | None) -> np.ndarray:
        scores = np.asarray(self.trainer.problem.score(metrics), np.float64)
        sound = np.isfinite(scores) & (True if losses is None else np.isfinite(losses))
        return np.where(sound, scores, -np.inf)

    def _save(self, tag: dict[str, Any], chunk: Chunk) -> None:
        self.save_ends()
        self._write(tag, self.trainer.fetch(chunk), chunk.epoch, chunk.done)

    def _leave_if_asked(self) -> None:
        if is_asked():
            self._saver.wait()
            leave_if_asked()

    def save_ends(self) -> None:
        """Save the ends of chunks that are neither saved nor recorded."""
        for tag, standing, epoch in self._unsaved:
            self._write(tag, standing, epoch, 0.0)
        self._unsaved.clear()

    def _write(self, tag: dict[str, Any], standing: Population, epoch: int, done: float) -> None:
        metrics = [] if standing.best is None else list(standing.best.metrics)
        reached = {"epoch": epoch, "blocks": len(standing.shares), "done": done}
        digest = zlib.crc32(json.dumps(tag, sort_keys=True).encode())
        folder = self.folder / f"{digest:08x}"
        self._saver.save(folder, standing, {"of": tag, **reached, "best": metrics})
        self._saved = time.monotonic()

    def _checkpoints(self) -> list[tuple[Path, dict[str, Any]]]:
        """Return the checkpoints of chunks in training, folder and tag, the newest first."""
        self._saver.wait()
        found = list[tuple[float, Path, dict[str, Any]]]()
        for folder in saved_in(self.folder):
            with self._without_damaged(folder):
                tag = load_tag(folder)
                if tag is not None:
                    with reading(folder):
                        _ = tag["of"]["ids"], tag["blocks"], tag["best"]
                        found.append((tag["epoch"] + tag["done"], folder, tag))
        return [(folder, tag) for _, folder, tag in sorted(found, key=lambda one: -one[0])]

    @contextlib.contextmanager
    def _without_damaged(self, folder: Path) -> Iterator[None]:
        """Remove a checkpoint that turns out to be damaged within, with a warning."""
        try:
            yield
        except DamagedCheckpoint as error:
            print_warnings([f"{error}; it is removed, what it held is trained again"])
            remove_pytree(folder)

    def _restore(
        self, tag: dict[str, Any], individuals: Sequence[Individual], size: int
    ) -> Chunk | None:
        """Go on from the newest checkpoint that holds these individuals, maybe among others.

        A chunk that had to be made smaller so goes on where the larger one was.
        """
        ids = tag["ids"]
        fitting = [
            (folder, saved)
            for folder, saved in self._checkpoints()
            if {**saved["of"], "ids": ids} == tag and set(ids) <= set(saved["of"]["ids"])
        ]
        for folder, saved in fitting:
            with self._without_damaged(folder):
                everybody = [individuals[0]] * len(saved["of"]["ids"])
                shape = self.trainer.population_shape(
                    everybody, saved["blocks"], saved["best"] or None
                )
                rows = [saved["of"]["ids"].index(one) for one in ids]
                standing = load_pytree(folder, shape).take(rows)
                return self.trainer.place(
                    individuals, size, standing, saved["epoch"], saved["done"]
                )
        return None
