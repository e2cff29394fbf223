"""A recorded stage: trains rounds of individuals so that nothing recorded is trained again."""

from __future__ import annotations

import dataclasses
from collections.abc import Callable, Container, Mapping, Sequence
from typing import Any

import jax
import numpy as np

from kapl_jax.errors import UserError, one_line
from kapl_jax.runs.interruption import Interruption
from kapl_jax.runs.interruption import waiting as signals_wait
from kapl_jax.runs.progress import Progress
from kapl_jax.runs.run_directory import RunDirectory
from kapl_jax.search.chunk_training import ChunkTraining, Trained
from kapl_jax.search.compiling import is_out_of_memory
from kapl_jax.search.individual import Individual
from kapl_jax.search.population import Chunk, Population, join_populations
from kapl_jax.search.schedule import Schedule
from kapl_jax.search.trainer import PopulationTrainer

Finish = Callable[[Chunk], Sequence[Mapping[str, Any]]]


@dataclasses.dataclass(frozen=True)
class Outcome:
    """What became of an individual.

    Attributes:
        individual: The individual.
        score: The metric searched for; -inf when the training diverged.
        complete: Whether it was trained to the end, not dropped early.
        record: The recorded event, with what `finish` added.
    """

    individual: Individual
    score: float
    complete: bool
    record: dict[str, Any]


class Stage:
    """Trains individuals in rounds and records what becomes of each in a run directory.

    How a round is split into chunks depends on the round alone, so that an interrupted run repeats
    it exactly. A chunk whose results are recorded is not trained again; one that was interrupted
    goes on from its checkpoint, or from its start. A chunk that does not fit in the memory is made
    smaller, and that is recorded. Where candidates are dropped early, a round is
    recorded as a whole: its survivors would need the company of the dropped ones again.
    """

    def __init__(
        self,
        name: str,
        trainer: PopulationTrainer[Any],
        schedule: Schedule,
        run: RunDirectory,
        describe: Callable[[np.ndarray], str],
        progress: Progress,
        *,
        checkpoint_seconds: float = 60.0,
        evaluate_every: int = 0,
        finish: Finish | None = None,
        group: str = "",
    ) -> None:
        """Prepare a stage.

        Args:
            name: Name of the stage in the events.
            trainer: Trains the individuals.
            schedule: How long, and who is dropped early.
            run: Where results and checkpoints go.
            describe: One line about a candidate, for the record.
            progress: Bar to advance, in candidate-epochs.
            checkpoint_seconds: Save a chunk in training this often.
            evaluate_every: Evaluate after this many epochs, too, and keep the best state of each
                individual; 0 keeps the last state.
            finish: Called with each chunk at the end of its training; what it returns for each
                individual is added to its record.
            group: Tells stages of one name apart, see `GroupedStage`.
        """
        self.name = name
        self.trainer = trainer
        self.schedule = schedule
        self.run = run
        self.describe = describe
        self.progress = progress
        self.evaluate_every = evaluate_every
        self.finish = finish
        self.group = group
        self._training = ChunkTraining(
            trainer,
            run.path / "checkpoints" / f"{name}-in-training",
            progress,
            checkpoint_seconds,
            evaluate_every,
            self._log_epoch,
        )
        self._recorded = {entry["id"]: entry for entry in run.recorded("candidate", name)}
        self._round = 0

    def train(
        self, number: int, individuals: Sequence[Individual], again: Container[str] = ()
    ) -> list[Outcome]:
        """Train round `number` and return what became of each individual, in order.

        An individual that is given twice, or that an earlier round trained, is not trained again.

        Args:
            number: The round.
            individuals: Whom to train.
            again: Ids of those to be trained although they are recorded, because what `finish` kept
                of them is lost; their records stay. Not where candidates are dropped early.
        """
        self._round = number
        fresh = self._without_known(individuals)
        self.progress.advance(self.schedule.cost(len(individuals)) - self.schedule.cost(len(fresh)))
        if all(one.id in self._recorded and one.id not in again for one in fresh):
            self.progress.advance(self.schedule.cost(len(fresh)))
            # A run that was killed in between has recorded them, but not removed their checkpoints.
            self._training.forget(self._recorded)
        elif len(self.schedule.rungs) == 1:
            self._train_at_once(fresh, again)
        else:
            try:
                self._train_rung_by_rung(fresh)
            except Interruption:
                self._training.save_ends()
                raise
        outcomes = [self._outcome(one) for one in individuals]
        self.progress.best(max(outcome.score for outcome in outcomes))
        return outcomes

    def _without_known(self, individuals: Sequence[Individual]) -> list[Individual]:
        """Leave out repetitions and what other rounds trained, but not what this round recorded.

        Else an interrupted round would be cut into other chunks when it is repeated.
        """
        unique = {one.id: one for one in individuals}
        rounds = {name: self._recorded[name]["round"] for name in unique if name in self._recorded}
        return [one for name, one in unique.items() if rounds.get(name, self._round) == self._round]

    def _train_at_once(self, individuals: Sequence[Individual], again: Container[str]) -> None:
        waiting = [one for one in individuals if one.id not in self._recorded or one.id in again]
        self.progress.advance(self.schedule.cost(len(individuals) - len(waiting)))

        def train(members: Sequence[Individual], size: int) -> None:
            tag, stop = self._tag(0, members), self.schedule.epochs
            ended = self._training.run(tag, members, size, None, stop, keep=False)
            self._record(zip(members, ended.results, self._extras(ended.chunk), strict=True))

        self._train_in_chunks(waiting, len(individuals), train)

    def _train_rung_by_rung(self, individuals: Sequence[Individual]) -> None:
        members, standing, trained = list(individuals), None, 0
        gone: list[tuple[Individual, Trained, Mapping[str, Any]]] = []
        for rung, epochs in enumerate(self.schedule.rungs):
            results, standing, extras = self._train_rung(rung, members, standing, trained)
            stay = self.schedule.survivors(rung, np.array([one.score for one in results]))
            leave = sorted(set(range(len(members))) - set(stay.tolist()))
            gone += [(members[i], results[i], extras[i]) for i in leave]
            members = [members[i] for i in stay]
            standing = standing.take(stay)
            trained = epochs
        self._record(gone)

    def _train_rung(
        self, rung: int, members: Sequence[Individual], standing: Population | None, trained: int
    ) -> tuple[list[Trained], Population, list[Mapping[str, Any]]]:
        """Train all members up to a rung; return their results, where they stand and extras."""
        results, extras = list[Trained](), list[Mapping[str, Any]]()
        reached: list[Population] = []

        def train(part: Sequence[Individual], size: int) -> None:
            begun = slice(len(results), len(results) + len(part))
            start = None if standing is None else (standing.take(begun), trained)
            tag, stop = self._tag(rung, part), self.schedule.rungs[rung]
            ended = self._training.run(tag, part, size, start, stop, keep=True)
            assert ended.standing is not None
            added = self._extras(ended.chunk)
            results.extend(ended.results)
            extras.extend(added)
            reached.append(ended.standing)

        self._train_in_chunks(members, len(members), train)
        return results, join_populations(reached), extras

    def _train_in_chunks(
        self,
        members: Sequence[Individual],
        count: int,
        train: Callable[[Sequence[Individual], int], None],
    ) -> None:
        """Train chunk after chunk of `members`, in smaller ones where the memory does not suffice.

        Args:
            members: Who is to be trained, the last of `count` that are cut into equal chunks.
            count: How many there are with those that are trained already.
            train: Trains some of them in a chunk of a size.
        """
        done = 0
        while done < len(members):
            size, _ = self.trainer.layout(count, self._chunk_limit(members))
            part = members[done : done + size]
            if self._fits(train, part, size):
                done += len(part)
            else:
                self._log_chunk_limit(self.trainer.smaller_chunk(size))

    def _fits(
        self,
        train: Callable[[Sequence[Individual], int], None],
        part: Sequence[Individual],
        size: int,
    ) -> bool:
        """Train a chunk, or tell that the memory does not suffice for it.

        Raises:
            UserError: It does not suffice for one individual.
        """
        try:
            # Until it is saved or recorded what a chunk has become.
            with signals_wait():
                train(part, size)
        except (MemoryError, jax.errors.JaxRuntimeError) as error:
            if not is_out_of_memory(error):
                raise
            if self.trainer.smaller_chunk(size):
                # Leaving this block gives up the error, and with it what its frames hold.
                self._training.take_back()
                return False
            text = one_line(error)[:200]
            raise UserError(
                f"{self.name}: one individual is too large for the memory of the device, expected "
                f"smaller dimensions or batches ({text})"
            ) from None
        return True

    def _chunk_limit(self, individuals: Sequence[Individual]) -> int:
        """Return the chunk limit, found once per stage and recorded: a resumed run keeps to it.

        It is found anew where another size is asked for than when it was recorded.
        """
        for event in reversed(self.run.recorded("chunk_limit", self.name)):
            if event.get("group", "") == self.group:
                if event.get("asked", 0) == self.trainer.chunk_size:
                    return int(event["limit"])
                break
        keeps_best = self.evaluate_every > 0
        return self._log_chunk_limit(self.trainer.chunk_limit(individuals, keeps_best))

    def _log_chunk_limit(self, limit: int) -> int:
        where = {"stage": self.name, "group": self.group}
        self.run.log(
            {"event": "chunk_limit", **where, "asked": self.trainer.chunk_size, "limit": limit}
        )
        return limit

    def _tag(self, rung: int, members: Sequence[Individual]) -> dict[str, Any]:
        ids = [one.id for one in members]
        return {"stage": self.name, "round": self._round, "rung": rung, "ids": ids}

    def _extras(self, chunk: Chunk) -> Sequence[Mapping[str, Any]]:
        return self.finish(chunk) if self.finish else [{}] * len(chunk.individuals)

    def _record(self, finished: Any) -> None:
        events = [
            {
                "event": "candidate",
                "stage": self.name,
                "round": self._round,
                "id": one.id,
                "name": one.name,
                "candidate": one.candidate,
                "describe": self.describe(one.candidate),
                "hyperparameters": dict(one.hyperparameters),
                "seed": one.seed,
                "epochs": result.epochs,
                "complete": result.trained_to == self.schedule.epochs,
                "score": result.score,
                "valid": result.metrics,
                "loss": result.loss,
                **extra,
            }
            for one, result, extra in finished
            if one.id not in self._recorded
        ]
        first = len(self.run.events)
        self.run.log(*events)
        self._recorded |= {event["id"]: event for event in self.run.events[first:]}
        self._training.forget(self._recorded)

    def _log_epoch(self, epoch: int, loss: float, scores: np.ndarray | None) -> None:
        where = {"stage": self.name, "round": self._round, "epoch": epoch}
        event: dict[str, Any] = {"event": "epoch", **where, "loss": loss}
        if scores is not None:
            event |= {"score": float(scores.max()), "scores": scores.tolist()}
        self.run.log(event)

    def _outcome(self, one: Individual) -> Outcome:
        record = self._recorded[one.id]
        # JSON has no -inf: the score of a diverged individual is recorded as null.
        score = -np.inf if record["score"] is None else float(record["score"])
        return Outcome(one, score, bool(record["complete"]), record)
