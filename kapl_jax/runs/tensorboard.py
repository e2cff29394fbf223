"""The events of metrics.jsonl as TensorBoard scalars."""

from __future__ import annotations

import math
from collections.abc import Iterable, Mapping
from pathlib import Path
from typing import Any

from tensorboardX import SummaryWriter

# Which numbers of an event become scalars: event kind -> {key in the event: name of the scalar}.
_SCALARS: Mapping[str, Mapping[str, str]] = {
    "candidate": {"score": "candidate_score", "loss": "candidate_loss"},
    "epoch": {"loss": "loss", "score": "score"},
}


class TensorBoardLog:
    """Writes the scalars of a run's events; the step of an event is its line in metrics.jsonl.

    Tags read `stage/name`: a candidate gives `candidate_score`, `candidate_loss` and `best_score`
    (so far, in its stage), an epoch gives `loss` and, where it was evaluated, `score`, the best of
    those in training.
    """

    def __init__(self, path: Path, first_step: int = 0) -> None:
        """Open event files in the folder `path`, which is made when missing.

        Args:
            path: Folder of the event files.
            first_step: Number of events recorded before, 0 for a new run. TensorBoard is asked to
                drop what an interrupted run may have written from there on, so that no step is
                shown twice.
        """
        self._step = first_step
        self._best: dict[str, float] = {}
        self._writer = SummaryWriter(
            str(path),
            purge_step=first_step or None,
            flush_secs=15,
            # File names are otherwise unique by second only: a quick resume would overwrite.
            filename_suffix=f".{first_step}",
        )

    @classmethod
    def resume(cls, path: Path, events: Iterable[Mapping[str, Any]]) -> TensorBoardLog:
        """Open event files after the `events` recorded before: the best scores go on from there."""
        before = list(events)
        log = cls(path, first_step=len(before))
        for event in before:
            log._scalars(event)
        return log

    def add(self, event: Mapping[str, Any]) -> None:
        """Write the scalars of the next event."""
        for tag, value in self._scalars(event).items():
            self._writer.add_scalar(tag, value, self._step)
        self._step += 1

    def close(self) -> None:
        """Flush and close the event files."""
        self._writer.close()

    def _scalars(self, event: Mapping[str, Any]) -> dict[str, float]:
        """Return the scalars of `event` by tag; numbers that are null or not finite have none."""
        kind, stage = str(event.get("event")), str(event.get("stage", "run"))
        found = {}
        for key, name in _SCALARS.get(kind, {}).items():
            value = event.get(key)
            if isinstance(value, int | float) and math.isfinite(value):
                found[f"{stage}/{name}"] = float(value)
        score = found.get(f"{stage}/candidate_score")
        # A candidate that was dropped early was not trained as long as those it would be held to.
        if score is not None and event.get("complete", True):
            self._best[stage] = max(score, self._best.get(stage, score))
            found[f"{stage}/best_score"] = self._best[stage]
        return found
